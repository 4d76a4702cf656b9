"""Rings, roles and the engine tied together: what the host's threads call.

Every call releases the GIL. Who may call what is said at each method; docs/concepts/threads.md has the whole table.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from mmcore._native import ffi, lib
from mmcore.core.engine import Engine, EngineStatus
from mmcore.core.feed import Feed
from mmcore.core.gate import Gate
from mmcore.core.ws import WsParser
from mmcore.errors import CoreError

if TYPE_CHECKING:
    from mmcore.core.layout import Records

FEED: Final[int] = lib.MM_ROLE_FEED
ENGINE: Final[int] = lib.MM_ROLE_ENGINE
ORDERS: Final[int] = lib.MM_ROLE_ORDERS
REST: Final[int] = lib.MM_ROLE_REST

RING_EXEC: Final[int] = lib.MM_RING_EXEC
RING_REST: Final[int] = lib.MM_RING_REST
RING_CONTROL: Final[int] = lib.MM_RING_CONTROL
RING_MARKET: Final[int] = lib.MM_RING_MARKET

CHANNEL_MARKET: Final[int] = lib.MM_CHANNEL_MARKET
CHANNEL_ORDER: Final[int] = lib.MM_CHANNEL_ORDER

MARKET_SOCKETS_MAX: Final[int] = lib.MM_ARBITER_SOCKETS

STAGES: Final = ("recv_to_decode", "decode_to_book", "book_to_quote", "quote_to_send", "tick_to_order", "order_to_ack")

_REPLY_BYTES: Final = 4096
_SIGN: Final[int] = lib.MM_ENCODE_SIGN
_MORE: Final[int] = lib.MM_ENCODE_MORE
_LOG_CHUNK: Final = 4096
_NEVER: Final = 2**63 - 1


def new_record() -> Any:
    """Room for one record: where actions and work are taken to."""
    return ffi.new("mm_record *")


@dataclass(frozen=True, slots=True)
class Ran:
    """What running the engine left to do."""

    busy: bool
    orders: bool
    need_quote: bool
    log_lost: bool


@dataclass(frozen=True, slots=True)
class Pumped:
    """What came out of a socket's bytes."""

    records: bool
    """The engine has input: run it."""
    reply: bool
    """Stopped at a message for the host (`Feed.last`); pump again after looking at it."""
    closed: bool
    """Close frame or protocol error."""
    limited: bool
    """Stopped at a refusal for limits; pump again after looking at it."""
    shutdown: bool
    answer: bytes
    """Control frames to send back."""
    burst: bool
    """Of a turn: this thread holds the ORDERS role now and has `Loop.burst` to hand over."""
    ran: Ran
    """Of a turn: what else the engine left to do."""


@dataclass(frozen=True, slots=True)
class QuoteQuestion:
    """What a Python strategy is asked about. Levels: (price_e8, qty_e8), best first."""

    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    position_e8: int
    tick_e8: int
    step_e8: int
    maker_fee_e8: int
    alpha: float
    volatility: float
    imbalance: float
    trade_flow: float
    ofi: float
    microprice_e8: float
    now_ns: int


class Loop:
    """Owns the rings and roles of one bot. `holder`: a number > 0 that names the calling thread."""

    def __init__(self, engine: Engine, values: Mapping[str, int]) -> None:
        """values: the fields of `mm_loop_config`. Raises CoreError when memory or descriptors cannot be had."""
        raw = lib.mm_loop_new(ffi.new("mm_loop_config *", dict(values)), engine.raw, ffi.NULL)
        if raw == ffi.NULL:
            raise CoreError(lib.MM_E_SYSTEM, "loop")
        self._raw = ffi.gc(raw, lib.mm_loop_free)
        self.engine = engine
        # One each: a channel has one holder at a time, and frames are too frequent for new ones.
        self._replies = {channel: (ffi.new("uint8_t[]", _REPLY_BYTES), ffi.new("size_t *"))
                         for channel in (CHANNEL_MARKET, CHANNEL_ORDER)}
        self._burst, self._burst_bytes = ffi.new("const uint8_t **"), ffi.new("size_t *")
        self._found = [ffi.new("uint64_t *") for _ in range(REST + 1)]
        self._payload = ffi.new("const char **")
        self._payload_bytes = ffi.new("size_t *")
        self._told = EngineStatus.of(ffi.new("mm_engine_status *"))  # before it is read: nothing has happened

    # ---- bytes and events in

    def pump(self, channel: int, parser: WsParser, feed: Feed, recv_ns: int, socket: int = 0) -> Pumped:
        """Decodes all complete frames. socket: which of the market connections it is. Holder of FEED (market channel)
        or ORDERS."""
        reply, count = self._replies[channel]
        bits = lib.mm_loop_pump(self._raw, channel, socket, parser.raw, feed.raw, recv_ns, reply, _REPLY_BYTES,
                                count)
        return self._answered(_pumped(bits), channel) if count[0] else _pumped(bits)

    def turn(self, holder: int, parser: WsParser, filled: int, feed: Feed, recv_ns: int, socket: int) -> Pumped:
        """All that follows from `filled` more bytes of a market connection in its parser, in one call: they are
        decoded, the engine runs, and if a gate is lent and nobody is sending the requests are written. Holder of FEED;
        with `burst` the caller holds ORDERS as well, until `turn_sent`."""
        reply, count = self._replies[CHANNEL_MARKET]
        bits = lib.mm_loop_turn(self._raw, holder, socket, parser.raw, filled, feed.raw, recv_ns, reply, _REPLY_BYTES,
                                count, self._burst, self._burst_bytes)
        return self._answered(_pumped(bits), CHANNEL_MARKET) if count[0] else _pumped(bits)

    def _answered(self, pumped: Pumped, channel: int) -> Pumped:
        reply, count = self._replies[channel]
        return replace(pumped, answer=bytes(ffi.buffer(reply, count[0])))

    @property
    def burst(self) -> memoryview:
        """After a turn that ended with `burst`, until `turn_sent`: what goes to the kernel in one piece."""
        return memoryview(ffi.buffer(self._burst[0], self._burst_bytes[0]))

    def turn_late(self, now_ns: int) -> None:
        """The hand-over is later than a decision may be old: cancels and queries are written anew and stay in `burst`,
        which may be empty then; the rest is told as not sent."""
        self._burst_bytes[0] = lib.mm_loop_turn_late(self._raw, now_ns, self._burst)

    def turn_sent(self, holder: int, handed_over: bool, at_ns: int) -> bool:
        """The turn's burst went to the kernel at at_ns, or nothing of it did; gives ORDERS up. True: orders wait
        again."""
        return bool(lib.mm_loop_turn_sent(self._raw, holder, handed_over, at_ns))

    def lend_gate(self, gate: Gate | None) -> None:
        """Whether a turn may write requests with this gate: only while its connection has logged on. Holder of
        ORDERS; keeps the gate alive."""
        self._lent_gate = gate
        lib.mm_loop_lend_gate(self._raw, ffi.NULL if gate is None else gate.raw)

    def socket_up(self, socket: int) -> None:
        """A new market connection delivers as `socket`, 0 to MARKET_SOCKETS_MAX - 1. Holder of FEED, as for the three
        below."""
        lib.mm_loop_socket_up(self._raw, socket)

    def socket_down(self, socket: int, now_ns: int) -> bool:
        """It is over. True: diffs that waited for it go on, run the engine."""
        return bool(lib.mm_loop_socket_down(self._raw, socket, now_ns))

    def socket_due(self, now_ns: int) -> bool:
        """Lets diffs go on that waited long enough for another connection; True: run the engine."""
        return bool(lib.mm_loop_socket_due(self._raw, now_ns))

    def socket_deadline_ns(self) -> int:
        """When `socket_due` has something to do though nothing arrives."""
        return int(lib.mm_loop_socket_deadline(self._raw))

    def duplicates(self) -> int:
        """Market events that another connection had brought before. Any thread; a moment old."""
        return int(lib.mm_loop_socket_statistics(self._raw).dropped)

    def push(self, ring: int, records: Any) -> bool:
        """One event built by `mmcore.core.record` into an inbound ring, by its one producer. False: full."""
        return bool(lib.mm_loop_push(self._raw, ring, records))

    # ---- the engine

    def run(self, holder: int, now_ns: int) -> Ran:
        """Tries the ENGINE role and runs the engine over everything that waits. Any thread."""
        return _ran(lib.mm_loop_run(self._raw, holder, now_ns))

    def deadline_ns(self) -> int:
        """When `run` is due though nothing arrives."""
        return int(lib.mm_loop_deadline(self._raw))

    def pending(self, role: int) -> bool:
        """Whether a role has input waiting."""
        return bool(lib.mm_loop_pending(self._raw, role))

    def progress(self, role: int) -> int:
        """Runs of a role so far."""
        return int(lib.mm_loop_progress(self._raw, role))

    def status(self, holder: int) -> EngineStatus:
        """The engine's status; the one told last while others keep the ENGINE role for some 100 us. One thread."""
        raw = ffi.new("mm_engine_status *")
        if lib.mm_loop_read(self._raw, holder, raw):
            self._told = EngineStatus.of(raw)
        return self._told

    # ---- Python strategies

    def question(self, holder: int, levels: int) -> QuoteQuestion | None:
        """What the strategy is asked; None when no question is open."""
        given = ffi.new("mm_quote_input *")
        bids, asks = ffi.new("mm_level[]", levels), ffi.new("mm_level[]", levels)
        counts = ffi.new("size_t[2]", [levels, levels])
        if not lib.mm_loop_quote_input(self._raw, holder, given, bids, counts, asks, counts + 1):
            return None
        signal, symbol = given.signal, self.engine.config.raw.symbol
        return QuoteQuestion(
            bids=_levels(bids, counts[0]), asks=_levels(asks, counts[1]), position_e8=int(given.position_e8),
            tick_e8=int(symbol.tick_e8), step_e8=int(symbol.step_e8), maker_fee_e8=int(symbol.maker_fee_e8),
            alpha=signal.alpha, volatility=signal.volatility, imbalance=signal.imbalance,
            trade_flow=signal.trade_flow, ofi=signal.ofi, microprice_e8=signal.microprice_e8, now_ns=int(given.now_ns))

    def answer(self, holder: int, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], now_ns: int) -> Ran:
        """The strategy's decision, best level first, at most 8 a side."""
        quotes = ffi.new("mm_quotes *", {"bid_count": len(bids), "ask_count": len(asks),
                                         "bids": list(bids), "asks": list(asks)})
        return _ran(lib.mm_loop_quote(self._raw, holder, quotes, now_ns))

    def strategy_fault(self, holder: int, now_ns: int) -> Ran:
        """The strategy failed: its quotes are pulled until it gives a good answer."""
        return _ran(lib.mm_loop_quote(self._raw, holder, ffi.NULL, now_ns))

    # ---- actions out: holder of ORDERS, `next_work`: the REST worker

    def next_action(self, action: Any) -> bool:
        """Next cancel, else next other action, into an `mm_record *`."""
        return bool(lib.mm_loop_next_action(self._raw, action))

    def burst_encode(self, gate: Gate, now_ns: int, sign: Callable[[bytes], str]) -> bool:
        """Takes what waits and has the gate write its requests one behind the other (`Gate.take`); what the gate
        refuses is reported. True: there is more, but no room for it: hand these over, run the engine, and call again.
        Raises CoreError for a signature that is none."""
        signature, signature_bytes = ffi.NULL, 0
        while True:
            asked = lib.mm_loop_burst_encode(self._raw, gate.raw, now_ns, signature, signature_bytes, self._payload,
                                             self._payload_bytes)
            if asked != _SIGN:
                break
            signature = sign(bytes(ffi.buffer(self._payload[0], self._payload_bytes[0]))).encode("ascii")
            signature_bytes = len(signature)
        if asked < 0:
            raise CoreError(asked, "signature")
        return bool(asked & _MORE)

    def burst_sent(self, handed_over: bool, at_ns: int) -> None:
        """All of the burst went to the kernel at at_ns, or nothing of it did."""
        lib.mm_loop_burst_sent(self._raw, handed_over, at_ns)

    def sent(self, action: Any, sent_ns: int) -> bool:
        """Its bytes went to the kernel. False: the exec ring is full, run the engine and say it again."""
        return bool(lib.mm_loop_sent(self._raw, action, sent_ns))

    def not_sent(self, action: Any, verdict: int, now_ns: int) -> bool:
        """It did not go. False as for `sent`."""
        return bool(lib.mm_loop_not_sent(self._raw, action, verdict, now_ns))

    def next_work(self, work: Any) -> bool:
        """Next request to the REST worker, into an `mm_record *`."""
        return bool(lib.mm_spsc_pop(lib.mm_loop_ring(self._raw, lib.MM_RING_WORK), work, 1))

    # ---- waiting

    def signal(self, role: int) -> None:
        """Wakes the consumer of a role's rings. Any thread."""
        lib.mm_event_signal(lib.mm_loop_event(self._raw, role))

    def wait(self, role: int, ready: Any, timeout_ns: int) -> None:
        """Parks until the role is signalled or timeout_ns is over, unless `ready()` is true already."""
        event = lib.mm_loop_event(self._raw, role)
        key = lib.mm_event_prepare(event)
        if ready():
            lib.mm_event_cancel(event)
        else:
            lib.mm_event_wait(event, key, min(timeout_ns, _NEVER))

    def poll(self, role: int, ready: Any, fds: list[int], want_write: int, timeout_ns: int) -> int:
        """As `wait`, but on descriptors too: bit i = fds[i] has input, bit 32 + i = it takes output."""
        event = lib.mm_loop_event(self._raw, role)
        key = lib.mm_event_prepare(event)
        if ready():
            timeout_ns = 0
        found = self._found[role]
        lib.mm_event_poll(event, key, fds, len(fds), want_write, timeout_ns, found)
        return found[0]  # type: ignore[no-any-return]

    def try_role(self, role: int, holder: int) -> bool:
        """Takes a role if it is free."""
        return bool(lib.mm_role_try(lib.mm_loop_role(self._raw, role), holder))

    def release_role(self, role: int, holder: int) -> None:
        """Gives it up; look at its rings once more before parking."""
        lib.mm_role_release(lib.mm_loop_role(self._raw, role), holder)

    # ---- telemetry

    def latency(self, stage: int) -> tuple[int, int, int, int, int]:
        """p50, p99, p99.9, max, count of a stage, in ns."""
        hist = lib.mm_loop_hist(self._raw, stage)
        p50, p99, p999 = (int(lib.mm_hist_quantile(hist, quantile)) for quantile in (0.5, 0.99, 0.999))
        return p50, p99, p999, int(hist.max_ns), int(hist.count)

    def drain_log(self) -> Records:
        """Whole events off the log ring, as many as one chunk holds. The log writer's thread."""
        import numpy as np  # of a run that is recorded only

        from mmcore.core.layout import RECORD

        ring = lib.mm_loop_ring(self._raw, lib.MM_RING_LOG)
        out = np.zeros(_LOG_CHUNK + lib.MM_EVENT_RECORDS_MAX, dtype=RECORD)
        raw = ffi.from_buffer("mm_record[]", out, require_writable=True)
        at = 0
        while at < _LOG_CHUNK:
            count = lib.mm_spsc_pop(ring, raw + at, len(out) - at)
            if count == 0:
                break
            at += count
        return out[:at]


# Kept, one for each set of bits: there are few, and they are made for every frame.


@functools.cache
def _pumped(bits: int) -> Pumped:
    return Pumped(
        records=bool(bits & lib.MM_PUMP_RECORDS), reply=bool(bits & lib.MM_PUMP_REPLY),
        closed=bool(bits & lib.MM_PUMP_CLOSED), limited=bool(bits & lib.MM_PUMP_LIMIT),
        shutdown=bool(bits & lib.MM_PUMP_SHUTDOWN), answer=b"", burst=bool(bits & lib.MM_RUN_BURST), ran=_ran(bits))


@functools.cache
def _ran(bits: int) -> Ran:
    return Ran(bool(bits & lib.MM_RUN_BUSY), bool(bits & lib.MM_RUN_ORDERS), bool(bits & lib.MM_RUN_NEED_QUOTE),
               bool(bits & lib.MM_RUN_LOG_LOST))


def _levels(raw: Any, count: int) -> tuple[tuple[int, int], ...]:
    return tuple((int(level.price_e8), int(level.qty_e8)) for level in raw[0:count])
