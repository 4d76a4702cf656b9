"""The venue behind the network in memory: everything of `mmcore.venue` but its sockets."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import parse_qs

from mmcore.errors import UnreachableError
from mmcore.exchange.channel import HandshakeRefusedError
from mmcore.venue.accounts import Account
from mmcore.venue.decimals import UNIT_E8
from mmcore.venue.errors import VenueError
from mmcore.venue.exchange import Exchange
from mmcore.venue.faults import Fault
from mmcore.venue.front import API, REST, STREAMS, Front
from mmcore.venue.gateway import admit_api, admit_stream
from mmcore.venue.jsontext import TimeUnit, time_unit
from mmcore.venue.limits import LOCAL, Limits
from mmcore.venue.line import Line
from mmcore.venue.market import NewOrder, OrderKind, Side, TimeInForce, Wire
from mmcore.venue.rest import RestReply
from mmcore.venue.signing import ApiKey, KeyRing
from mmcore.venue.streams import StreamHub, StreamSession
from mmcore.venue.synthetic import SyntheticMarket
from mmcore.venue.tamper import Tamperer
from mmcore.venue.ws_api import CONNECT_WEIGHT, ApiSession
from tests.sim.network import Connection, Frames
from tests.sim.timeline import NEVER, VenueClock

ACCOUNT: Final = "account-1"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_WIRES: Final = {TimeUnit.MILLISECOND: Wire.JSON, TimeUnit.MICROSECOND: Wire.JSON_MICROSECOND}
_RAIDER: Final = "agent:raider"


class _Carrier:
    """`mmcore.venue.line.Carrier` over a connection."""

    def __init__(self, connection: Connection) -> None:
        self.write = connection.write
        self.end = connection.finish
        self.reset = connection.reset


class Peer:
    """One connection as the exchange has it."""

    def __init__(self, side: ExchangeSide, line: Line, on_text: Callable[[Line, str], None]) -> None:
        self._side = side
        self._front = side.front
        self._line = line
        self._on_text = on_text
        self._frames = Frames()

    def received(self, data: bytes) -> None:
        front, line = self._front, self._line
        for opcode, payload in self._frames.feed(data):
            front.advance()
            if opcode == _TEXT:
                self._on_text(line, payload.decode())
            elif opcode == _PING:
                front.ping(line, payload)
            elif opcode == _PONG:
                front.pong(line, payload)
            elif opcode == _CLOSE:
                line.end()
            self._side.after_change()

    def lost(self) -> None:
        self._front.close(self._line)


class ExchangeSide:
    """One exchange with one account, its market, and whoever is connected. Implements `network.Server`."""

    def __init__(self, seed: int, clock: VenueClock, keys: Iterable[ApiKey], *, pace: int, maker_rate_e8: int,
                 limits: Limits) -> None:
        self.clock = clock
        self.market = SyntheticMarket(seed, pace=pace)
        ring = KeyRing()
        names = []
        for key in keys:
            ring.add(key)
            names.append(key.api_key)
        self.account = Account(ACCOUNT, names[0], limits.orders)
        self.account.fund({"BTC": 1 * UNIT_E8, "USDT": 100_000 * UNIT_E8})
        self.exchange = Exchange(self.market, clock, ring, [self.account], maker_rate_e8=maker_rate_e8,
                                 taker_rate_e8=maker_rate_e8, rng=random.Random(f"{seed}:exchange"), limits=limits)
        self.hub = StreamHub(self.market.want, Tamperer(self.exchange.faults, clock))
        self.front = Front(self.exchange, self.hub, random.Random(f"{seed}:order"))
        self.after_change: Callable[[], None] = lambda: None
        """Called whenever orders or balances may have changed."""
        self._raids = 0
        self._opening_us = clock.now_us()
        self.exchange.start()

    def arm(self, seed: int, faults: Iterable[Fault]) -> None:
        """Faults of the exchange, counted from now."""
        self.exchange.faults.seed = seed
        self.exchange.faults.add(faults, self.clock.now_us())

    def totals(self) -> dict[str, int]:
        """All orders and fills, those of before a wipe too."""
        gone = [account for state in self.exchange.archive for account in state["accounts"]]
        return {"fills": len(self.account.fills) + sum(len(account["fills"]) for account in gone),
                "accepted": len(self.account.orders) + sum(len(account["orders"]) for account in gone)}

    # The market

    def next_due_ns(self) -> int:
        due_us = self.exchange.next_due_us()
        return NEVER if due_us is None else self.clock.ns_of(due_us)

    def advance(self) -> None:
        """Lets happen what is due, and sends what it says."""
        self.front.advance()
        self.after_change()

    def raid(self, side: Side, price_e8: int, extra_e8: int) -> None:
        """Somebody takes everything up to a price of the other side, and a little more at it."""
        self.advance()
        depth = self.market.depth(200)
        levels = depth[2] if side is Side.BUY else depth[1]
        better = sum(qty for price, qty in levels if (price < price_e8 if side is Side.BUY else price > price_e8))
        self._raids += 1
        qty_e8 = (better + extra_e8) // self.market.step_e8 * self.market.step_e8
        if qty_e8 > 0:
            order = NewOrder(-10**12 - self._raids, _RAIDER, side, OrderKind.LIMIT, TimeInForce.IOC, price_e8, qty_e8)
            self.market.place_agent_order(order, self.clock.now_us() - self._opening_us)
        self.advance()

    # Connections

    def accept(self, connection: Connection, url: str) -> Peer:
        self.front.advance()
        path, _, raw_query = url.partition("://")[2].partition("/")[2].partition("?")
        query = parse_qs(raw_query)
        sockets = API if path == "ws-api/v3" else STREAMS
        if self.front.refuses(sockets):
            raise UnreachableError("the connection was closed")
        self._admit(sockets)
        unit = time_unit(query.get("timeUnit", ["MILLISECOND"])[0])
        assert unit is not None, url
        line = self.front.open_line(sockets, _Carrier(connection))
        if sockets is API:
            self.front.attach_api(line, ApiSession(self.exchange, unit=unit))
            return Peer(self, line, self.front.answer)
        assert path in ("stream", "sbe/stream"), url
        wire = Wire.SBE if path.startswith("sbe") else _WIRES[unit]
        names = query["streams"][0].split("/")
        session = StreamSession(self.hub, names, combined=True, write=line.send, wire=wire)
        self.front.attach_streams(line, session)
        return Peer(self, line, self.front.control)

    def _admit(self, sockets: str) -> None:
        """As the server does at a handshake."""
        visitor = self.exchange.visitors.of(LOCAL)
        try:
            if sockets is API:
                admit_api(self.exchange, visitor, CONNECT_WEIGHT)
            else:
                admit_stream(self.exchange, visitor)
        except VenueError as error:
            wait_s = None
            if error.retry_at_ms is not None:
                wait_s = max(1, -(-(error.retry_at_ms - self.exchange.server_us() // 1000) // 1000))
            raise HandshakeRefusedError(error.msg, error.status, wait_s) from None

    def on_request(self, method: str, target: str, api_key: str | None) -> RestReply | None:
        """One REST request; None: reset."""
        self.front.advance()
        if self.front.refuses(REST):
            return None
        reply = self.front.rest(method, target, api_key, b"")
        self.after_change()
        return reply
