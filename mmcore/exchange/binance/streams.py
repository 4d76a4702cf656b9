"""Market data: one combined stream of diffs, best prices and trades of one symbol. No I/O and no clock."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from mmcore.exchange.binance.link import Action, Link
from mmcore.exchange.binance.protocol import NS_PER_S, Endpoints, LimitState, Verdict, verdict
from mmcore.exchange.channel import HandshakeRefusedError, Headers

_JSON: Final = ("depth@100ms", "bookTicker", "trade")
_SBE: Final = ("depth", "bestBidAsk", "trade")


@dataclass(frozen=True, slots=True)
class Source:
    """Where market data comes from: the combined stream of everything the engine reads about a symbol; no subscribe
    message is needed."""

    url: str
    headers: Headers = field(default=(), repr=False)


def json_source(endpoints: Endpoints, symbol: str) -> Source:
    """Text, with times in microseconds; diffs every 100 ms."""
    return Source(f"{_combined(endpoints.streams, symbol, _JSON)}&timeUnit=MICROSECOND")


def sbe_source(endpoints: Endpoints, symbol: str, api_key: str) -> Source:
    """Binary messages; diffs every 20 ms. api_key: of an Ed25519 key, others are refused."""
    return Source(_combined(endpoints.sbe_streams, symbol, _SBE), (("X-MBX-APIKEY", api_key),))


def _combined(base: str, symbol: str, kinds: tuple[str, ...]) -> str:
    name = quote(symbol.lower(), safe="")
    return f"{base}/stream?streams={'/'.join(f'{name}@{kind}' for kind in kinds)}"


def refused(error: HandshakeRefusedError, limits: LimitState, now_ns: int) -> int:
    """Takes a refused handshake in; returns how long to wait, 0 = only as long as after any failure."""
    meaning = verdict(error.status, 0, "")
    if meaning not in (Verdict.LIMIT, Verdict.BANNED):
        return 0
    wait_ns = None if error.retry_after_s is None else error.retry_after_s * NS_PER_S
    return limits.on_refusal(meaning, 0, "", wait_ns, now_ns, None) - now_ns


class MarketStreams:
    """The market connection: connects, pings once a second, reconnects with growing delays, replaces itself before the
    exchange's 24 h are over and when the exchange announces a shutdown. One thread at a time.

    Pings and the core's pongs stay under the 5 messages a second the exchange allows here.
    """

    __slots__ = ("_limits", "_link")

    def __init__(self, source: Source, limits: LimitState, rng: random.Random) -> None:
        self._link = Link(source.url, rng, source.headers)
        self._limits = limits

    @property
    def up(self) -> bool:
        return self._link.up

    def poll(self, now_ns: int) -> list[Action]:
        """What to do now: Connect, Ping, Drop."""
        banned_ns = self._limits.banned_until_ns - now_ns
        if banned_ns > 0:
            self._link.hold(now_ns, banned_ns)  # no new connection: whoever asks for more is shut out for longer
        return self._link.poll(now_ns)

    def deadline_ns(self) -> int:
        """When to call `poll` at the latest."""
        return self._link.deadline_ns()

    def on_connected(self, attempt: int, now_ns: int) -> bool:
        """See `Link.on_connected`."""
        return self._link.on_connected(attempt, now_ns)

    def on_failed(self, attempt: int, now_ns: int, error: Exception) -> None:
        """The attempt ended in this error."""
        wait_ns = refused(error, self._limits, now_ns) if isinstance(error, HandshakeRefusedError) else 0
        self._link.on_failed(attempt, now_ns, wait_ns)

    def on_seen(self, now_ns: int) -> None:
        """Bytes came in."""
        self._link.on_seen(now_ns)

    def on_dropped(self, now_ns: int) -> None:
        """The connection is over."""
        self._link.on_dropped(now_ns)

    def on_shutdown_notice(self, now_ns: int) -> None:
        """serverShutdown was announced."""
        self._link.on_shutdown_notice(now_ns)
