"""The feed thread: market bytes in, decoded in C, and the engine run at once.

The thread that read a frame also runs the engine and, if the order thread is parked, sends the orders: waking another
thread would cost more than all the work.

One or two connections carry the same streams; the core lets each event through once, from whichever brought it first.
A connection that is replaced goes on beside its successor until that one delivers, so nothing is lost between them. The
engine is told of the first connection that comes up and of the last that goes down, and of nothing between.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from mmcore.core import loop as core_loop
from mmcore.core import record
from mmcore.core.feed import Feed as Decoder
from mmcore.core.loop import Loop, Pumped, Ran
from mmcore.core.ws import WsParser
from mmcore.errors import ConfigError, Fault
from mmcore.exchange.binance.link import Connect, Drop, Ping
from mmcore.exchange.binance.streams import MarketStreams
from mmcore.exchange.channel import Wire, ping_frame
from mmcore.host.clock import Clock
from mmcore.host.connector import Connector, Connectors
from mmcore.host.orders import OrdersThread
from mmcore.host.reading import Line, flush, read
from mmcore.host.worker import PartThread

_log = logging.getLogger("mmcore.feed")

HOLDER: Final = 1
SOCKETS_MAX: Final = core_loop.MARKET_SOCKETS_MAX // 2
_BUFFER_BYTES: Final = 1 << 21
_PARK_MAX_NS: Final = 100_000_000
_EVERY_FD: Final = 0xFFFF
_NEVER_NS: Final = 2**63 - 1
# How long a connection goes on beside its successor once that one has delivered something: what is still under way on
# the old one comes within this.
_OVERLAP_NS: Final = 2_000_000_000


def check_cpu(cpu: int | None) -> None:
    """Raises ConfigError for a core that no thread of this process may be pinned to."""
    allowed = sorted(os.sched_getaffinity(0)) if cpu is not None else []
    if cpu is not None and cpu not in allowed:
        cores = ", ".join(map(str, allowed))
        raise ConfigError([Fault("host.cpu", f"{cpu} is no core this process may run on; it may on {cores}")])


class _Socket:
    """One connection and, while it is replaced, the one before it. The core knows the two by numbers of their own."""

    __slots__ = ("_parsers", "connector", "line", "name", "old", "retire_ns", "streams")

    def __init__(self, index: int, streams: MarketStreams, connector: Connector) -> None:
        self.name = f"market stream {index + 1}"
        self.streams = streams
        self.connector = connector
        self.line: Line | None = None
        self.old: Line | None = None
        self.retire_ns = _NEVER_NS
        self._parsers = {2 * index + i: WsParser(_BUFFER_BYTES) for i in range(2)}

    def lines(self) -> Iterator[Line]:
        """The open ones."""
        if self.old is not None:
            yield self.old
        if self.line is not None:
            yield self.line

    def new_line(self, wire: Wire) -> Line:
        """A connection under the number that is free; its parser has forgotten the last one."""
        taken = {line.socket for line in self.lines()}
        number = next(number for number in self._parsers if number not in taken)
        parser = self._parsers[number]
        parser.reset()
        return Line(wire, parser, number)


class FeedThread(PartThread):
    """Holder of the FEED role."""

    def __init__(self, loop: Loop, streams: Sequence[MarketStreams], decoder: Decoder, clock: Clock,
                 after_run: Callable[[int, Ran], None], connectors: Connectors, orders: OrdersThread, *,
                 carries_orders: bool = False, cpu: int | None = None) -> None:
        """streams: one for each connection, at most SOCKETS_MAX. after_run(holder, ran): sees to what the engine left
        to do. orders: what hands this thread's bursts over. carries_orders: this thread spins and reads the order
        channel too. cpu: the core it is pinned to."""
        super().__init__("feed")
        assert 1 <= len(streams) <= SOCKETS_MAX
        self._loop = loop
        self._decoder = decoder
        self._clock = clock
        self._after_run = after_run
        self._orders = orders
        self._carries_orders = carries_orders
        self._cpu = cpu
        self._sockets = [_Socket(i, one, connectors(f"feed-connect-{i + 1}", self.wake))
                         for i, one in enumerate(streams)]
        self._lines: list[Line] = []  # the open ones
        self._due_ns = 0  # of `deadline_ns`, not later: what moves it to an earlier time sets this to 0

    def wake(self) -> None:
        """Any thread."""
        self._loop.signal(core_loop.FEED)

    def begin(self) -> None:
        if self._cpu is not None:
            os.sched_setaffinity(0, {self._cpu})  # of this thread alone

    def step(self) -> None:
        """What came in goes first, and its orders out; then the rest, if it is due."""
        ready = self._wait()
        lines = self._lines
        if ready >> 32:
            ready |= ready >> 32
            flush(lines)
        for at, line in enumerate(lines):
            if line.unread or ready >> at & 1:
                read(line, self, self._clock.mono_ns)
        if self._carries_orders and ready >> len(lines) & _EVERY_FD:
            self._orders.try_serve(HOLDER)
        if self._clock.mono_ns() >= self._wake_ns() or self._has_work():
            self.serve()
            self._due_ns = self.deadline_ns()

    def serve(self) -> None:
        for socket in self._sockets:
            self._take_connections(socket)
            self._do(socket, self._clock.mono_ns())
            lines = [*socket.lines()]
            flush(lines)
            for line in lines:
                read(line, self, self._clock.mono_ns)
        now_ns = self._clock.mono_ns()
        if now_ns >= self._loop.socket_deadline_ns() and self._loop.socket_due(now_ns):
            self._run_engine()

    def deadline_ns(self) -> int:
        if any(socket.connector.waiting for socket in self._sockets):
            return 0
        due_ns = min(min(socket.streams.deadline_ns(), socket.retire_ns) for socket in self._sockets)
        return min(due_ns, self._loop.socket_deadline_ns())

    def _wake_ns(self) -> int:
        """As `deadline_ns`, in a fraction of its time: from what it was when it was last looked at."""
        return min(self._due_ns, self._loop.socket_deadline_ns())

    def end(self) -> None:
        for socket in self._sockets:
            socket.connector.close()
            for line in socket.lines():
                line.wire.close()
            socket.line = socket.old = None
        self._changed()

    def _changed(self) -> None:
        """Connections have come or gone."""
        self._lines = [line for socket in self._sockets for line in socket.lines()]
        self._due_ns = 0

    # ---- connections

    def _do(self, socket: _Socket, now_ns: int) -> None:
        for action in socket.streams.poll(now_ns):
            if isinstance(action, Connect):
                socket.connector.start(action)
            elif isinstance(action, Ping) and socket.line is not None:
                socket.line.wire.send(ping_frame(action.payload))
            elif isinstance(action, Drop) and socket.line is not None:
                self._lose(socket, socket.line, action.reason, now_ns, known=True)
        if socket.old is not None and now_ns >= socket.retire_ns:
            self._lose(socket, socket.old, "its successor delivers", now_ns)

    def _take_connections(self, socket: _Socket) -> None:
        while (result := socket.connector.take()) is not None:
            attempt, made = result
            now_ns = self._clock.mono_ns()
            if isinstance(made, Exception):
                _log.warning("%s: %s", socket.name, made)
                socket.streams.on_failed(attempt, now_ns, made)
            elif not socket.streams.on_connected(attempt, now_ns):
                made.close()
            else:
                self._use(socket, made, now_ns)

    def _use(self, socket: _Socket, wire: Wire, now_ns: int) -> None:
        if socket.line is not None:
            if socket.old is not None:
                self._lose(socket, socket.old, "its successor is replaced", now_ns)
            socket.old, socket.line = socket.line, None
        first = not self._any_open()
        socket.line = socket.new_line(wire)
        socket.retire_ns = _NEVER_NS
        self._changed()
        self._loop.socket_up(socket.line.socket)
        _log.info("%s connected", socket.name)
        if first:
            self._tell(up=True, now_ns=now_ns)

    def _any_open(self) -> bool:
        return bool(self._lines)

    def _lose(self, socket: _Socket, line: Line, reason: str, now_ns: int, *, known: bool = False) -> None:
        """known: its link has given it up itself."""
        line.wire.close()
        if line is socket.line:
            _log.warning("%s lost: %s", socket.name, reason)
            socket.line = None
            if not known:
                socket.streams.on_dropped(now_ns)
        else:
            _log.info("%s: the connection before it is closed: %s", socket.name, reason)
            socket.old = None
        socket.retire_ns = _NEVER_NS
        self._changed()
        if self._loop.socket_down(line.socket, now_ns):
            self._run_engine()
        if not self._any_open():
            self._tell(up=False, now_ns=now_ns)

    def _tell(self, *, up: bool, now_ns: int) -> None:
        """The engine must know, so a full ring is emptied by running the engine."""
        while not self._loop.push(core_loop.RING_MARKET, record.market_link(up, now_ns)):
            self._run_engine()
        self._run_engine()

    # ---- bytes

    def _wait(self) -> int:
        """Which descriptors are ready, as `Loop.poll` says it: those of `_lines`, then the order channel's."""
        timeout_ns = self._wake_ns() - self._clock.mono_ns()
        fds, want_write, at = [], 0, 1
        for line in self._lines:
            fds.append(line.wire.fileno())
            if line.wire.wants_write:
                want_write |= at
            if line.unread:
                timeout_ns = 0
            at <<= 1
        if self._carries_orders:
            for wire in self._orders.wires():
                fds.append(wire.fileno())
                if wire.wants_write:
                    want_write |= at
                at <<= 1
        return self._loop.poll(core_loop.FEED, self._has_work, fds, want_write,
                               min(timeout_ns, _PARK_MAX_NS) if timeout_ns > 0 else 0)

    def _has_work(self) -> bool:
        if self.stopping:
            return True
        for socket in self._sockets:  # noqa: SIM110  # on the way of every frame
            if socket.connector.waiting:
                return True
        return False

    def pump(self, line: Line, filled: int, recv_ns: int) -> Pumped:
        return self._loop.turn(HOLDER, line.parser, filled, self._decoder, recv_ns, line.socket)

    def see(self, line: Line, recv_ns: int, pumped: Pumped) -> None:
        if pumped.burst:
            self._orders.hand_over(HOLDER, recv_ns)
        ran = pumped.ran
        if ran.orders or ran.need_quote:
            self._after_run(HOLDER, ran)
        socket = self._sockets[line.socket // 2]
        if line is socket.line:
            self._seen(socket, recv_ns, shutdown=pumped.shutdown)
        if pumped.closed:
            self._lose(socket, line, line.close_reason, recv_ns)

    def _seen(self, socket: _Socket, recv_ns: int, *, shutdown: bool) -> None:
        """The newest connection has delivered something."""
        socket.streams.on_seen(recv_ns)
        if socket.old is not None and socket.retire_ns == _NEVER_NS:
            socket.retire_ns = recv_ns + _OVERLAP_NS
            self._due_ns = 0
        if shutdown:
            self._due_ns = 0
            _log.info("%s: the exchange announces a shutdown", socket.name)
            socket.streams.on_shutdown_notice(recv_ns)

    def _run_engine(self) -> None:
        self._after_run(HOLDER, self._loop.run(HOLDER, self._clock.mono_ns()))
