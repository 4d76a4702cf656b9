"""Faults on request: which faults there are, a plan of them from JSON, and when each of them strikes.

Pure: no sockets, no clock. The venue's hooks tell the plan what happens (a request, a user event, a market message, a
write, the passing of time) and it answers which fault strikes there, if any; what a strike does is the hook's own
business. Each fault draws from its own generator, seeded by the plan's seed and the fault's id: the same happenings
give the same strikes, and a fault that is added changes no other's.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REQUEST, EVENT, SUBSCRIPTION, MESSAGE, WRITE, TIME = "request", "event", "subscription", "message", "write", "time"

OPERATIONS = ("place", "cancel", "cancel_all", "amend", "cancel_replace", "query")
"""What a fault on requests can name. A request of no class here (depth, time, exchangeInfo) is never struck."""

_ORDER_OPERATIONS = ("place", "cancel", "cancel_all", "amend", "cancel_replace")
_TIME_MAX_MS = 100 * 86_400_000
_SPAN_MAX_MS = 86_400_000
_COUNT_MAX = 1_000_000


class FaultError(ValueError):
    """A plan that cannot be used; the text names the place, the value and what is allowed there."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `lowest` to `highest`."""

    default: int
    lowest: int
    highest: int

    @property
    def allowed(self) -> str:
        """In words."""
        return f"a whole number from {self.lowest} to {self.highest}"

    def accepts(self, value: Any) -> bool:
        """Whether `value` is one."""
        return isinstance(value, int) and not isinstance(value, bool) and self.lowest <= value <= self.highest


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of a few words."""

    default: str
    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """In words."""
        return f"one of {', '.join(self.words)}"

    def accepts(self, value: Any) -> bool:
        """Whether `value` is one of them."""
        return isinstance(value, str) and value in self.words


@dataclass(frozen=True, slots=True)
class SomeOf:
    """A list of one or more of a few words."""

    default: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """In words."""
        return f"a list of {', '.join(self.words)}"

    def accepts(self, value: Any) -> bool:
        """Whether `value` is such a list."""
        return (
            isinstance(value, list | tuple)
            and bool(value)
            and all(isinstance(one, str) and one in self.words for one in value)
        )


@dataclass(frozen=True, slots=True)
class Name:
    """An asset: 1 to 20 capital letters or digits, or `base` or `quote` of the symbol."""

    default: str

    @property
    def allowed(self) -> str:
        """In words."""
        return "`base`, `quote` or an asset in capitals"

    def accepts(self, value: Any) -> bool:
        """Whether `value` is one."""
        return isinstance(value, str) and (
            value in ("base", "quote") or (value.isascii() and value.isalnum() and value.isupper() and len(value) <= 20)
        )


Parameter = Whole | OneOf | SomeOf | Name


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault: at which moment it strikes, what can be set, and what it does, in a line for the docs."""

    name: str
    moment: str
    text: str
    parameters: Mapping[str, Parameter]


def _on(*default: str) -> SomeOf:
    return SomeOf(default or _ORDER_OPERATIONS, OPERATIONS)


_VIA = OneOf("any", ("any", "rest", "ws"))
_SOCKETS = OneOf("all", ("streams", "api", "all"))
_WHICH = OneOf("all", ("one", "all"))
_STREAM = OneOf("any", ("any", "depth", "bookTicker", "trade"))
_FORMAT = OneOf("any", ("any", "json", "sbe"))
_EVENT = OneOf("any", ("any", "position", "NEW", "TRADE", "CANCELED", "REPLACED", "EXPIRED", "TRADE_PREVENTION"))
_EXECUTED = OneOf("yes", ("yes", "no", "late"))
_SIDE = OneOf("both", ("both", "BUY", "SELL"))


def _span(default_ms: int) -> Whole:
    return Whole(default_ms, 1, _SPAN_MAX_MS)


def _request(name: str, text: str, via: OneOf = _VIA, on: SomeOf | None = None, **more: Parameter) -> Kind:
    return Kind(name, REQUEST, text, {"on": on or _on(), "via": via, **more})


def _message(name: str, text: str, **more: Parameter) -> Kind:
    return Kind(name, MESSAGE, text, {"stream": _STREAM, "format": _FORMAT, "which": _WHICH, **more})


def _event(name: str, text: str, **more: Parameter) -> Kind:
    return Kind(name, EVENT, text, {"event": _EVENT, **more})


def _sockets(name: str, text: str, **more: Parameter) -> Kind:
    return Kind(name, TIME, text, {"sockets": _SOCKETS, "which": _WHICH, **more})


def _state(name: str, text: str, **more: Parameter) -> Kind:
    return Kind(name, TIME, text, more)


MALFORMED_FORMS = ("cut", "text", "number", "huge", "bytes", "deep")
_REST_ONLY = OneOf("rest", ("rest",))

_ALL_KINDS = (
    # Requests
    _request(
        "reply_lost",
        "no reply ever comes; the request is carried out (`yes`), not (`no`), or `late_ms` later (`late`). A REST "
        "connection is reset after 30 s",
        executed=_EXECUTED,
        late_ms=_span(1_000),
    ),
    _request("reply_delayed", "carried out at once, answered `delay_ms` later", delay_ms=_span(2_000)),
    _request(
        "status_unknown",
        "answered with an error that leaves the outcome open: HTTP 503, -1000, -1001, -1006 or -1007; carried out, "
        "not, or `late_ms` later",
        error=OneOf("-1007", ("503", "-1000", "-1001", "-1006", "-1007")),
        executed=_EXECUTED,
        late_ms=_span(1_000),
    ),
    _request("overloaded", "answered -1008 and not carried out"),
    _request("late_timestamp", "answered -1021 after the last check of the time: not carried out, yet an order counts"),
    _request(
        "replace_partial",
        "one leg of a cancelReplace fails: the new order (-2010) or the cancel (-2011)",
        on=SomeOf(("cancel_replace",), ("cancel_replace",)),
        leg=OneOf("new", ("new", "cancel")),
    ),
    _request("blocked", "HTTP 403 with a page of HTML, as a firewall sends it; not carried out", _REST_ONLY),
    _request(
        "html_ok",
        "HTTP 200 with a page of HTML; carried out, not, or later",
        _REST_ONLY,
        executed=_EXECUTED,
        late_ms=_span(1_000),
    ),
    _request(
        "rate_limited",
        "this request and all others for `retry_after_ms` are answered 429 or 418 with Retry-After",
        status=OneOf("429", ("429", "418")),
        retry_after_ms=Whole(10_000, 1_000, _SPAN_MAX_MS),
    ),
    _request(
        "reply_order",
        "the user events of this request go out before its reply, or after it",
        OneOf("ws", ("ws",)),
        first=OneOf("events", ("events", "reply")),
    ),
    # User stream
    _event(
        "event_delayed",
        "the event comes `delay_ms` later, with all events behind it (`queue`) or passed by them (`pass`)",
        delay_ms=_span(1_000),
        others=OneOf("queue", ("queue", "pass")),
    ),
    _event("event_swapped", "the event comes behind the next one of its connection, or after 1 s"),
    Kind(
        "events_replayed",
        SUBSCRIPTION,
        "a new subscription begins with the account's last `count` executionReports, sent before already",
        {"count": Whole(10, 1, 100)},
    ),
    # Market streams, by message
    _message("message_dropped", "the message is left out: a gap in the depth stream"),
    _message("message_doubled", "the message comes twice"),
    _message("message_swapped", "the message comes behind the next one of its connection"),
    _message(
        "message_malformed", "a message that cannot be read comes in its place", form=OneOf("cut", MALFORMED_FORMS)
    ),
    _message("book_crossed", "a bookTicker or depth message says that the best bid is above the best ask"),
    # Bytes
    Kind(
        "write_delayed",
        WRITE,
        "these bytes and all behind them on the connection come `delay_ms` later",
        {"sockets": _SOCKETS, "delay_ms": _span(1_000)},
    ),
    Kind("write_truncated", WRITE, "the connection is reset in the middle of a frame", {"sockets": _SOCKETS}),
    # Sockets
    _sockets("half_open", "silent both ways for `for_ms`, no FIN, then reset", for_ms=_span(10_000)),
    _sockets(
        "trickle",
        "for `for_ms` one byte each `byte_us` microseconds",
        for_ms=_span(2_000),
        byte_us=Whole(1_000, 100, 1_000_000),
    ),
    _sockets(
        "reset", "TCP reset; new connections of the kind are reset for `refuse_ms`", refuse_ms=Whole(0, 0, _SPAN_MAX_MS)
    ),
    _sockets(
        "closed",
        "closed with a WebSocket close frame of this code",
        code=OneOf("1001", ("1000", "1001", "1006", "1008", "1011")),
    ),
    _sockets(
        "shutdown", "serverShutdown is announced; the connection is closed `close_ms` later", close_ms=_span(5_000)
    ),
    Kind(
        "connect_refused",
        TIME,
        "every new connection, or request of REST, is reset for `for_ms`",
        {"sockets": OneOf("all", ("streams", "api", "rest", "all")), "for_ms": _span(5_000)},
    ),
    # Snapshots
    _state("snapshot_stale", "for `for_ms` all snapshots are the book of the beginning", for_ms=_span(5_000)),
    _state("snapshot_boundary", "for `for_ms` snapshots end exactly where a depth message ends", for_ms=_span(5_000)),
    _state("snapshot_inside", "for `for_ms` snapshots end inside the range of a depth message", for_ms=_span(5_000)),
    # Accounts and symbol
    _state("stream_terminated", "every user-data subscription ends with eventStreamTerminated"),
    _state(
        "clock_step",
        "the exchange's clock moves by `offset_ms`; back again after `for_ms`, 0 for never",
        offset_ms=Whole(1_500, -86_400_000, 86_400_000),
        for_ms=Whole(0, 0, _SPAN_MAX_MS),
    ),
    _state("wipe", "all orders, fills and balances of all accounts are gone, ids restart, as on the testnet"),
    _state(
        "symbol_status",
        "the symbol's status changes; TRADING again after `for_ms`, 0 for never",
        status=OneOf("HALT", ("HALT", "BREAK", "CANCEL_ONLY", "END_OF_DAY")),
        for_ms=Whole(5_000, 0, _SPAN_MAX_MS),
    ),
    _state(
        "filter_change",
        "tick, step or least notional become `factor` times those of the start; 1 restores them",
        filter=OneOf("tick", ("tick", "step", "min_notional")),
        factor=Whole(10, 1, 1_000),
    ),
    _state(
        "exchange_cancels",
        "up to `count` open orders expire with EXCHANGE_CANCELED, the oldest first",
        side=_SIDE,
        count=Whole(200, 1, 1_000),
    ),
    _state(
        "balance_moved",
        "a deposit, or a withdrawal of at most what is free: balanceUpdate",
        asset=Name("quote"),
        amount_e8=Whole(100_000_000, -(10**18), 10**18),
    ),
    _state(
        "external_lock",
        "an amount, at most what is free, is locked from outside; free again after `for_ms`",
        asset=Name("quote"),
        amount_e8=Whole(100_000_000, 1, 10**18),
        for_ms=_span(5_000),
    ),
    _state(
        "foreign_order",
        "the operator's own order on the account: of the least notional times `size`, `ticks` "
        "behind the best price (MARKET where 0); canceled after `for_ms`",
        side=OneOf("BUY", ("BUY", "SELL")),
        size=Whole(2, 1, 100),
        ticks=Whole(0, 0, 1_000_000),
        for_ms=_span(5_000),
    ),
    _state("bnb_gone", "all free BNB leaves the account: commissions are paid in the received asset"),
    _state(
        "query_lag",
        "for `for_ms` queries of orders, trades and balances answer as of `lag_ms` ago",
        lag_ms=_span(2_000),
        for_ms=_span(10_000),
    ),
    _state("no_reference_price", "the reference price, where one is set, is null for `for_ms`", for_ms=_span(10_000)),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL_KINDS}
"""Every kind by name, in the order of the documentation."""

_AT = Whole(0, 0, _TIME_MAX_MS)
_UNTIL = Whole(_TIME_MAX_MS, 1, _TIME_MAX_MS)
_EVERY = Whole(1_000, 1, _TIME_MAX_MS)
_AFTER = Whole(0, 0, 10**9)
_TIMES = Whole(1, 1, _COUNT_MAX)
_TRIGGERS: Mapping[str, Mapping[str, Whole]] = {
    "event": {"at_ms": _AT, "until_ms": _UNTIL, "after": _AFTER, "times": _TIMES},
    "time": {"at_ms": _AT, "every_ms": _EVERY, "times": _TIMES},
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a plan. Times count from when it was armed; `times` is how often it strikes at most.

    On a timed kind the strikes come at `at_ms` and each `every_ms` after it. On any other it looks at matching events
    from `at_ms` until `until_ms`, lets `after` of them pass and strikes each of the rest with `probability`.
    """

    id: str
    kind: str
    at_ms: int
    until_ms: int
    every_ms: int
    after: int
    probability: float
    times: int
    values: Mapping[str, Any]

    def whole(self, name: str) -> int:
        """A number among its parameters."""
        return int(self.values[name])

    def word(self, name: str) -> str:
        """A word among its parameters."""
        return str(self.values[name])

    def describe(self) -> dict[str, Any]:
        """As JSON that parses to the same fault."""
        timed = KINDS[self.kind].moment == TIME
        trigger: dict[str, Any] = {"at_ms": self.at_ms, "times": self.times}
        if timed:
            trigger["every_ms"] = self.every_ms
        else:
            trigger.update(until_ms=self.until_ms, after=self.after, probability=self.probability)
        parameters = {name: list(value) if isinstance(value, tuple) else value for name, value in self.values.items()}
        return {"id": self.id, "kind": self.kind, **trigger, **parameters}


@dataclass(frozen=True, slots=True)
class Strike:
    """That a fault struck: when (market time, microseconds), and what it hit."""

    id: str
    kind: str
    time_us: int
    hit: str


def parse_faults(text: str | bytes) -> tuple[int, tuple[Fault, ...]]:
    """(seed, faults) from `{"seed": N, "faults": [{"kind": .., ..}, ..]}`. Raises `FaultError`."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FaultError(f"not JSON: {error}") from None
    if not isinstance(document, dict) or not set(document) <= {"seed", "faults"}:
        raise FaultError('the plan is {"seed": N, "faults": [..]}')
    seed = document.get("seed", 1)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise FaultError(f"seed: {json.dumps(seed)} is not a whole number")
    rows = document.get("faults", [])
    if not isinstance(rows, list):
        raise FaultError("faults: not a list")
    return seed, parse_rows(rows)


def parse_rows(rows: Sequence[Any]) -> tuple[Fault, ...]:
    """The faults that the rows of `faults` describe. Raises `FaultError`."""
    faults = tuple(_parse_row(row, number) for number, row in enumerate(rows))
    seen: set[str] = set()
    for number, fault in enumerate(faults):
        if fault.id in seen:
            raise FaultError(f"faults[{number}].id: {json.dumps(fault.id)} is used twice")
        seen.add(fault.id)
    return faults


def _parse_row(row: Any, number: int) -> Fault:
    where = f"faults[{number}]"
    if not isinstance(row, dict):
        raise FaultError(f"{where}: not an object")
    name = row.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise FaultError(f"{where}.kind: {json.dumps(name)} is not one of {', '.join(KINDS)}")
    trigger = _TRIGGERS["time" if kind.moment == TIME else "event"]
    known = {"id", "kind", *trigger, *kind.parameters} | (set() if kind.moment == TIME else {"probability"})
    for key in row:
        if key not in known:
            raise FaultError(f"{where}.{key}: {kind.name} takes {', '.join(sorted(known))}")
    fault_id = row.get("id", f"{kind.name}-{number}")
    if not isinstance(fault_id, str) or not 1 <= len(fault_id) <= 64:
        raise FaultError(f"{where}.id: {json.dumps(fault_id)} is not a text of 1 to 64 characters")
    probability = row.get("probability", 1.0)
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 < probability <= 1:
        raise FaultError(f"{where}.probability: {json.dumps(probability)} is not a number above 0, up to 1")
    numbers = {name: _value(where, row, name, allowed) for name, allowed in {**_TRIGGERS["event"], **trigger}.items()}
    values = {name: _value(where, row, name, allowed) for name, allowed in kind.parameters.items()}
    return Fault(
        id=fault_id,
        kind=kind.name,
        at_ms=numbers["at_ms"],
        until_ms=numbers["until_ms"],
        every_ms=numbers.get("every_ms", _EVERY.default),
        after=numbers["after"],
        probability=float(probability),
        times=numbers["times"],
        values={name: tuple(value) if isinstance(value, list) else value for name, value in values.items()},
    )


def _value(where: str, row: Mapping[str, Any], name: str, allowed: Parameter) -> Any:
    value = row.get(name, allowed.default)
    if not allowed.accepts(value):
        raise FaultError(f"{where}.{name}: {json.dumps(value)} is not {allowed.allowed}")
    return value


class _Armed:
    """A fault in force: what it has seen and how often it struck."""

    __slots__ = ("base_us", "fault", "rng", "seen", "strikes")

    def __init__(self, fault: Fault, seed: int, base_us: int) -> None:
        self.fault = fault
        self.base_us = base_us
        self.rng = random.Random(f"{seed}/{fault.id}")
        self.seen = 0
        self.strikes = 0

    @property
    def due_us(self) -> int | None:
        """When a timed fault strikes next."""
        if self.strikes >= self.fault.times:
            return None
        return self.base_us + 1000 * (self.fault.at_ms + self.strikes * self.fault.every_ms)

    def meets(self, now_us: int) -> bool:
        """One matching event: whether the fault strikes it."""
        since_us = now_us - self.base_us
        fault = self.fault
        if self.strikes >= fault.times or not 1000 * fault.at_ms <= since_us < 1000 * fault.until_ms:
            return False
        self.seen += 1
        if self.seen <= fault.after:
            return False
        return fault.probability >= 1 or self.rng.random() < fault.probability


@dataclass(frozen=True, slots=True)
class TimedStrike:
    """A timed fault that is due, and the generator of its choices."""

    fault: Fault
    rng: random.Random


class FaultPlan:
    """The faults in force and the strikes so far. All times are market time in microseconds. One thread.

    `seed` is that of the faults that `add` arms from now on; their times count from then.
    """

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.strikes: list[Strike] = []
        self._armed: dict[str, list[_Armed]] = {}
        self._ids: set[str] = set()

    def add(self, faults: Iterable[Fault], now_us: int) -> None:
        """Arm faults from now on. Raises `FaultError`, and arms none, if an id is in use."""
        wanted = tuple(faults)
        for fault in wanted:
            if fault.id in self._ids:
                raise FaultError(f"id: {json.dumps(fault.id)} is in use")
        for fault in wanted:
            self._ids.add(fault.id)
            self._armed.setdefault(KINDS[fault.kind].moment, []).append(_Armed(fault, self.seed, now_us))

    def describe(self) -> list[dict[str, Any]]:
        """Every fault, with how often it has struck."""
        return [
            {**armed.fault.describe(), "struck": armed.strikes} for group in self._armed.values() for armed in group
        ]

    # The hooks: each offers one event to the faults that match it, in plan order; the first that strikes takes it.

    def on_request(self, operation: str, via: str, now_us: int) -> Fault | None:
        """A request of class `operation` (one of OPERATIONS) came by `via` ("rest" or "ws")."""
        for armed in self._armed.get(REQUEST, ()):
            values = armed.fault.values
            if operation in values["on"] and values["via"] in ("any", via) and armed.meets(now_us):
                return self._strike(armed, now_us, f"{operation} by {via}")
        return None

    def on_event(self, account_id: str, event: str, now_us: int) -> Fault | None:
        """A user event goes to a subscription. `event` is x of an executionReport, or "position", or another e."""
        for armed in self._armed.get(EVENT, ()):
            if armed.fault.values["event"] in ("any", event) and armed.meets(now_us):
                return self._strike(armed, now_us, f"{event} of {account_id}")
        return None

    def on_subscription(self, account_id: str, now_us: int) -> Fault | None:
        """A user-data subscription has begun."""
        for armed in self._armed.get(SUBSCRIPTION, ()):
            if armed.meets(now_us):
                return self._strike(armed, now_us, f"subscription of {account_id}")
        return None

    def on_message(self, stream: str, form: str, now_us: int) -> tuple[Fault, random.Random] | None:
        """A message of `stream` ("btcusdt@depth@100ms") is about to go out as "json" or "sbe", to somebody."""
        if MESSAGE not in self._armed:
            return None
        what = stream_class(stream)
        for armed in self._armed[MESSAGE]:
            values = armed.fault.values
            fits = values["stream"] in ("any", what) and values["format"] in ("any", form)
            if fits and (armed.fault.kind != "book_crossed" or what != "trade") and armed.meets(now_us):
                return self._strike(armed, now_us, f"{stream} as {form}"), armed.rng
        return None

    def on_write(self, sockets: str, now_us: int) -> Fault | None:
        """Bytes are about to be written to a connection of `sockets` ("streams" or "api")."""
        for armed in self._armed.get(WRITE, ()):
            if armed.fault.values["sockets"] in ("all", sockets) and armed.meets(now_us):
                return self._strike(armed, now_us, f"a write to {sockets}")
        return None

    def next_due_us(self) -> int | None:
        """When the next timed fault strikes."""
        dues = [armed.due_us for armed in self._armed.get(TIME, ())]
        return min((due for due in dues if due is not None), default=None)

    def take_due(self, now_us: int) -> list[TimedStrike]:
        """The timed faults that strike up to `now_us`, in the order of their times. Each counts as struck, and is
        noted by `note` when what it hit is known.
        """
        found: list[tuple[int, int, TimedStrike]] = []
        for number, armed in enumerate(self._armed.get(TIME, ())):
            while (due_us := armed.due_us) is not None and due_us <= now_us:
                armed.strikes += 1
                found.append((due_us, number, TimedStrike(armed.fault, armed.rng)))
        return [strike for _, _, strike in sorted(found, key=lambda one: one[:2])]

    def note(self, fault: Fault, now_us: int, hit: str) -> None:
        """Write down that a fault struck."""
        self.strikes.append(Strike(fault.id, fault.kind, now_us, hit))

    def _strike(self, armed: _Armed, now_us: int, hit: str) -> Fault:
        armed.strikes += 1
        self.note(armed.fault, now_us, hit)
        return armed.fault


def stream_class(stream: str) -> str:
    """ "depth", "bookTicker" or "trade" (what a fault's `stream` names); else the stream's own second part."""
    name = stream.partition("@")[2].partition("@")[0]
    if name.startswith("depth"):
        return "depth"
    return "bookTicker" if name == "bestBidAsk" else name


# ---- Random plans ------------------------------------------------------------------------------------------------

_DESTRUCTIVE = frozenset({"wipe", "foreign_order", "balance_moved", "external_lock", "filter_change"})
"""Kinds that a bot rightly ends its run for, or that change what a run may be judged by: in a random plan only where
they are asked for by name.
"""


def random_plan(seed: int, kinds: Iterable[str] | None, hours: float) -> tuple[Fault, ...]:
    """A plan for `hours` of trading: 3 to 8 of `kinds` (None: all that leave a run comparable), which overlap.

    Each chosen kind strikes about once in 2 to 20 minutes with parameters drawn near their defaults. The same
    arguments give the same plan.
    """
    rng = random.Random(f"plan/{seed}")
    pool = sorted(set(KINDS) - _DESTRUCTIVE) if kinds is None else sorted(set(kinds))
    chosen = rng.sample(pool, min(len(pool), rng.randint(3, 8)))
    span_ms = max(1, int(hours * 3_600_000))
    rows = []
    for number, name in enumerate(chosen):
        kind = KINDS[name]
        gap_ms = rng.randint(120_000, 1_200_000)
        row: dict[str, Any] = {"id": f"{name}-{number}", "kind": name, "at_ms": rng.randint(0, min(gap_ms, span_ms))}
        if kind.moment == TIME:
            row["every_ms"] = gap_ms
            row["times"] = max(1, (span_ms - row["at_ms"]) // gap_ms)
        else:
            row["until_ms"] = span_ms
            row["probability"] = _PROBABILITY[kind.moment] * rng.uniform(0.5, 2.0)
            row["times"] = max(1, span_ms // 60_000)
        row.update((key, _draw(rng, key, allowed)) for key, allowed in kind.parameters.items())
        rows.append(row)
    return parse_rows(rows)


_PROBABILITY = {REQUEST: 0.005, EVENT: 0.005, SUBSCRIPTION: 0.5, MESSAGE: 0.00005, WRITE: 0.00005}


def _draw(rng: random.Random, name: str, allowed: Parameter) -> Any:
    if isinstance(allowed, OneOf):
        return rng.choice(allowed.words)
    if isinstance(allowed, SomeOf):
        return sorted(rng.sample(allowed.words, rng.randint(1, len(allowed.words))))
    if isinstance(allowed, Name):
        return allowed.default
    low, high = sorted((allowed.default // 4, allowed.default * 2))
    return min(max(rng.randint(low, high), allowed.lowest), allowed.highest)
