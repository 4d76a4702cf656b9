"""What the venue's tests share: a clock and a market that do only what a test says, and clients that sign."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest

from mmcore.venue.accounts import Account
from mmcore.venue.exchange import Exchange
from mmcore.venue.limits import DEFAULT_LIMITS, LOCAL, Limits, Visitor
from mmcore.venue.market import (
    Execution,
    Feed,
    Market,
    NewOrder,
    OrderKind,
    PlaceResult,
    Side,
    StreamMessage,
    TimeInForce,
)
from mmcore.venue.matching import MatchingEngine, Trade
from mmcore.venue.rest import RestReply, handle_rest
from mmcore.venue.server import ServerSettings, VenueServer
from mmcore.venue.signing import KeyRing, hmac_key
from mmcore.venue.tape import Tape
from mmcore.venue.ws_api import ApiSession

UNIT = 100_000_000
START_US = 1_700_000_000_000_000
API_KEY = "k" * 64
API_SECRET = "s" * 64


@dataclass
class HandClock:
    """Time that a test moves."""

    now: int = START_US

    def now_us(self) -> int:
        return self.now


@dataclass
class HandMarket:
    """A book that stands still, bids 99.00 98.00 and asks 101.00 102.00 of one unit each; a test fills what rests."""

    symbol: str = "BTCUSDT"
    tick_e8: int = 1_000_000
    step_e8: int = 1_000
    bids: list[tuple[int, int]] = field(default_factory=lambda: [(99 * UNIT, UNIT), (98 * UNIT, UNIT)])
    asks: list[tuple[int, int]] = field(default_factory=lambda: [(101 * UNIT, UNIT), (102 * UNIT, UNIT)])
    last_e8: int = 100 * UNIT
    has_book: bool = True
    resting: dict[int, tuple[NewOrder, int]] = field(default_factory=dict)
    pending: list[Execution] = field(default_factory=list)
    messages: list[StreamMessage] = field(default_factory=list)
    trades: int = 0
    wanted: set[Feed] = field(default_factory=set)
    tape: Tape = field(default_factory=Tape)

    def start(self, now_us: int) -> None:
        pass

    def want(self, feeds: Set[Feed]) -> None:
        self.wanted = set(feeds)

    def next_due_us(self) -> int | None:
        return 0 if self.pending or self.messages else None

    def advance(self, now_us: int) -> tuple[list[StreamMessage], list[Execution]]:
        messages, self.messages = self.messages, []
        executions, self.pending = self.pending, []
        return messages, executions

    def place(self, order: NewOrder, now_us: int) -> PlaceResult:
        levels = self.asks if order.side is Side.BUY else self.bids
        crossing = [(p, q) for p, q in levels if order.kind is OrderKind.MARKET or self._crosses(order, p)]
        if order.kind is OrderKind.LIMIT_MAKER and crossing:
            return PlaceResult((), 0, 0, would_match=True)
        if order.tif is TimeInForce.FOK and sum(q for _, q in crossing) < order.qty_e8:
            return PlaceResult((), 0, order.qty_e8, would_match=False)
        executions, left = [], order.qty_e8
        for price, qty in crossing:
            taken = min(qty, left)
            if taken:
                executions.append(self._execution(order, price, taken, maker=False, now_us=now_us))
                left -= taken
        if order.kind is OrderKind.MARKET or order.tif is not TimeInForce.GTC:
            return PlaceResult(tuple(executions), 0, left, would_match=False)
        if left:
            self.resting[order.order_id] = (order, left)
        return PlaceResult(tuple(executions), left, 0, would_match=False)

    def cancel(self, order_id: int, now_us: int) -> int | None:
        found = self.resting.pop(order_id, None)
        return None if found is None else found[1]

    def reduce(self, order_id: int, remaining_e8: int, now_us: int) -> bool:
        found = self.resting.get(order_id)
        if found is None:
            return False
        assert 0 < remaining_e8 < found[1]
        self.resting[order_id] = (found[0], remaining_e8)
        return True

    def depth(self, limit: int) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]] | None:
        return (7, self.bids[:limit], self.asks[:limit]) if self.has_book else None

    def reference_price_e8(self) -> int:
        return self.last_e8

    def fill(self, order_id: int, qty_e8: int) -> None:
        """Let somebody trade with a resting order; it is booked with the next advance."""
        order, left = self.resting.pop(order_id)
        assert 0 < qty_e8 <= left
        if qty_e8 < left:
            self.resting[order_id] = (order, left - qty_e8)
        self.pending.append(self._execution(order, order.price_e8, qty_e8, maker=True, now_us=0))

    def _crosses(self, order: NewOrder, price: int) -> bool:
        return price <= order.price_e8 if order.side is Side.BUY else price >= order.price_e8

    def _execution(self, order: NewOrder, price: int, qty: int, *, maker: bool, now_us: int) -> Execution:
        self.trades += 1
        return Execution(self.trades, order.order_id, order.owner, order.side, price, qty, maker, now_us)


class QuietMarket:
    """A matching engine in which nothing happens but what a test and the accounts do."""

    def __init__(self) -> None:
        self.symbol = "BTCUSDT"
        self.tick_e8, self.step_e8 = 1_000_000, 1_000
        self.engine = MatchingEngine(self.tick_e8, self.step_e8)
        self.last_e8 = 100 * UNIT
        self.tape = Tape()
        self._pending: list[Execution] = []
        self._agents = 0

    def offer(self, side: Side, price: str, qty: str, tif: TimeInForce = TimeInForce.GTC) -> None:
        """An order of somebody who is no account; what it trades is booked with the next advance."""
        self._agents += 1
        numbers = (int(Decimal(price) * UNIT), int(Decimal(qty) * UNIT))
        order = NewOrder(-self._agents, "agent:1", side, OrderKind.LIMIT, tif, *numbers)
        self._pending += self._of_accounts(self.engine.place(order, 0).trades)

    def start(self, now_us: int) -> None:
        pass

    def want(self, feeds: Set[Feed]) -> None:
        pass

    def next_due_us(self) -> int | None:
        return 0 if self._pending else None

    def advance(self, now_us: int) -> tuple[list[StreamMessage], list[Execution]]:
        executions, self._pending = self._pending, []
        return [], executions

    def place(self, order: NewOrder, now_us: int) -> PlaceResult:
        outcome = self.engine.place(order, now_us)
        steps: list[tuple[float, Any]] = [(number, one) for number, one in outcome.preventions]
        for number, trade in enumerate(outcome.trades):
            steps += [(number + 0.5, one) for one in self._of_accounts((trade,))]
        ordered = tuple(one for _, one in sorted(steps, key=lambda step: step[0]))
        return PlaceResult(ordered, outcome.resting_e8, outcome.expired_e8, outcome.would_match, outcome.out_of_range)

    def cancel(self, order_id: int, now_us: int) -> int | None:
        return self.engine.cancel(order_id)

    def reduce(self, order_id: int, remaining_e8: int, now_us: int) -> bool:
        return self.engine.reduce(order_id, remaining_e8)

    def depth(self, limit: int) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]] | None:
        return self.engine.depth(limit)

    def reference_price_e8(self) -> int:
        return self.last_e8

    @staticmethod
    def _of_accounts(trades: Iterable[Trade]) -> list[Execution]:
        executions = []
        for trade in trades:
            maker_side = Side.SELL if trade.taker_side is Side.BUY else Side.BUY
            for order_id, owner, side, maker in (
                (trade.maker_order_id, trade.maker_owner, maker_side, True),
                (trade.taker_order_id, trade.taker_owner, trade.taker_side, False),
            ):
                if not owner.startswith("agent:"):
                    executions.append(
                        Execution(trade.trade_id, order_id, owner, side, trade.price_e8, trade.qty_e8, maker, 0)
                    )
        return executions


def sign(payload: str, secret: str = API_SECRET) -> str:
    """An HMAC signature, made apart from the venue's code."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


@dataclass
class Desk:
    """An exchange without sockets, and a signing client of it."""

    exchange: Exchange
    clock: HandClock
    market: Any

    @property
    def visitor(self) -> Visitor:
        """What requests of this machine have used."""
        return self.exchange.visitors.of(LOCAL)

    @property
    def account(self) -> Account:
        return next(iter(self.exchange.accounts.values()))

    def call(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, *, signed: bool = False
    ) -> RestReply:
        """One REST request with its parameters in the query."""
        query = urlencode(params or {})
        if signed:
            query = "&".join(filter(None, (query, f"timestamp={self.exchange.server_us() // 1000}")))
            query += f"&signature={sign(query)}"
        return handle_rest(self.exchange, method, f"{path}?{query}", API_KEY if signed else None, b"")

    def ok(self, method: str, path: str, params: Mapping[str, Any] | None = None, *, signed: bool = True) -> Any:
        """The result of a request that must succeed."""
        reply = self.call(method, path, params, signed=signed)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def error(self, method: str, path: str, params: Mapping[str, Any] | None = None, *, signed: bool = True) -> Any:
        """(status, code, msg) of a request that must fail."""
        reply = self.call(method, path, params, signed=signed)
        body = json.loads(reply.body)
        return reply.status, body["code"], body["msg"]

    def place(self, side: str, price: str, quantity: str, kind: str = "LIMIT", **more: str) -> Any:
        """A new order with all of the reply."""
        params = {"symbol": "BTCUSDT", "side": side, "type": kind, "quantity": quantity, "newOrderRespType": "FULL"}
        if kind != "MARKET":
            params["price"] = price
        if kind == "LIMIT":
            params["timeInForce"] = "GTC"
        return self.ok("POST", "/api/v3/order", {**params, **more})

    def events(self) -> list[Any]:
        """The user events since the last call."""
        return [json.loads(event.text()) for event in self.exchange.take_user_events()]

    def balance(self, asset: str) -> tuple[int, int]:
        """(free, locked) in 1e-8."""
        balance = self.account.balance(asset)
        return balance.free_e8, balance.locked_e8


def build_exchange(market: Market, clock: Any, limits: Limits = DEFAULT_LIMITS, **rates: int) -> Exchange:
    """An exchange with one HMAC account of 1 BTC and 100,000 USDT."""
    keys = KeyRing()
    keys.add(hmac_key(API_KEY, "account-1", API_SECRET))
    account = Account("account-1", API_KEY, limits.orders)
    account.fund({"BTC": UNIT, "USDT": 100_000 * UNIT})
    return Exchange(
        market,
        clock,
        keys,
        [account],
        maker_rate_e8=rates.get("maker_rate_e8", 100_000),
        taker_rate_e8=rates.get("taker_rate_e8", 100_000),
        rng=random.Random(5),
        limits=limits,
    )


@pytest.fixture
def make_exchange() -> Callable[..., Exchange]:
    """`make_exchange(market, clock, maker_rate_e8=.., taker_rate_e8=..)`."""
    return build_exchange


@pytest.fixture
def desk() -> Desk:
    """An exchange over a market that stands still, with fees of 10 bps."""
    clock, market = HandClock(), HandMarket()
    return Desk(build_exchange(market, clock), clock, market)


@pytest.fixture
def quiet() -> Desk:
    """An exchange over a matching engine, fees of 10 bps; `quiet.market.offer` puts others' orders on the book."""
    clock, market = HandClock(), QuietMarket()
    return Desk(build_exchange(market, clock), clock, market)


@pytest.fixture(scope="session")
def make_desk() -> Callable[..., Desk]:
    """`make_desk(rate_e8, limits)`: a new desk whose fees are `rate_e8` both ways."""

    def make(rate_e8: int = 100_000, limits: Limits = DEFAULT_LIMITS) -> Desk:
        clock, market = HandClock(), HandMarket()
        exchange = build_exchange(market, clock, limits, maker_rate_e8=rate_e8, taker_rate_e8=rate_e8)
        return Desk(exchange, clock, market)

    return make


@pytest.fixture
def session(desk: Desk) -> ApiSession:
    """A WebSocket API connection to `desk`."""
    return ApiSession(desk.exchange)


@pytest.fixture
def signer() -> Callable[[str], str]:
    """Signs as the account's HMAC key."""
    return sign


@pytest.fixture
def ws_call(desk: Desk) -> Callable[..., Any]:
    """`ws_call(session, method, signed=True, **params)`: the reply as JSON; a second frame must not come."""

    def call(session: ApiSession, method: str, *, signed: bool = True, **params: Any) -> Any:
        if signed:
            params = {**params, "apiKey": API_KEY, "timestamp": desk.exchange.server_us() // 1000}
            payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
            params["signature"] = sign(payload)
        (reply,) = session.handle(json.dumps({"id": 1, "method": method, "params": params}))
        return json.loads(reply)

    return call


@pytest.fixture
def serve() -> Callable[..., Any]:
    """`serve(body, market, settings=.., start_with_depth=..)` runs `await body(server, url)` against a real server."""

    def run(body: Callable[[VenueServer, str], Any], market: Market, **options: Any) -> Any:
        async def main() -> Any:
            from mmcore.venue.clock import SystemClock

            server = VenueServer(
                build_exchange(market, options.get("clock") or SystemClock(), options.get("limits", DEFAULT_LIMITS)),
                start_with_depth=options.get("start_with_depth", False),
                order_rng=random.Random(1),
                queue_log=options.get("queue_log"),
                settings=options.get("settings", ServerSettings()),
            )
            url = await server.start(0)
            try:
                return await asyncio.wait_for(body(server, url), 30)
            finally:
                await server.stop()
                if server.failure is not None and server.failure.done():
                    server.failure.result()

        return asyncio.run(main())

    return run


def _at_or_through(side: str, own: Decimal, printed: Decimal) -> bool:
    return own >= printed if side == "BUY" else own <= printed


def recompute(log: list[dict[str, Any]]) -> list[tuple[int, str, int]]:
    """(order id, price, quantity in 1e-8) of each fill that the log's inputs give, from the rules alone."""
    orders: dict[int, dict[str, Any]] = {}
    fills: list[tuple[int, str, int]] = []

    def fill(order_id: int, qty: Decimal) -> None:
        orders[order_id]["left"] -= qty
        fills.append((order_id, orders[order_id]["price"], int(qty * UNIT)))
        if orders[order_id]["left"] == 0:
            del orders[order_id]

    for row in log:
        price = Decimal(row.get("price", "0"))
        if row["event"] == "place":
            front = Decimal("Infinity") if row["front"] is None else Decimal(row["front"])
            orders[row["order_id"]] = {**row, "left": Decimal(row["qty"]), "front": front}
        elif row["event"] == "cancel":
            assert orders.pop(row["order_id"])["left"] == Decimal(row["qty"])
        elif row["event"] == "reduce":
            assert Decimal(row["qty"]) < orders[row["order_id"]]["left"]
            orders[row["order_id"]]["left"] = Decimal(row["qty"])
        elif row["event"] == "use":
            orders[row["order_id"]]["left"] -= Decimal(row["qty"])
            if orders[row["order_id"]]["left"] == 0:
                del orders[row["order_id"]]
        elif row["event"] == "level":
            for one in orders.values():
                if (one["side"], one["price"]) == (row["side"], row["price"]) and row["update_id"] >= one["update_id"]:
                    one["front"] = min(one["front"], Decimal(row["qty"]))
        elif row["event"] == "best":
            for order_id, one in list(orders.items()):
                if one["side"] != row["side"] and _at_or_through(one["side"], Decimal(one["price"]), price):
                    fill(order_id, one["left"])
        elif row["event"] == "trade":
            printed = Decimal(row["qty"])
            for order_id, one in list(orders.items()):
                if one["side"] == row["aggressor"] or not _at_or_through(one["side"], Decimal(one["price"]), price):
                    continue
                if Decimal(one["price"]) != price:
                    fill(order_id, one["left"])
                    continue
                excess = min(one["left"], printed - one["front"])
                one["front"] = max(Decimal(0), one["front"] - printed)
                if excess > 0:
                    printed -= excess
                    fill(order_id, excess)
    return fills


@pytest.fixture(scope="session")
def recompute_fills() -> Callable[[list[dict[str, Any]]], list[tuple[int, str, int]]]:
    """Works fills out again from a queue log."""
    return recompute
