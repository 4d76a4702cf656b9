"""Order entry and account events: the session on the WebSocket API. No I/O and no clock.

Orders do not pass through here: their bytes come from the gate and go straight to the channel. This is what must have
happened before they may, and what keeps the session alive.
"""

from __future__ import annotations

import enum
import random
from dataclasses import dataclass
from typing import Final

from mmcore.errors import ExchangeError
from mmcore.exchange.base import printable
from mmcore.exchange.binance.link import Action, Drop, Fail, Link, ResyncClock, Send
from mmcore.exchange.binance.protocol import (
    NS_PER_S,
    ClockOffset,
    Endpoints,
    LimitState,
    Verdict,
    WsReply,
    WsRequests,
    verdict,
)
from mmcore.exchange.binance.streams import refused
from mmcore.exchange.channel import HandshakeRefusedError

_REPLY_MAX_NS: Final = 4 * NS_PER_S
_PING_NS: Final = 5 * NS_PER_S
_CLOCK_TRIES_MAX: Final = 3
_OLD_MAX_NS: Final = 20 * NS_PER_S
_ALREADY_SUBSCRIBED: Final = -2035


class _Phase(enum.Enum):
    DOWN = "down"
    OPEN = "open"
    LOGGING_ON = "log-on"
    SUBSCRIBING = "subscribe"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class _Pending:
    request_id: str
    what: str
    deadline_ns: int


class WsApi:
    """The order connection: connects, logs on (Ed25519 keys), subscribes to the account's events, and asks for signs of
    life from the socket every second and from the API behind it every five. One thread at a time.

    A connection that is to be replaced stays in use (`on_old`) until the account's events flow on its successor: for at
    most 20 s, since it is not watched any more. Reading on from it until it ends saves replies that were on their way.

    While not `ready` nothing new may be quoted; cancels then go over REST. Each time it becomes ready events may have
    been missed: orders, trades and balances have to be read again.
    """

    __slots__ = ("_clock", "_clock_asked", "_clock_tries", "_limits", "_link", "_next_ping_ns", "_old_until_ns",
                 "_pending", "_phase", "_queue", "_request_count", "_requests")

    def __init__(self, endpoints: Endpoints, requests: WsRequests, clock: ClockOffset, limits: LimitState,
                 rng: random.Random) -> None:
        self._link = Link(endpoints.ws_api, rng)
        self._requests = requests
        self._clock = clock
        self._limits = limits
        self._phase = _Phase.DOWN
        self._pending: _Pending | None = None
        self._queue: list[Action] = []
        self._request_count = 0
        self._next_ping_ns = 0
        self._clock_asked = False
        self._clock_tries = 0
        self._old_until_ns: int | None = None  # the connection before the newest is in use until then

    @property
    def up(self) -> bool:
        """Whether there is a connection to send on."""
        return self._link.up

    @property
    def ready(self) -> bool:
        """Whether orders may be sent: connected, and the account's events are flowing."""
        return self._phase is _Phase.READY or self._old_until_ns is not None

    @property
    def on_old(self) -> bool:
        """Whether orders go over the connection before the newest, which is not ready yet."""
        return self._old_until_ns is not None

    @property
    def logged_on(self) -> bool:
        """Whether requests need neither key nor signature; only while `ready`."""
        return self.ready and self._requests.can_log_on

    def poll(self, now_ns: int) -> list[Action]:
        """What to do now: any of the actions. After `Fail` there is nothing more."""
        if self._phase is _Phase.FAILED:
            return self._take_queue()
        if self._old_until_ns is not None and now_ns >= self._old_until_ns:
            self._old_until_ns = None
        banned_ns = self._limits.banned_until_ns - now_ns
        if banned_ns > 0:
            self._link.hold(now_ns, banned_ns)  # a connection costs weight too
        actions = self._link.poll(now_ns)
        if not self._link.up:
            self._down()
        elif banned_ns <= 0 or self._pending is not None:
            self._session(now_ns)
        return actions + self._take_queue()

    def deadline_ns(self) -> int:
        """When to call `poll` at the latest."""
        if self._queue:
            return 0
        due_ns = self._link.deadline_ns()
        if self._phase is _Phase.OPEN and (self._clock.known or not self._clock_asked):
            due_ns = min(due_ns, self._limits.banned_until_ns)
        if self._old_until_ns is not None:
            due_ns = min(due_ns, self._old_until_ns)
        if self._pending is not None:
            due_ns = min(due_ns, self._pending.deadline_ns)
        elif self._phase is _Phase.READY:
            due_ns = min(due_ns, max(self._next_ping_ns, self._limits.banned_until_ns))
        return due_ns

    def _take_queue(self) -> list[Action]:
        taken, self._queue = self._queue, []
        return taken

    def _session(self, now_ns: int) -> None:
        if self._pending is not None:
            if now_ns >= self._pending.deadline_ns:
                self._drop(now_ns, f"no reply to {self._pending.what} within 4 s")
        elif self._phase is _Phase.OPEN:
            self._begin(now_ns)
        elif self._phase is _Phase.READY and now_ns >= self._next_ping_ns:
            self._next_ping_ns = now_ns + _PING_NS
            request_id = self._expect("ping", now_ns)
            self._queue.append(Send(self._requests.ping(request_id)))

    def _begin(self, now_ns: int) -> None:
        """Log-on or subscription, as soon as the exchange's time is known: both carry it."""
        if not self._clock.known:
            if not self._clock_asked:
                self._clock_asked = True
                self._queue.append(ResyncClock())
            return
        self._clock_asked = False
        timestamp_ms = self._clock.server_ms(now_ns)
        if self._requests.can_log_on:
            self._phase = _Phase.LOGGING_ON
            request_id = self._expect("session.logon", now_ns)
            self._queue.append(Send(self._requests.log_on(request_id, timestamp_ms)))
        else:
            self._phase = _Phase.SUBSCRIBING
            request_id = self._expect("userDataStream.subscribe.signature", now_ns)
            self._queue.append(Send(self._requests.subscribe(request_id, timestamp_ms)))

    def _expect(self, what: str, now_ns: int) -> str:
        """The id of a new request whose reply is awaited. No order request is named like this."""
        self._request_count += 1
        request_id = f"s{self._request_count}"
        self._pending = _Pending(request_id, what, now_ns + _REPLY_MAX_NS)
        return request_id

    def on_reply(self, reply: WsReply, now_ns: int) -> None:
        """A reply that is not an order's. Those to other requests than the awaited one are passed over, but for the
        exchange's word that the key is no longer good."""
        pending = self._pending
        if pending is None or reply.request_id != pending.request_id:
            if not reply.request_id and verdict(reply.status, reply.code, reply.message) is Verdict.CREDENTIALS:
                self._fail(reply)
            return
        self._pending = None
        if reply.status == 200 or reply.code == _ALREADY_SUBSCRIBED:
            self._accepted(now_ns)
        else:
            self._refused(pending, reply, now_ns)

    def _accepted(self, now_ns: int) -> None:
        if self._phase is _Phase.LOGGING_ON:
            self._phase = _Phase.SUBSCRIBING
            request_id = self._expect("userDataStream.subscribe", now_ns)
            self._queue.append(Send(self._requests.subscribe_logged_on(request_id)))
        elif self._phase is _Phase.SUBSCRIBING:
            self._phase = _Phase.READY
            self._old_until_ns = None
            self._clock_tries = 0
            self._next_ping_ns = now_ns + _PING_NS

    def _refused(self, pending: _Pending, reply: WsReply, now_ns: int) -> None:
        meaning = verdict(reply.status, reply.code, reply.message)
        if meaning in (Verdict.LIMIT, Verdict.BANNED):
            self._limited(meaning, reply, now_ns)
        elif self._phase is _Phase.READY and meaning is not Verdict.CREDENTIALS:
            pass  # a refused ping is a sign of life too
        elif meaning is Verdict.CLOCK and self._clock_tries < _CLOCK_TRIES_MAX:
            self._clock_tries += 1
            self._clock.reset()
            self._phase = _Phase.OPEN
        elif meaning is Verdict.UNKNOWN:
            self._drop(now_ns, f"{pending.what} was answered with status {reply.status}")
        else:
            self._fail(reply)

    def _limited(self, meaning: Verdict, reply: WsReply, now_ns: int) -> None:
        until_ns = self._limits.on_refused_reply(meaning, reply, now_ns, self._clock)
        self._drop(now_ns, "the exchange asks to wait")
        self._link.hold(now_ns, until_ns - now_ns)

    def _drop(self, now_ns: int, reason: str) -> None:
        self._link.on_dropped(now_ns)
        self._down()
        self._queue.append(Drop(reason))

    def _down(self) -> None:
        self._phase = _Phase.DOWN
        self._pending = None
        self._clock_asked = False

    def _fail(self, reply: WsReply) -> None:
        self._phase = _Phase.FAILED
        self._pending = None
        self._old_until_ns = None
        self._queue.append(Fail(ExchangeError(reply.code, printable(reply.message))))

    def on_connected(self, attempt: int, now_ns: int) -> bool:
        """See `Link.on_connected`: True means that requests of the session go over the new channel from now on; orders
        go over the one before it while `on_old`."""
        if self._phase is _Phase.FAILED or not self._link.on_connected(attempt, now_ns):
            return False
        if self._phase is _Phase.READY:
            self._old_until_ns = now_ns + _OLD_MAX_NS
        self._down()
        self._phase = _Phase.OPEN
        return True

    def on_failed(self, attempt: int, now_ns: int, error: Exception) -> None:
        """The attempt ended in this error."""
        wait_ns = refused(error, self._limits, now_ns) if isinstance(error, HandshakeRefusedError) else 0
        self._link.on_failed(attempt, now_ns, wait_ns)

    def on_seen(self, now_ns: int) -> None:
        """Bytes came in on the newest connection; so do the functions below speak of it."""
        self._link.on_seen(now_ns)

    def on_dropped(self, now_ns: int) -> None:
        """The connection is over."""
        self._link.on_dropped(now_ns)
        if self._phase is not _Phase.FAILED:
            self._down()

    def on_old_ended(self) -> None:
        """The connection before the newest is over, or the account's events have stopped on it."""
        self._old_until_ns = None

    def on_terminated(self) -> None:
        """eventStreamTerminated: the account's events have stopped; subscribe again."""
        if self._phase is _Phase.READY:
            self._pending = None
            self._phase = _Phase.OPEN

    def on_shutdown_notice(self, now_ns: int) -> None:
        """serverShutdown was announced."""
        self._link.on_shutdown_notice(now_ns)
