"""The life of a WebSocket connection without the socket: pings, their answers, messages counted, the end after a day.

The owner asks `next_due_us` and calls `due` then. One thread.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from mmcore.venue.frames import close_frame, ping_frame

_INBOUND_MAX = 5
_SECOND_US = 1_000_000
POLICY_VIOLATION = 1008


@dataclass(frozen=True, slots=True)
class ConnectionRules:
    """Periods in microseconds: pings, how long none may be answered, and a connection's whole life."""

    ping_interval_us: int = 20_000_000
    pong_timeout_us: int = 60_000_000
    life_us: int = 86_400_000_000


DEFAULT_RULES = ConnectionRules()


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done with a connection: frames to send, and whether it then ends."""

    frames: bytes
    ends: bool


class InboundLimit:
    """At most five messages from the client in any second: pings, pongs and control messages each count."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[int] = deque(maxlen=_INBOUND_MAX)

    def admits(self, now_us: int) -> bool:
        """Count one message; False if it is one too many."""
        full = len(self._times) == _INBOUND_MAX
        if full and now_us - self._times[0] < _SECOND_US:
            return False
        self._times.append(now_us)
        return True


class Connection:
    """What the exchange does unasked with one connection, opened at `now_us`."""

    __slots__ = ("_ends_us", "_next_ping_us", "_rules", "_unanswered")

    def __init__(self, now_us: int, rules: ConnectionRules) -> None:
        self._rules = rules
        self._next_ping_us = now_us + rules.ping_interval_us
        self._ends_us = now_us + rules.life_us
        self._unanswered: deque[tuple[int, bytes]] = deque()

    def next_due_us(self) -> int:
        """When `due` should next be called."""
        return min(self._next_ping_us, self._lost_us(), self._ends_us)

    def due(self, now_us: int) -> Due:
        """What is to be done by now."""
        if now_us >= self._ends_us:
            return Due(close_frame(POLICY_VIOLATION, "Connection lived its 24 hours"), ends=True)
        if now_us >= self._lost_us():
            return Due(close_frame(POLICY_VIOLATION, "Pong timeout"), ends=True)
        if now_us < self._next_ping_us:
            return Due(b"", ends=False)
        self._next_ping_us = now_us + self._rules.ping_interval_us
        payload = str(now_us).encode()
        self._unanswered.append((now_us, payload))
        return Due(ping_frame(payload), ends=False)

    def on_pong(self, payload: bytes) -> None:
        """Only a pong that copies a ping answers it, and with it the pings before it."""
        if any(payload == sent for _, sent in self._unanswered):
            while self._unanswered.popleft()[1] != payload:
                pass

    def _lost_us(self) -> int:
        """When the peer counts as gone, unless it answers."""
        return self._unanswered[0][0] + self._rules.pong_timeout_us if self._unanswered else self._ends_us
