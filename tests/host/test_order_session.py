"""The order session's connections: what goes over which of them while one takes the place of another."""

from __future__ import annotations

import itertools
import json
import logging
import random
from collections.abc import Iterator
from typing import Any

import pytest

from mmcore._native import ffi, lib
from mmcore.config import Settings
from mmcore.core import loop as core_loop
from mmcore.core import record
from mmcore.core.engine import Engine
from mmcore.core.feed import Feed
from mmcore.core.gate import Gate
from mmcore.core.kinds import Kind, Operation
from mmcore.core.loop import Loop, new_record
from mmcore.exchange.base import CommissionRates
from mmcore.exchange.binance.filters import ExchangeInfo
from mmcore.exchange.binance.link import Connect
from mmcore.exchange.binance.protocol import ClockOffset, LimitState, Verdict, WsRequests, endpoints_at
from mmcore.exchange.binance.signing import Ed25519Signer, HmacSigner, Signer
from mmcore.exchange.binance.ws_api import WsApi
from mmcore.exchange.channel import Wire
from mmcore.host.assemble import engine_config, gate_config, loop_config
from mmcore.host.orders import OrdersThread, Session
from tests.host.test_assemble import INFO

STALE_NS = 100_000_000
PREFIX = "mA1-0000001-"
PEM = "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u"
MS, SECOND = 1_000_000, 1_000_000_000


class Standing:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_ns = 1000 * SECOND

    def mono_ns(self) -> int:
        return self.now_ns

    epoch_ns = mono_ns

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody has to wait here")


class Peer:
    """The exchange's end of one connection, in memory: a `Wire` to the bot. Answers the session's requests at once,
    keeps the orders'."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.sends = 0
        self.quiet = False
        self.closed = False
        self._incoming = bytearray()
        self._over = False
        self.refuses = False

    # What the bot sees.

    close_reason = "gone"
    wants_write = False

    def fileno(self) -> int:
        return -1

    def recv_into(self, buffer: memoryview) -> int | None:
        if not self._incoming:
            return 0 if self._over else None
        count = min(len(buffer), len(self._incoming))
        buffer[:count] = self._incoming[:count]
        del self._incoming[:count]
        return count

    def send(self, frame: bytes | memoryview) -> bool:
        if self.refuses:
            return False
        self.sends += 1
        for opcode, payload in frames_of(bytes(frame)):
            if opcode == 9:
                self._incoming += bytes([0x8A, len(payload)]) + payload
                continue
            request = json.loads(payload)
            self.requests.append(request)
            if request["id"][0] == "s" and not self.quiet:
                self.say({"id": request["id"], "status": 200, "result": {}})
        return True

    def flush(self) -> bool:
        return True

    def close(self, code: int = 1000) -> None:
        self.closed = True

    # What the exchange does.

    def say(self, message: dict[str, Any]) -> None:
        text = json.dumps(message).encode()
        self._incoming += b"\x81" + (bytes([len(text)]) if len(text) < 126 else b"\x7e" + len(text).to_bytes(2, "big"))
        self._incoming += text

    def end(self) -> None:
        self._over = True

    def orders(self) -> list[str]:
        return [request["id"] for request in self.requests if request["id"][0] != "s"]


def frames_of(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Opcode and payload of masked client frames."""
    at = 0
    while at < len(data):
        size, header = data[at + 1] & 0x7F, 2
        if size == 126:
            size, header = int.from_bytes(data[at + 2:at + 4], "big"), 4
        mask = itertools.cycle(data[at + header:at + header + 4])
        payload = data[at + header + 4:at + header + 4 + size]
        yield data[at] & 0x0F, bytes(byte ^ key for byte, key in zip(payload, mask, strict=False))
        at += header + 4 + size


class Connections:
    """A connector whose attempts succeed at once."""

    waiting = False

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self._made: list[tuple[int, Wire | Exception]] = []

    def start(self, request: Connect) -> None:
        self.peers.append(Peer())
        self._made.append((request.attempt, self.peers[-1]))

    def take(self) -> tuple[int, Wire | Exception] | None:
        return self._made.pop(0) if self._made else None

    def close(self) -> None:
        pass


class Bench:
    """An order thread whose world is memory; the test is its thread."""

    def __init__(self, signer: Signer) -> None:
        info = ExchangeInfo(INFO)
        config = engine_config(Settings(), info.rules("BTCUSDT"), CommissionRates(0, 0, 0, 0), info.rate_limits,
                               utc_offset_ns=0, accept_reset=False)
        self.clock, self.connections = Standing(), Connections()
        self.limits, offset = LimitState(), ClockOffset()
        offset.add(self.clock.now_ns, self.clock.now_ns, 1_784_592_000_000)
        api = WsApi(endpoints_at("http://127.0.0.1:1"), WsRequests("key", signer), offset, self.limits,
                    random.Random(3))
        gate = Gate(gate_config(config, order_prefix=PREFIX, api_key="key", rest=False, ed25519=signer.can_log_on,
                                stp_mode="EXPIRE_TAKER", mask_seed=1))
        self.loop = Loop(Engine(config), loop_config(Settings(), recorded=False))
        self.thread = OrdersThread(
            self.loop, gate, Session(api, signer, offset, self.limits, "BTCUSDT"),
            Feed(symbol="BTCUSDT", order_prefix=PREFIX, account_prefix="mA1-"), self.clock,
            connectors=lambda name, wake: self.connections,
            orders_by_rest=None, cancel_by_rest=lambda *_: False, resync_clock=lambda: None,
            leftover_name=lambda _: None, after_run=lambda *_: None, fail=lambda error: self.failures.append(error),
            stale_decision_ns=STALE_NS, served_by_feed=False)
        self.failures: list[Exception] = []
        self.seq = 0
        # The engine would take what the thread tells it: it is kept here instead.
        self.thread._run_engine = lambda holder: None  # type: ignore[method-assign]

    @property
    def peers(self) -> list[Peer]:
        return self.connections.peers

    def serve(self, rounds: int = 3, after_ns: int = 0) -> None:
        self.clock.now_ns += after_ns
        for _ in range(rounds):
            self.thread.serve()

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 2)):
            self.serve(1, SECOND // 2)

    def decide(self, *kinds: Kind) -> None:
        """The engine decides on these; orders in sequence."""
        for kind in kinds:
            action = new_record()
            action.kind, action.count = kind, 1
            body = action.body.action
            if kind in (Kind.PLACE, Kind.REPLACE):
                self.seq += 1
            body.order_seq, body.exchange_id = self.seq, 77
            body.price_e8, body.qty_e8, body.decision_ns = 5_000_000_000_000, 100_000, self.clock.now_ns
            ring = lib.MM_RING_CANCEL if kind is Kind.CANCEL else lib.MM_RING_ACTION
            assert lib.mm_spsc_push(lib.mm_loop_ring(self.loop._raw, ring), action)
        assert self.thread.try_run(1)

    def told(self) -> list[Any]:
        """What the engine was told since the last time, whole events."""
        found, ring, room = [], lib.mm_loop_ring(self.loop._raw, lib.MM_RING_EXEC), ffi.new("mm_record[]", 8)
        while count := lib.mm_spsc_pop(ring, room, 8):
            kept = ffi.new("mm_record[]", int(count))
            ffi.memmove(kept, room, 64 * count)
            found.append(kept)
        return found

    def kinds(self) -> list[Kind]:
        return [Kind(one[0].kind) for one in self.told() if one[0].kind in set(Kind)]


@pytest.fixture(params=["hmac", "ed25519"])
def bench(request: pytest.FixtureRequest) -> Bench:
    made = Bench(HmacSigner("secret") if request.param == "hmac" else Ed25519Signer(PEM))
    made.serve()
    assert made.thread.ready
    made.told()
    return made


def ack(seq: int) -> dict[str, Any]:
    return {"id": f"p{seq}", "status": 200, "result": {
        "symbol": "BTCUSDT", "orderId": 100 + seq, "clientOrderId": f"{PREFIX}{seq:07}-b0", "transactTime": 1}}


def links(told: list[Any]) -> list[tuple[int, int]]:
    return [(one[0].body.link.channel, one[0].body.link.state) for one in told
            if one[0].kind == lib.MM_KIND_ORDER_LINK]


def test_what_is_decided_at_once_leaves_in_one_piece_and_is_sent_after_it(bench: Bench) -> None:
    (peer,) = bench.peers
    before = peer.sends
    bench.decide(Kind.PLACE, Kind.PLACE, Kind.CANCEL, Kind.AMEND, Kind.REPLACE, Kind.QUERY)
    assert peer.sends == before + 1
    assert peer.orders() == ["c2", "p1", "p2", "a2", "r3", "q3"]
    assert bench.kinds() == [Kind.SENT] * 6
    by_id = {request["id"]: request for request in peer.requests}
    signed = bench.thread._session.signer.can_log_on is False
    for name in peer.orders():
        assert ("signature" in by_id[name]["params"], "apiKey" in by_id[name]["params"]) == (signed, signed)
        assert "timestamp" in by_id[name]["params"]
    assert by_id["r3"]["method"] == "order.cancelReplace"
    assert by_id["a2"]["method"] == "order.amend.keepPriority"


def test_a_burst_that_cannot_leave_is_not_sent(bench: Bench) -> None:
    bench.peers[0].refuses = True
    bench.decide(Kind.PLACE, Kind.CANCEL)
    assert bench.kinds() == [Kind.NOT_SENT] * 2


def turn(bench: Bench, *kinds: Kind, age_ns: int = 0) -> None:
    """As `Bench.decide`, but the requests are written by the feed thread's turn, which takes the role. age_ns: of what
    it read, when it hands over."""
    orders, raw = core_loop.ORDERS, bench.loop._raw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.thread, "try_run", lambda holder: True)
        bench.decide(*kinds)
    assert bench.loop.try_role(orders, 1)
    assert not bench.loop.burst_encode(bench.thread._gate, bench.clock.now_ns, lambda payload: "")
    bench.loop._burst_bytes[0] = lib.mm_gate_take(bench.thread._gate.raw, bench.loop._burst)
    try:
        bench.thread.hand_over(1, bench.clock.now_ns - age_ns)
    finally:
        assert lib.mm_role_holder(lib.mm_loop_role(raw, orders)) == 0


@pytest.fixture
def logged_on() -> Bench:
    made = Bench(Ed25519Signer(PEM))
    made.serve()
    made.told()
    return made


def test_the_gate_is_lent_to_other_threads_only_while_nothing_has_to_be_signed(bench: Bench) -> None:
    may = bench.thread._session.signer.can_log_on
    assert (bench.thread._lent is not None) is may
    bench.peers[0].end()
    bench.serve(1)
    assert bench.thread._lent is None


def test_what_another_threads_turn_has_written_leaves_in_one_piece(logged_on: Bench) -> None:
    (peer,) = logged_on.peers
    before = peer.sends
    turn(logged_on, Kind.PLACE, Kind.CANCEL)
    assert peer.sends == before + 1
    assert peer.orders() == ["c1", "p1"]
    assert logged_on.kinds() == [Kind.SENT] * 2


def test_what_another_threads_turn_could_not_hand_over_is_not_sent(logged_on: Bench) -> None:
    logged_on.peers[0].refuses = True
    turn(logged_on, Kind.PLACE, Kind.CANCEL)
    assert logged_on.kinds() == [Kind.NOT_SENT] * 2


def test_of_what_a_turn_decided_too_long_ago_cancels_and_queries_leave_and_nothing_else(logged_on: Bench) -> None:
    (peer,) = logged_on.peers
    every = (Kind.PLACE, Kind.AMEND, Kind.REPLACE, Kind.QUERY, Kind.CANCEL)
    turn(logged_on, *every, age_ns=STALE_NS)
    assert logged_on.kinds() == [Kind.SENT] * 5
    peer.requests.clear()
    sends = peer.sends
    turn(logged_on, *every, age_ns=STALE_NS + 1)
    told = [one[0] for one in logged_on.told()]
    assert [(Kind(one.kind), Operation(one.body.outcome.operation)) for one in told] == [
        (Kind.NOT_SENT, Operation.PLACE), (Kind.NOT_SENT, Operation.AMEND), (Kind.NOT_SENT, Operation.REPLACE),
        (Kind.SENT, Operation.CANCEL), (Kind.SENT, Operation.QUERY)]
    assert {one.body.outcome.verdict for one in told[:3]} == {record.verdict("STALE_DECISION")}
    assert (peer.orders(), peer.sends) == (["c4", "q4"], sends + 1)


def test_a_late_turn_of_orders_alone_sends_nothing_and_the_next_orders_do_leave(logged_on: Bench) -> None:
    (peer,) = logged_on.peers
    sends = peer.sends
    turn(logged_on, Kind.PLACE, age_ns=STALE_NS + 1)
    assert (logged_on.kinds(), peer.sends) == ([Kind.NOT_SENT], sends)
    turn(logged_on, Kind.PLACE)
    assert (logged_on.kinds(), peer.orders()) == ([Kind.SENT], ["p2"])


def test_the_end_of_the_thread_takes_the_gate_back_before_it_closes_the_connection(logged_on: Bench) -> None:
    assert logged_on.thread.wires()
    logged_on.thread.end()
    assert (logged_on.thread._lent, logged_on.thread.wires()) == (None, [])
    assert lib.mm_role_holder(lib.mm_loop_role(logged_on.loop._raw, core_loop.ORDERS)) == 0


def test_a_turn_that_fails_while_sending_counts_as_sent_and_nothing_new_follows(logged_on: Bench) -> None:
    peer = logged_on.peers[0]

    def failing(frame: bytes | memoryview) -> bool:
        raise RuntimeError("planned")

    peer.send = failing  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="planned"):
        turn(logged_on, Kind.PLACE)
    assert logged_on.kinds() == [Kind.SENT]
    del peer.send
    logged_on.decide(Kind.PLACE, Kind.CANCEL)
    assert peer.orders() == ["c2"]


class Failing(HmacSigner):
    """Signs so often."""

    left = 1000

    def sign(self, payload: bytes) -> str:
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("no more")
        return super().sign(payload)


def test_what_a_failure_left_in_a_burst_never_leaves_and_cancels_do() -> None:
    signer = Failing("secret")
    bench = Bench(signer)
    bench.serve()
    (peer,) = bench.peers
    bench.told()
    signer.left = 1
    with pytest.raises(RuntimeError):
        bench.decide(Kind.PLACE, Kind.PLACE)
    assert peer.orders() == []
    signer.left = 1000
    bench.decide(Kind.CANCEL)
    assert peer.orders() == ["c2"], "the gate is killed: an order it had let through must not follow"
    told = [(Kind(one[0].kind), one[0].body.outcome.order_seq, one[0].body.outcome.operation) for one in bench.told()]
    assert told == [(Kind.NOT_SENT, 1, lib.MM_OP_PLACE), (Kind.NOT_SENT, 2, lib.MM_OP_PLACE),
                    (Kind.SENT, 2, lib.MM_OP_CANCEL)]


def test_a_replaced_connection_carries_orders_until_its_successor_is_ready_and_is_read_on(bench: Bench) -> None:
    old = bench.peers[0]
    bench.decide(Kind.PLACE)
    old.say({"event": {"e": "serverShutdown", "E": 1}})
    bench.told()
    bench.serve(5)
    _, successor = bench.peers
    assert bench.thread.ready
    assert not bench.thread._session.api.on_old
    assert links(bench.told()) == [(lib.MM_CHANNEL_USER, lib.MM_LINK_REPLACED)], "no order is doubted"
    bench.decide(Kind.PLACE)
    assert (old.orders(), successor.orders()) == (["p1"], ["p2"])
    old.say(ack(1))  # a reply that was still on its way
    successor.say(ack(2))
    bench.serve(1)
    assert [(one[0].kind, one[0].body.report.order_seq) for one in bench.told() if one[0].kind == Kind.ACK] == [
        (Kind.ACK, 1), (Kind.ACK, 2)]
    old.say({"event": {"e": "serverShutdown", "E": 2}})
    bench.serve(2)
    assert len(bench.peers) == 2, "a dying connection's last words replace nobody"
    assert not old.closed
    bench.wait(12)
    assert old.closed
    assert bench.thread.ready


def test_orders_go_over_the_old_connection_while_the_successor_is_not_ready(bench: Bench) -> None:
    old = bench.peers[0]
    real = bench.connections.start

    def quiet(request: Connect) -> None:
        real(request)
        bench.peers[-1].quiet = True

    bench.connections.start = quiet  # type: ignore[method-assign]
    old.say({"event": {"e": "serverShutdown", "E": 1}})
    bench.serve()
    successor = bench.peers[1]
    assert successor.requests, "the successor was asked"
    assert bench.thread.ready
    bench.decide(Kind.PLACE, Kind.CANCEL)
    assert (old.orders(), successor.orders()) == (["c1", "p1"], [])
    asked = successor.requests[-1]["id"]
    bench.told()
    old.end()
    bench.serve()
    assert not bench.thread.ready, "now there is none"
    assert links(bench.told()) == [(lib.MM_CHANNEL_ORDER, lib.MM_LINK_DOWN), (lib.MM_CHANNEL_USER, lib.MM_LINK_DOWN)]
    successor.quiet = False
    successor.say({"id": asked, "status": 200, "result": {}})
    bench.serve()
    assert bench.thread.ready
    assert links(bench.told()) == [(lib.MM_CHANNEL_ORDER, lib.MM_LINK_UP), (lib.MM_CHANNEL_USER, lib.MM_LINK_UP)]


def test_a_fill_that_comes_over_both_connections_reaches_the_engine_as_the_same_trade(bench: Bench) -> None:
    old = bench.peers[0]
    old.say({"event": {"e": "serverShutdown", "E": 1}})
    bench.serve(5)
    fill = {"subscriptionId": 0, "event": {
        "e": "executionReport", "E": 1, "s": "BTCUSDT", "c": f"{PREFIX}0000001-b0", "S": "BUY", "q": "1", "p": "2",
        "C": "", "x": "TRADE", "X": "FILLED", "i": 5, "l": "1", "L": "2", "z": "1", "n": "0", "N": None, "T": 1,
        "t": 9, "m": True}}
    bench.told()
    for peer in bench.peers:
        peer.say(fill)
    bench.serve(1)
    fills = [one for one in bench.told() if one[0].kind == lib.MM_KIND_REPORT]
    assert [(one[0].body.report.order_seq, one[1].body.fill.trade_id) for one in fills] == [(1, 9), (1, 9)]


def test_events_that_stop_on_the_old_connection_are_missed_only_until_the_new_one_is_ready(bench: Bench) -> None:
    terminated = {"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1}}
    bench.peers[0].say({"event": {"e": "serverShutdown", "E": 1}})
    bench.serve(5)
    bench.told()
    bench.peers[0].say(terminated)  # nobody uses it any more
    bench.serve()
    assert bench.thread.ready
    assert links(bench.told()) == []
    bench.peers[1].say(terminated)
    bench.serve(1)
    assert links(bench.told()) == [(lib.MM_CHANNEL_ORDER, lib.MM_LINK_DOWN), (lib.MM_CHANNEL_USER, lib.MM_LINK_DOWN)]
    bench.serve()
    assert bench.thread.ready
    assert bench.peers[1].requests[-1]["method"].startswith("userDataStream.subscribe")
    assert links(bench.told()) == [(lib.MM_CHANNEL_ORDER, lib.MM_LINK_UP), (lib.MM_CHANNEL_USER, lib.MM_LINK_UP)]


def test_a_successor_that_is_itself_replaced_before_it_is_ready_never_carries_an_order(bench: Bench) -> None:
    old = bench.peers[0]
    real = bench.connections.start

    def quiet(request: Connect) -> None:
        real(request)
        bench.peers[-1].quiet = True

    bench.connections.start = quiet  # type: ignore[method-assign]
    old.say({"event": {"e": "serverShutdown", "E": 1}})
    bench.serve()
    bench.peers[1].say({"event": {"e": "serverShutdown", "E": 2}})
    bench.serve(4)
    first, second, third = bench.peers
    assert (first.closed, second.closed, third.closed) == (False, True, False)
    bench.decide(Kind.PLACE)
    assert (first.orders(), second.orders(), third.orders()) == (["p1"], [], [])


@pytest.mark.parametrize("seed", range(20))
def test_whatever_connections_come_and_go_the_thread_comes_to_rest(seed: int) -> None:
    """Found in virtual time: a connection in use again because its successor was lost kept the time at which it was to
    retire, and the thread went round and round."""
    bench = Bench(HmacSigner("secret"))
    bench.serve()
    rng = random.Random(seed)
    for _ in range(150):
        open_ones = [peer for peer in bench.peers if not peer.closed]
        act = rng.choice(("shutdown", "end", "quiet", "loud", "wait", "wait", "terminated"))
        if act == "shutdown" and open_ones:
            rng.choice(open_ones).say({"event": {"e": "serverShutdown", "E": 1}})
        elif act == "terminated" and open_ones:
            rng.choice(open_ones).say({"event": {"e": "eventStreamTerminated", "E": 1}})
        elif act == "end" and open_ones:
            rng.choice(open_ones).end()
        elif act in ("quiet", "loud") and open_ones:
            open_ones[-1].quiet = act == "quiet"
        bench.serve(4, rng.choice((0, SECOND // 10, SECOND, 7 * SECOND)))
        bench.told()
        assert bench.thread.deadline_ns() > bench.clock.now_ns


def test_a_ban_in_a_reply_stops_every_sender_at_once_and_until_it_ends(bench: Bench) -> None:
    (peer,) = bench.peers
    bench.decide(Kind.PLACE)
    epoch_ms = 1_784_592_000_000
    peer.say({"id": "p1", "status": 418, "error": {"code": -1003, "msg": "Way too much request weight used; IP banned.",
                                                   "data": {"retryAfter": epoch_ms + 30_000}}})
    bench.serve(1)
    sent = len(peer.requests)
    bench.told()
    bench.decide(Kind.PLACE, Kind.CANCEL, Kind.AMEND, Kind.QUERY)
    outcomes = [(Kind(one[0].kind), one[0].body.outcome.verdict) for one in bench.told()]
    assert outcomes == [(Kind.NOT_SENT, 1 << lib.MM_REASON_BANNED)] * 4
    assert bench.limits.banned_until_ns == bench.clock.now_ns + 30 * SECOND
    bench.wait(29)
    assert peer.orders() == ["p1"]
    assert len(peer.requests) == sent, "not even a sign of life is asked for"
    bench.wait(1)
    assert len(peer.requests) == sent + 1
    bench.decide(Kind.CANCEL)
    assert peer.orders() == ["p1", f"c{bench.seq}"]


def test_a_ban_is_told_once_however_many_requests_it_refuses_and_a_longer_one_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    (peer,) = bench.peers
    bench.decide(Kind.PLACE, Kind.PLACE, Kind.PLACE)
    first_ms = 1_784_592_030_000
    with caplog.at_level(logging.WARNING, "mmcore.orders"):
        for number, until_ms in ((1, first_ms), (2, first_ms + 20), (3, first_ms + 60_000)):
            peer.say({"id": f"p{number}", "status": 418, "error": {"code": -1003, "msg": f"IP banned, {number}.",
                                                                   "data": {"retryAfter": until_ms}}})
        bench.serve(1)
    told = [record.message for record in caplog.records if "asks to wait" in record.message]
    assert told == ["the exchange asks to wait: IP banned, 1.", "the exchange asks to wait: IP banned, 3."]


def test_no_connection_is_opened_during_a_ban(bench: Bench) -> None:
    (peer,) = bench.peers
    bench.limits.on_refusal(Verdict.BANNED, -1003, "", 30 * SECOND, bench.clock.now_ns, None)
    peer.end()
    bench.wait(29.5)
    assert len(bench.peers) == 1
    bench.wait(2)
    assert len(bench.peers) == 2
    assert bench.thread.ready


def test_too_many_orders_stop_new_orders_and_nothing_else(bench: Bench) -> None:
    (peer,) = bench.peers
    bench.decide(Kind.PLACE)
    peer.say({"id": "p1", "status": 429, "error": {"code": -1015, "msg": "Too many new orders."}})
    bench.serve(1)
    assert [Kind(one[0].kind) for one in bench.told()] == [Kind.SENT, Kind.REJECT]
    bench.decide(Kind.CANCEL, Kind.AMEND)
    assert peer.orders() == ["p1", "c1", "a1"]
