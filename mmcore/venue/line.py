"""One connection's bytes on their way out, as a network that may be at fault carries them. No sockets: a carrier is
given the bytes when they may go, and what happens later is put on the agenda.
"""

from __future__ import annotations

from typing import Protocol

from mmcore.venue.agenda import Agenda
from mmcore.venue.clock import Clock
from mmcore.venue.faults import FaultPlan

_QUEUE_BYTES_MAX = 8 << 20


class Carrier(Protocol):
    """What takes the bytes from here: a socket, or its likeness."""

    def write(self, data: bytes) -> None:
        """These bytes go out now."""

    def end(self) -> None:
        """Close the connection when all that was written is sent."""

    def reset(self) -> None:
        """Break the connection off; what was written and is not yet sent is lost."""


class Line:
    """The outgoing side of one connection, of kind `sockets` ("streams" or "api"). One thread.

    More than 8 MiB held back break the connection off.
    """

    def __init__(self, sockets: str, carrier: Carrier, *, agenda: Agenda, clock: Clock, faults: FaultPlan) -> None:
        self.sockets = sockets
        self._carrier = carrier
        self._agenda = agenda
        self._clock = clock
        self._faults = faults
        self._queue = bytearray()
        self._hold_until_us = 0
        self._deaf_until_us = 0
        self._trickle_until_us = 0
        self._byte_us = 0
        self._is_waiting = False
        self._is_dead = False

    @property
    def is_held(self) -> bool:
        """Whether bytes wait here."""
        return bool(self._queue)

    @property
    def hears(self) -> bool:
        """False while the line is half open: what the client sends never arrives."""
        return not self._is_dead and self._clock.now_us() >= self._deaf_until_us

    def send(self, data: bytes) -> None:
        """Send whole frames, in order."""
        now_us = self._clock.now_us()
        if self._is_dead or now_us < self._deaf_until_us:
            return
        fault = self._faults.on_write(self.sockets, now_us)
        if fault is not None and fault.kind == "write_delayed":
            self._hold_until_us = max(self._hold_until_us, now_us + 1000 * fault.whole("delay_ms"))
        elif fault is not None:
            self._flush_all()
            self._carrier.write(data[: max(1, len(data) // 2)])
            self._is_dead = True
            self._carrier.end()
            return
        if not self._queue and now_us >= max(self._hold_until_us, self._trickle_until_us):
            self._carrier.write(data)
            return
        self._queue += data
        if len(self._queue) > _QUEUE_BYTES_MAX:
            self.reset()
        elif not self._is_waiting:
            self._wake_at(max(now_us, self._hold_until_us))

    def half_open(self, for_us: int) -> None:
        """Silent both ways from now on, then reset."""
        now_us = self._clock.now_us()
        self._queue.clear()
        self._deaf_until_us = now_us + for_us
        self._agenda.at(self._deaf_until_us, self.reset)

    def trickle(self, for_us: int, byte_us: int) -> None:
        """For a while one byte at a time."""
        self._byte_us = byte_us
        self._trickle_until_us = self._clock.now_us() + for_us

    def reset(self) -> None:
        """End the connection now."""
        if not self._is_dead:
            self._is_dead = True
            self._queue.clear()
            self._carrier.reset()

    def end(self) -> None:
        """Close the connection when what is queued has gone."""
        if self._is_dead or not self.hears:
            return
        self._is_dead = True
        self._flush_all()
        self._carrier.end()

    def _wake_at(self, due_us: int) -> None:
        self._is_waiting = True
        self._agenda.at(due_us, self._release)

    def _release(self) -> None:
        """Let go what may go by now; come again for the rest."""
        self._is_waiting = False
        now_us = self._clock.now_us()
        if not self._queue:
            return
        if now_us < self._hold_until_us:
            self._wake_at(self._hold_until_us)
        elif now_us < self._trickle_until_us:
            self._carrier.write(bytes(self._queue[:1]))
            del self._queue[:1]
            self._wake_at(now_us + self._byte_us)
        else:
            self._flush_all()

    def _flush_all(self) -> None:
        data = bytes(self._queue)
        self._queue.clear()
        if data:
            self._carrier.write(data)
