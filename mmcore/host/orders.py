"""The order thread: the engine's actions out through the gate, the exchange's answers in.

The ORDERS role may be held by another thread for a moment: the feed thread sends what its frame caused. So everything
here happens under the role, and the socket belongs to its holder.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from mmcore.core import loop as core_loop
from mmcore.core import record
from mmcore.core.feed import Feed as Decoder
from mmcore.core.gate import Gate
from mmcore.core.kinds import Kind, Operation
from mmcore.core.loop import Loop, Pumped, Ran
from mmcore.core.ws import WsParser
from mmcore.exchange.base import ExchangeClient, OrderRequest, Outcome, Side
from mmcore.exchange.base import Operation as Asked
from mmcore.exchange.binance.link import Connect, Drop, Fail, Ping, ResyncClock, Send
from mmcore.exchange.binance.protocol import ClockOffset, LimitState, Verdict, WsReply, verdict
from mmcore.exchange.binance.signing import Signer
from mmcore.exchange.binance.ws_api import WsApi
from mmcore.exchange.channel import Wire, ping_frame, text_frame
from mmcore.host.clock import Clock
from mmcore.host.connector import Connectors
from mmcore.host.outcomes import to_record
from mmcore.host.reading import Line, flush, read
from mmcore.host.worker import PartThread

_log = logging.getLogger("mmcore.orders")

HOLDER: Final = 3
_NEVER_NS: Final = 2**63 - 1
# The exchange answers within 10 s, or says that it could not.
_OVERLAP_NS: Final = 12_000_000_000
_BUFFER_BYTES: Final = 1 << 20
_SAME_WAIT_NS: Final = 1_000_000_000
_PARK_MAX_NS: Final = 50_000_000
# For a sender that does not come back the connections are not kept open.
_END_NS: Final = 1_000_000_000
# News of an order that nobody asked for reads like the answer to a query.
_ASKED: Final = {Asked.PLACE: Operation.PLACE, Asked.CANCEL: Operation.CANCEL, Asked.QUERY: Operation.QUERY,
                 Asked.AMEND: Operation.AMEND, Asked.REPLACE: Operation.REPLACE}
_OPERATION: Final = {Kind.PLACE: Operation.PLACE, Kind.CANCEL: Operation.CANCEL, Kind.QUERY: Operation.QUERY,
                     Kind.AMEND: Operation.AMEND, Kind.REPLACE: Operation.REPLACE}


@dataclass(frozen=True, slots=True)
class Session:
    """What order entry needs of the exchange."""

    api: WsApi
    signer: Signer
    clock: ClockOffset
    limits: LimitState
    symbol: str


class OrdersThread(PartThread):
    """Holder of the ORDERS role when no other thread is."""

    def __init__(self, loop: Loop, gate: Gate, session: Session, decoder: Decoder, clock: Clock, *,
                 connectors: Connectors, orders_by_rest: ExchangeClient | None,
                 cancel_by_rest: Callable[[OrderRequest, Operation, int], bool],
                 resync_clock: Callable[[], None], leftover_name: Callable[[int], str | None],
                 after_run: Callable[[int, Ran], None], fail: Callable[[Exception], None],
                 stale_decision_ns: int, served_by_feed: bool) -> None:
        """served_by_feed: the feed thread spins and reads this channel too, so this thread only sees to timers.
        orders_by_rest: order entry over REST instead of the WebSocket API. cancel_by_rest(request, operation, seq):
        cancels and queries while the channel is down. leftover_name(exchange id): client id of an order of an earlier
        run. fail: told what ends the run. stale_decision_ns: the gate's."""
        super().__init__("orders")
        self._loop = loop
        self._gate = gate
        self._session = session
        self._decoder = decoder
        self._clock = clock
        self._orders_by_rest = orders_by_rest
        self._cancel_by_rest = cancel_by_rest
        self._resync_clock = resync_clock
        self._leftover_name = leftover_name
        self._after_run = after_run
        self._fail = fail
        self._stale_ns = stale_decision_ns
        self._served_by_feed = served_by_feed
        self._parsers = [WsParser(_BUFFER_BYTES) for _ in range(2)]
        self._line: Line | None = None
        self._old: Line | None = None  # the connection before it, read on for answers that were on their way
        self._retire_ns = _NEVER_NS
        self._connector = connectors("orders-connect", self.wake)
        self._action = core_loop.new_record()
        self._was_ready = False
        self._gate_logged_on = False
        self._lent: Wire | None = None  # where a turn of another thread sends, while the gate is lent
        self._ticket = 0
        self._told_wait_ns = 0
        self._handed_over: dict[int, Any] = {}  # actions on their way over REST, until they are sent or answered
        self._holder = HOLDER
        self.connects = 0

    @property
    def ready(self) -> bool:
        """Whether orders may be sent. Any thread; a moment old."""
        return self._session.api.ready

    def wake(self) -> None:
        """Any thread."""
        self._loop.signal(core_loop.ORDERS)

    # ---- the role

    def try_run(self, holder: int) -> bool:
        """Sends what waits if the role is free. False: it is held, and its holder will look again."""
        while self._loop.try_role(core_loop.ORDERS, holder):
            try:
                self._send_actions(holder)
            finally:
                self._loop.release_role(core_loop.ORDERS, holder)
            if not self._loop.pending(core_loop.ORDERS):
                return True
        return False

    def step(self) -> None:
        self._wait()
        self.serve()

    def serve(self) -> None:
        while not self.stopping and not self.try_serve(HOLDER):
            self._clock.sleep(0)  # another thread is sending: microseconds

    def deadline_ns(self) -> int:
        due_ns = min(self._session.api.deadline_ns(), self._retire_ns)
        return 0 if self._has_work() else due_ns

    def try_serve(self, holder: int) -> bool:
        """Reads what came in, sends what waits and runs the engine, if the role is free."""
        if not self._loop.try_role(core_loop.ORDERS, holder):
            return False
        self._holder = holder
        try:
            self._take_connections()
            self._gate_news()
            self._do(self._clock.mono_ns())
            lines = self._lines()
            flush(lines)
            for line in lines:
                read(line, self, self._clock.mono_ns)
            self._retire(self._clock.mono_ns())
            if self._orders_by_rest is not None:
                self._take_rest_answers(self._orders_by_rest)
            self._tell_ready()
            self._send_actions(holder)
            self._lend_gate()
        finally:
            self._loop.release_role(core_loop.ORDERS, holder)
        self._run_engine(holder)
        return True

    def _lend_gate(self) -> None:
        """A thread whose frame makes orders writes and sends them itself while nothing has to be signed for it."""
        line = self._sending() if self._orders_by_rest is None and self._session.api.logged_on else None
        wire = None if line is None else line.wire
        if wire is not self._lent:
            self._lent = wire
            self._set_session(logged_on=self._session.api.logged_on)
            self._loop.lend_gate(None if wire is None else self._gate)

    def hand_over(self, holder: int, recv_ns: int) -> None:
        """What a turn of the calling thread has written for what it read at recv_ns; the turn took the role, and this
        gives it up. The turn knows no time but recv_ns: whether that is too long ago by now is seen here; cancels leave
        all the same."""
        wire = self._lent
        handed_over = True  # if sending fails half way, requests may have left
        try:
            now_ns = self._clock.mono_ns()
            if now_ns - recv_ns > self._stale_ns:
                self._loop.turn_late(now_ns)
            burst = self._loop.burst
            handed_over = not burst or (wire is not None and wire.send(burst))
        except BaseException:
            self._gate.kill()
            raise
        finally:
            more = self._loop.turn_sent(holder, handed_over, self._clock.mono_ns())
        if more and not self.try_run(holder):
            self.wake()
        if wire is not None and wire.wants_write:
            self.wake()  # the kernel did not take it all: whoever reads the channel waits for it to be writable

    def wires(self) -> list[Wire]:
        """What a thread that serves these channels polls. Any thread; a moment old."""
        return [line.wire for line in self._lines()]

    def _lines(self) -> list[Line]:
        """The open connections, the one in use the longest first."""
        return [line for line in (self._old, self._line) if line is not None]

    def _sending(self) -> Line | None:
        """What orders go over; None = there is no session."""
        if not self._session.api.ready:
            return None
        return self._old if self._session.api.on_old else self._line

    def _run_engine(self, holder: int) -> None:
        """Answers are in the ring: the engine decides, and its actions go out (under the role: from the loop that
        is running)."""
        self._after_run(holder, self._loop.run(holder, self._clock.mono_ns()))

    def _wait(self) -> None:
        now_ns = self._clock.mono_ns()
        timeout_ns = max(0, min(self.deadline_ns() - now_ns, _PARK_MAX_NS))
        lines = [] if self._served_by_feed else self._lines()
        fds = [line.wire.fileno() for line in lines]
        want_write = sum(1 << at for at, line in enumerate(lines) if line.wire.wants_write)
        if self._orders_by_rest is not None:
            fds.append(self._orders_by_rest.fileno())
        self._loop.poll(core_loop.ORDERS, self._has_work, fds, want_write, timeout_ns)

    def _has_work(self) -> bool:
        return self.stopping or self._connector.waiting or self._loop.pending(core_loop.ORDERS)

    def end(self) -> None:
        self._connector.close()
        give_up_ns = self._clock.mono_ns() + _END_NS
        while not (held := self._loop.try_role(core_loop.ORDERS, HOLDER)) and self._clock.mono_ns() < give_up_ns:
            self._clock.sleep(0)  # another thread is sending over these connections
        self._lent = None
        for line in self._lines():
            line.wire.close()
        self._line = self._old = None
        if held:  # else its holder may still need the gate, to write a late burst anew; nothing of it leaves
            self._loop.lend_gate(None)
            self._loop.release_role(core_loop.ORDERS, HOLDER)

    # ---- the session

    def _gate_news(self) -> None:
        if self._session.clock.known:
            self._gate.set_clock(self._session.clock.offset_ns)
        self._gate.ban(self._session.limits.banned_until_ns)

    def _do(self, now_ns: int) -> None:
        for action in self._session.api.poll(now_ns):
            if isinstance(action, Connect):
                self._connector.start(action)
            elif isinstance(action, Drop) and self._line is not None:
                self._lose(self._line, action.reason, now_ns, known=True)
            elif isinstance(action, ResyncClock):
                self._resync_clock()
            elif isinstance(action, Fail):
                self._fail(action.error)
            elif self._line is not None and isinstance(action, Ping):
                self._line.wire.send(ping_frame(action.payload))
            elif self._line is not None and isinstance(action, Send):
                self._line.wire.send(text_frame(action.text))

    def _take_connections(self) -> None:
        while (result := self._connector.take()) is not None:
            attempt, made = result
            now_ns = self._clock.mono_ns()
            in_use = self._sending() or self._line
            if isinstance(made, Exception):
                _log.warning("order channel: %s", made)
                self._session.api.on_failed(attempt, now_ns, made)
            elif not self._session.api.on_connected(attempt, now_ns):
                made.close()
            else:
                self._use(made, in_use)

    def _use(self, wire: Wire, in_use: Line | None) -> None:
        """The session moves to a new connection. in_use: the one that orders went over until now, which stays open; a
        successor of it that never came to be ready goes."""
        for line in self._lines():
            if line is not in_use:
                line.wire.close()
        if in_use is not None and in_use is not self._old:
            self._retire_ns = _NEVER_NS
        self._old, self._line = in_use, None
        parser = next(one for one in self._parsers if self._old is None or one is not self._old.parser)
        parser.reset()
        self.connects += 1
        self._line = Line(wire, parser)
        _log.info("order channel connected")

    def _lose(self, line: Line, reason: str, now_ns: int, *, known: bool = False) -> None:
        """known: its link has given it up itself."""
        line.wire.close()
        if line is self._line:
            _log.warning("order channel lost: %s", reason)
            self._line = None
            if not known:
                self._session.api.on_dropped(now_ns)
        elif line is self._old:
            _log.info("the order channel before it is closed: %s", reason)
            self._old, self._retire_ns = None, _NEVER_NS
            self._session.api.on_old_ended()

    def _retire(self, now_ns: int) -> None:
        """Once orders go over the new connection. The account's events came over both for a while, so nothing should be
        missing; yet what they said is held against what the exchange shows."""
        if self._old is None or self._session.api.on_old:
            self._retire_ns = _NEVER_NS  # in use, perhaps again: its successor was lost in the meantime
            return
        if self._retire_ns == _NEVER_NS:
            self._retire_ns = now_ns + _OVERLAP_NS
            if self._session.api.ready:
                _log.info("order channel replaced")
                self._push(record.user_replaced(now_ns))
        elif now_ns >= self._retire_ns:
            self._lose(self._old, "its successor is in use", now_ns)

    def _tell_ready(self) -> None:
        """The engine quotes only while orders can go out and the account's events come in."""
        if self._session.api.ready != self._was_ready:
            self._say_link(up=self._session.api.ready, now_ns=self._clock.mono_ns())

    def _say_link(self, *, up: bool, now_ns: int) -> None:
        if up == self._was_ready:
            return
        self._was_ready = up
        for channel in (record.ORDER, record.USER):
            self._push(record.order_link(channel, up, now_ns))

    def _push(self, records: Any) -> None:
        """Into the exec ring, of which this role is the producer. What became of an order is never dropped: a full
        ring is emptied by running the engine."""
        while not self._loop.push(core_loop.RING_EXEC, records):
            self._run_engine(self._holder)

    # ---- answers

    def pump(self, line: Line, filled: int, recv_ns: int) -> Pumped:
        line.parser.filled(filled)
        return self._loop.pump(core_loop.CHANNEL_ORDER, line.parser, self._decoder, recv_ns)

    def see(self, line: Line, recv_ns: int, pumped: Pumped) -> None:
        api = self._session.api
        newest = line is self._line
        if newest:
            api.on_seen(recv_ns)
        if pumped.limited:
            self._limited(recv_ns)
        if pumped.reply:
            self._reply(recv_ns, newest=newest)
        if pumped.shutdown and newest:
            _log.info("order channel: the exchange announces a shutdown")
            api.on_shutdown_notice(recv_ns)
        if pumped.closed:
            self._lose(line, line.close_reason, recv_ns)

    def _reply(self, now_ns: int, *, newest: bool) -> None:
        if not self._decoder.last().terminated:
            self._session.api.on_reply(self._last_reply(), now_ns)
        elif newest:
            self._session.api.on_terminated()
        else:
            self._session.api.on_old_ended()

    def _last_reply(self) -> WsReply:
        last = self._decoder.last()
        return WsReply(last.request_id, last.http_status, last.error_code, last.error_text, last.retry_after_ms)

    def _limited(self, now_ns: int) -> None:
        """A 429 or 418: everyone who sends must know at once."""
        reply, session = self._last_reply(), self._session
        meaning = verdict(reply.status, reply.code, reply.message)
        if meaning not in (Verdict.LIMIT, Verdict.BANNED):
            return
        until_ns = session.limits.on_refused_reply(meaning, reply, now_ns, session.clock)
        if until_ns > self._told_wait_ns + _SAME_WAIT_NS:  # requests that left together are refused together
            self._told_wait_ns = until_ns
            _log.warning("the exchange asks to wait: %s", reply.message)
        self._gate.ban(session.limits.banned_until_ns)
        # Too many orders stop nothing but new ones, and the engine knows that from the counts that came along.
        if session.limits.banned_until_ns >= until_ns:
            self._push(record.ban(until_ns, now_ns))

    def _take_rest_answers(self, client: ExchangeClient) -> None:
        for response in client.poll():
            action = self._handed_over.pop(response.ticket, None)
            if response.outcome is Outcome.SENT:
                if action is not None:
                    self._sent(self._holder, action, response.sent_ns)
                continue
            seq, _ = self._decoder.order_seq(response.client_id)
            operation = _ASKED[response.operation or Asked.QUERY]
            self._push(to_record(response, operation, seq, self._clock.mono_ns()))

    # ---- actions

    def _send_actions(self, holder: int) -> None:
        try:
            line = self._sending() if self._orders_by_rest is None else None
            if line is not None:
                self._send_bursts(holder, line.wire)
            else:
                self._send_one_by_one(holder)
        except BaseException:
            self._gate.kill()  # an action may be lost and the engine does not know: nothing new may follow it
            # Requests that were complete must not leave with the next cancels; those that were taken may have left.
            self._loop.burst_sent(not self._gate.take(), self._clock.mono_ns())
            raise

    def _send_bursts(self, holder: int, wire: Wire) -> None:
        """What was decided at once leaves at once: one hand-over to the kernel for all requests that wait."""
        self._set_session(logged_on=self._session.api.logged_on)
        more = True
        while more:
            more = self._loop.burst_encode(self._gate, self._clock.mono_ns(), self._session.signer.sign)
            requests = self._gate.take()
            if requests:
                self._loop.burst_sent(wire.send(requests), self._clock.mono_ns())
            if more:
                self._run_engine(holder)
        if wire.wants_write:
            self.wake()  # the kernel did not take it all: the order thread waits for it to be writable

    def _set_session(self, *, logged_on: bool) -> None:
        """Whether the gate signs each request itself or leaves that to the session."""
        if logged_on != self._gate_logged_on:
            self._gate_logged_on = logged_on
            self._gate.session(logged_on)

    def _send_one_by_one(self, holder: int) -> None:
        """Over REST, or while there is no session."""
        self._set_session(logged_on=False)
        while self._loop.next_action(self._action):
            self._send(holder, self._action)

    def _send(self, holder: int, action: Any) -> None:
        operation = _OPERATION[Kind(action.kind)]
        # The gate sees every order, in order: it counts them.
        refusal, payload = self._gate.encode(action, self._clock.mono_ns())
        if refusal:
            self._not_sent(holder, action, refusal)
        elif self._orders_by_rest is not None:
            self._send_by_rest(self._orders_by_rest, holder, action, operation, payload)
        elif operation in (Operation.CANCEL, Operation.QUERY):
            self._cancel_elsewhere(holder, action, operation)
        else:
            self._not_sent(holder, action, record.verdict("DISCONNECTED"))

    def _cancel_elsewhere(self, holder: int, action: Any, operation: Operation) -> None:
        """The REST worker tells when it was sent, and the answer."""
        request = self._request(action)
        if request is None or not self._cancel_by_rest(request, operation, int(action.body.action.order_seq)):
            self._not_sent(holder, action, record.verdict("DISCONNECTED"))

    def _send_by_rest(self, client: ExchangeClient, holder: int, action: Any, operation: Operation,
                      payload: bytes) -> None:
        """`poll` tells when it was sent, and the answer."""
        request = self._request(action)
        if request is None:
            self._not_sent(holder, action, record.verdict("DISCONNECTED"))
            return
        if operation not in (Operation.CANCEL, Operation.QUERY):
            self._gate.seal(self._session.signer.sign(payload))
            request = replace(request, wire=self._gate.take())
        hand_over = {Operation.PLACE: client.send_order, Operation.CANCEL: client.cancel_order,
                     Operation.QUERY: client.query_order, Operation.AMEND: client.amend_order,
                     Operation.REPLACE: client.replace_order}[operation]
        if hand_over(request):
            kept = core_loop.new_record()
            kept[0] = action[0]
            self._handed_over[request.ticket] = kept
        else:
            self._not_sent(holder, action, record.verdict("NO_ROOM"))

    def _request(self, action: Any) -> OrderRequest | None:
        body = action.body.action
        side, layer = action.flags >> 8, action.flags & 0xFF
        seq = int(body.order_seq)
        name = self._gate.client_id(seq, side, layer) if seq else self._leftover_name(int(body.exchange_id))
        if name is None:
            return None
        self._ticket += 1
        return OrderRequest(name, self._session.symbol, Side.BUY if side == 0 else Side.SELL, int(body.price_e8),
                            int(body.qty_e8), int(body.exchange_id) or None, ticket=self._ticket)

    def _sent(self, holder: int, action: Any, sent_ns: int) -> None:
        while not self._loop.sent(action, sent_ns):
            self._run_engine(holder)

    def _not_sent(self, holder: int, action: Any, refusal: int) -> None:
        now_ns = self._clock.mono_ns()
        while not self._loop.not_sent(action, refusal, now_ns):
            self._run_engine(holder)
