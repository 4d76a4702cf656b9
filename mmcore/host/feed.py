"""The feed thread: market bytes in, decoded in C, and the engine run at once.

The thread that read a frame also runs the engine and, if the order thread is parked, sends the orders: waking
another thread would cost
more than all the work.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Final

from mmcore.core import loop as core_loop
from mmcore.core import record
from mmcore.core.feed import Feed as Decoder
from mmcore.core.loop import Loop, Ran
from mmcore.core.ws import WsParser
from mmcore.exchange.binance.link import Connect, Drop, Ping
from mmcore.exchange.binance.streams import MarketStreams
from mmcore.exchange.channel import Wire, ping_frame
from mmcore.host.clock import Clock
from mmcore.host.connector import Connectors
from mmcore.host.orders import OrdersThread
from mmcore.host.worker import HostThread

_log = logging.getLogger("mmcore.feed")

HOLDER: Final = 1
_BUFFER_BYTES: Final = 1 << 21
_PARK_MAX_NS: Final = 100_000_000
_PUMP_READS_MAX: Final = 64


class FeedThread(HostThread):
    """Holder of the FEED role."""

    def __init__(self, loop: Loop, streams: MarketStreams, decoder: Decoder, clock: Clock,
                 after_run: Callable[[int, Ran], None], connectors: Connectors, orders: OrdersThread | None = None,
                 cpu: int | None = None) -> None:
        """after_run(holder, ran): sees to what the engine left to do. orders: given when this thread spins and carries
        all three roles. cpu: the core it is pinned to."""
        super().__init__("feed")
        self._loop = loop
        self._streams = streams
        self._decoder = decoder
        self._clock = clock
        self._after_run = after_run
        self._orders = orders
        self._cpu = cpu
        self._parser = WsParser(_BUFFER_BYTES)
        self._channel: Wire | None = None
        self._connector = connectors("feed-connect", self.wake)
        self.connects = 0

    def wake(self) -> None:
        """Any thread."""
        self._loop.signal(core_loop.FEED)

    def run(self) -> None:
        if self._cpu is not None:
            os.sched_setaffinity(0, {self._cpu})  # of this thread alone
        super().run()

    def step(self) -> None:
        ready = self._wait()
        self.serve()
        if self._orders is not None and ready:
            self._orders.try_serve(HOLDER)

    def serve(self) -> None:
        self._take_connections()
        self._do(self._clock.mono_ns())
        if self._channel is not None:
            self._read(self._channel)

    def deadline_ns(self) -> int:
        return self._streams.deadline_ns()

    def end(self) -> None:
        self._connector.close()
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    # ---- the connection

    def _do(self, now_ns: int) -> None:
        for action in self._streams.poll(now_ns):
            if isinstance(action, Connect):
                self._connector.start(action)
            elif isinstance(action, Ping) and self._channel is not None:
                self._channel.send(ping_frame(action.payload))
            elif isinstance(action, Drop):
                self._lose(action.reason, now_ns, known=True)

    def _take_connections(self) -> None:
        while (result := self._connector.take()) is not None:
            attempt, made = result
            now_ns = self._clock.mono_ns()
            if isinstance(made, Exception):
                _log.warning("market stream: %s", made)
                self._streams.on_failed(attempt, now_ns, made)
            else:
                self._use(attempt, made, now_ns)

    def _use(self, attempt: int, channel: Wire, now_ns: int) -> None:
        if not self._streams.on_connected(attempt, now_ns):
            channel.close()
            return
        if self._channel is not None:
            self._channel.close()
        self.connects += 1
        self._channel = channel
        self._parser.reset()
        self._tell(up=True, now_ns=now_ns)
        _log.info("market stream connected")

    def _lose(self, reason: str, now_ns: int, *, known: bool = False) -> None:
        if self._channel is None:
            return
        _log.warning("market stream lost: %s", reason)
        self._channel.close()
        self._channel = None
        if not known:
            self._streams.on_dropped(now_ns)
        self._tell(up=False, now_ns=now_ns)

    def _tell(self, *, up: bool, now_ns: int) -> None:
        """The engine must know, so a full ring is emptied by running the engine."""
        while not self._loop.push(core_loop.RING_MARKET, record.market_link(up, now_ns)):
            self._run_engine()
        self._run_engine()

    # ---- bytes

    def _wait(self) -> int:
        """Which descriptors are ready, as `Loop.poll` says it."""
        now_ns = self._clock.mono_ns()
        timeout_ns = max(0, min(self.deadline_ns() - now_ns, _PARK_MAX_NS))
        fds = [self._channel.fileno()] if self._channel is not None else []
        want_write = 1 if self._channel is not None and self._channel.wants_write else 0
        if self._orders is not None and (descriptor := self._orders.descriptor()) >= 0:
            fds.append(descriptor)
        return self._loop.poll(core_loop.FEED, lambda: self.stopping or self._connector.waiting, fds, want_write,
                               timeout_ns)

    def _read(self, channel: Wire) -> None:
        if channel.wants_write:
            channel.flush()
        for _ in range(_PUMP_READS_MAX):
            count = channel.recv_into(self._parser.space())
            if count is None:
                return
            now_ns = self._clock.mono_ns()
            if count == 0:
                self._lose(channel.close_reason, now_ns)
                return
            self._parser.filled(count)
            self._streams.on_seen(now_ns)
            if not self._pump(channel, now_ns):
                return

    def _pump(self, channel: Wire, recv_ns: int) -> bool:
        """False: the connection is over."""
        more = True
        while more:
            pumped = self._loop.pump(core_loop.CHANNEL_MARKET, self._parser, self._decoder, recv_ns)
            if pumped.answer:
                channel.send(pumped.answer)
            if pumped.records:
                self._run_engine()
            if pumped.shutdown:
                _log.info("market stream: the exchange announces a shutdown")
                self._streams.on_shutdown_notice(recv_ns)
            if pumped.closed:
                self._lose(f"closed by the exchange ({self._parser.close_code})", recv_ns)
                return False
            more = pumped.reply or pumped.limited
        return True

    def _run_engine(self) -> None:
        self._after_run(HOLDER, self._loop.run(HOLDER, self._clock.mono_ns()))
