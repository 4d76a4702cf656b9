"""What the tests with other people's clients share: a venue of their own, keys, and a book to compare theirs with."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.e2e.processes import ROOT, Venue, account

RECORDING = ROOT / "tests" / "data" / "venue_btcusdt.gz"
SECONDS = 20.0
"""How long a client may take for what comes within a second on an idle machine."""


@dataclass(frozen=True)
class ClientVenue:
    """A venue as a process, and the private half of its account's Ed25519 key."""

    process: Venue
    private_key: Path

    @property
    def url(self) -> str:
        return self.process.url

    @property
    def ws_url(self) -> str:
        return self.process.url.replace("http://", "ws://")

    def balance(self, asset: str) -> tuple[Decimal, Decimal]:
        """(free, locked) in the venue's own books."""
        row = account(self.process.audit())["balances"][asset]
        return Decimal(row["free"]), Decimal(row["locked"])

    def order(self, order_id: int | str) -> Any:
        """An order in the venue's own books."""
        (found,) = [one for one in account(self.process.audit())["orders"] if one["order_id"] == int(order_id)]
        return found

    def open_order_ids(self) -> set[int]:
        """What rests, in the venue's own books."""
        return {one["order_id"] for one in account(self.process.audit())["orders"] if one["ended_us"] is None}

    @contextmanager
    def another_time(self, offset_ms: int) -> Iterator[None]:
        """The venue's clock is this much ahead meanwhile."""
        self.process.command("/venue/clock", {"offset_ms": offset_ms})
        try:
            yield
        finally:
            self.process.command("/venue/clock", {"offset_ms": 0})


@contextmanager
def listening(folder: Path, *arguments: str) -> Iterator[ClientVenue]:
    """A venue with limits that no test meets and a second key for Ed25519; synthetic unless told another market."""
    private_key = Ed25519PrivateKey.generate()
    private, public = folder / "private.pem", folder / "public.pem"
    private.write_bytes(private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    generous = ("--weight-1m", "1000000", "--orders-10s", "10000", "--connections-5m", "10000")
    options = ("--port", "0", *generous, "--ed25519-public-key", str(public), *arguments)
    process = Venue(folder, "venue", options, {})
    try:
        yield ClientVenue(process, private)
        assert process.running, process.err
    finally:
        process.kill()


@dataclass
class Heard:
    """What came on a stream, for a test to wait on."""

    events: list[Any] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: Any) -> None:
        self.events.append(event)
        self._more.set()

    async def until(self, wanted: Callable[[Any], bool], what: str, seconds: float = SECONDS) -> Any:
        """The first event that is wanted, of those heard so far and those to come."""
        seen = 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    while seen < len(self.events):
                        seen += 1
                        if wanted(self.events[seen - 1]):
                            return self.events[seen - 1]
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} among {self.events}") from None


@dataclass
class Mirror:
    """A book of exact decimals, kept as the exchange's documentation tells clients to."""

    update_id: int = 0
    sides: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = field(default_factory=lambda: ({}, {}))

    def start(self, update_id: int, bids: Iterable[Iterable[Any]], asks: Iterable[Iterable[Any]]) -> None:
        """Begin with a snapshot."""
        self.update_id, self.sides = update_id, (levels(bids), levels(asks))

    def apply(self, first: int, last: int, bids: Iterable[Iterable[Any]], asks: Iterable[Iterable[Any]]) -> None:
        """Take in one diff; one from before the snapshot says nothing, and none may be missing."""
        if last <= self.update_id:
            return
        assert first <= self.update_id + 1, f"a gap: {first} after {self.update_id}"
        self.update_id = last
        for side, changes in zip(self.sides, (levels(bids), levels(asks)), strict=True):
            for price, qty in changes.items():
                if qty:
                    side[price] = qty
                else:
                    side.pop(price, None)


def levels(rows: Iterable[Iterable[Any]]) -> dict[Decimal, Decimal]:
    """Price to quantity."""
    return {Decimal(str(price)): Decimal(str(qty)) for price, qty, *_ in rows}


def playing(folder: Path) -> AbstractContextManager[ClientVenue]:
    """A venue that plays the tests' own recording once, from the first subscription to depth on, in 4 s."""
    return listening(folder, "--market", "recorded", "--speed", "2", str(RECORDING))


Book = tuple[int, Iterable[Iterable[Any]], Iterable[Iterable[Any]]]
"""Update id, bids, asks."""


async def follows_the_recording(advance: Callable[[], Awaitable[Book]]) -> None:
    """A client's book, begun while the recording plays, comes to be the recorded one and stays so, whole, through 40
    updates. `advance` gives the client's book after one more event.
    """
    books = _recorded_books()
    equal = 0
    async with asyncio.timeout(SECONDS):
        while equal < 40:
            update_id, *sides = await advance()
            found = tuple(map(levels, sides))
            assert not equal or found == books[update_id], f"the book is wrong at {update_id}"
            equal += found == books.get(update_id)


def _recorded_books() -> dict[int, tuple[dict[Decimal, Decimal], ...]]:
    """The book after each recorded diff, worked out from the file."""
    lines = [json.loads(line.partition(b" ")[2]) for line in gzip.decompress(RECORDING.read_bytes()).splitlines()]
    (snapshot,) = [line for line in lines if "lastUpdateId" in line]
    mirror = Mirror()
    mirror.start(snapshot["lastUpdateId"], snapshot["bids"], snapshot["asks"])
    books = {}
    for line in lines:
        diff = line.get("data", {})
        if diff.get("e") == "depthUpdate" and diff["u"] > mirror.update_id:
            mirror.apply(diff["U"], diff["u"], diff["b"], diff["a"])
            books[mirror.update_id] = tuple(dict(side) for side in mirror.sides)
    return books
