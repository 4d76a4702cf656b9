"""The life of one connection, without I/O and without a clock: when to connect, ping, replace and give up.

A link is told what happened (`on_*`) and asked what to do (`poll`); `deadline_ns` says when to ask again at the latest.
Times are nanoseconds of the local monotonic clock. One thread at a time.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from mmcore.errors import MmcoreError
from mmcore.exchange.binance.protocol import NS_PER_MS, NS_PER_S
from mmcore.exchange.channel import Headers

_BACKOFF_FIRST_NS: Final = 100 * NS_PER_MS
_BACKOFF_MAX_NS: Final = 7 * NS_PER_S
_ATTEMPTS_MAX: Final = 60
_ATTEMPTS_WINDOW_NS: Final = 300 * NS_PER_S
# A connection that lived this long was a good one: the next trouble starts a new count.
_STABLE_NS: Final = 30 * NS_PER_S
_PING_NS: Final = NS_PER_S
# Well behind the 1 s after which a silent feed stops quoting: late pongs do not cost a reconnect.
_SILENCE_NS: Final = 4 * NS_PER_S
# The exchange closes after 24 h.
_LIFETIME_NS: Final = 23 * 3600 * NS_PER_S
_LIFETIME_JITTER_NS: Final = 1800 * NS_PER_S
# An attempt whose end nobody reported is given up: longer than any attempt can take.
_CONNECTING_MAX_NS: Final = 30 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a channel to `url` off the hot threads, then call `on_connected` or `on_failed` with this `attempt`.

    headers: of the upgrade request, (name, value)."""

    attempt: int
    url: str
    headers: Headers = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a ping with this payload."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text message."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the channel: it is dead or useless. The link already counts it as down."""

    reason: str


@dataclass(frozen=True, slots=True)
class ResyncClock:
    """Ask for the exchange's time before anything can go on."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Nothing more can be done here: stop the program with this error."""

    error: MmcoreError


Action: TypeAlias = Connect | Ping | Send | Drop | ResyncClock | Fail


class Backoff:
    """Growing delays with jitter: 100 ms, doubled up to 7 s, each times a random number between 0.5 and 1."""

    __slots__ = ("_next_ns", "_rng")

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._next_ns = _BACKOFF_FIRST_NS

    def delay_ns(self) -> int:
        """The next delay."""
        delay_ns = round(self._next_ns * self._rng.uniform(0.5, 1.0))
        self._next_ns = min(self._next_ns * 2, _BACKOFF_MAX_NS)
        return delay_ns

    def reset(self) -> None:
        """The trouble is over."""
        self._next_ns = _BACKOFF_FIRST_NS


class ConnectBudget:
    """At most 60 attempts in any 5 minutes (the exchange's limit is 300 for one address)."""

    __slots__ = ("_attempts",)

    def __init__(self) -> None:
        self._attempts: deque[int] = deque(maxlen=_ATTEMPTS_MAX)

    def allowed_from_ns(self) -> int:
        """The first moment another attempt is allowed; 0 = at once."""
        return self._attempts[0] + _ATTEMPTS_WINDOW_NS if len(self._attempts) == _ATTEMPTS_MAX else 0

    def spend(self, now_ns: int) -> None:
        """Counts an attempt."""
        assert now_ns >= self.allowed_from_ns(), "an attempt over the budget"
        self._attempts.append(now_ns)


class Link:
    """One connection and, while it is being replaced, the next one."""

    __slots__ = ("_attempt", "_backoff", "_budget", "_connecting_since_ns", "_headers", "_next_attempt_ns",
                 "_next_ping_ns", "_replace_at_ns", "_rng", "_seen_ns", "_up_since_ns", "_url")

    def __init__(self, url: str, rng: random.Random, headers: Headers = ()) -> None:
        """rng: seeded by the caller; only jitter is taken from it. headers: of the upgrade request."""
        self._url = url
        self._headers = headers
        self._rng = rng
        self._backoff = Backoff(rng)
        self._budget = ConnectBudget()
        self._attempt = 0
        self._connecting_since_ns: int | None = None
        self._up_since_ns: int | None = None
        self._next_attempt_ns = 0
        self._next_ping_ns = 0
        self._seen_ns = 0
        self._replace_at_ns = 0

    @property
    def up(self) -> bool:
        """Whether there is a connection to send and receive on."""
        return self._up_since_ns is not None

    def poll(self, now_ns: int) -> list[Action]:
        """What to do now. A `Drop` comes before the `Connect` that may follow it."""
        actions: list[Action] = []
        if self.up and now_ns - self._seen_ns >= _SILENCE_NS:
            self.on_dropped(now_ns)
            actions.append(Drop("no sign of life for 4 s"))
        if self._connecting_since_ns is not None and now_ns - self._connecting_since_ns >= _CONNECTING_MAX_NS:
            self.on_failed(self._attempt, now_ns)
        if now_ns >= self._connect_due_ns():
            actions.append(self._connect(now_ns))
        if self.up and now_ns >= self._next_ping_ns:
            self._next_ping_ns = now_ns + _PING_NS
            actions.append(Ping(now_ns.to_bytes(8, "little")))
        return actions

    def deadline_ns(self) -> int:
        """When `poll` has something to do even if nothing happens until then."""
        due_ns = self._connect_due_ns()
        if self._connecting_since_ns is not None:
            due_ns = min(due_ns, self._connecting_since_ns + _CONNECTING_MAX_NS)
        if self.up:
            due_ns = min(due_ns, self._next_ping_ns, self._seen_ns + _SILENCE_NS)
        return due_ns

    def _connect_due_ns(self) -> int:
        if self._connecting_since_ns is not None:
            return 2**63 - 1
        due_ns = max(self._next_attempt_ns, self._budget.allowed_from_ns())
        return max(due_ns, self._replace_at_ns) if self.up else due_ns

    def _connect(self, now_ns: int) -> Connect:
        self._budget.spend(now_ns)
        self._attempt += 1
        self._connecting_since_ns = now_ns
        return Connect(self._attempt, self._url, self._headers)

    def on_connected(self, attempt: int, now_ns: int) -> bool:
        """The attempt succeeded. True: the link is the new channel's from now on; close the one before it when nothing
        is needed of it any more. False: the attempt had been given up, so close the new channel."""
        if attempt != self._attempt or self._connecting_since_ns is None:
            return False
        self._connecting_since_ns = None
        self._up_since_ns = now_ns
        self._seen_ns = now_ns
        self._next_ping_ns = now_ns + _PING_NS
        self._replace_at_ns = now_ns + _LIFETIME_NS - self._rng.randrange(_LIFETIME_JITTER_NS)
        return True

    def on_failed(self, attempt: int, now_ns: int, wait_ns: int = 0) -> None:
        """The attempt failed. wait_ns: the wait the exchange asked for. An existing connection stays in use."""
        if attempt != self._attempt or self._connecting_since_ns is None:
            return
        self._connecting_since_ns = None
        self.hold(now_ns, max(self._backoff.delay_ns(), wait_ns))

    def on_seen(self, now_ns: int) -> None:
        """Bytes came in on the connection."""
        self._seen_ns = max(self._seen_ns, now_ns)

    def on_dropped(self, now_ns: int) -> None:
        """The connection is over, whoever ended it."""
        if self._up_since_ns is None:
            return
        if now_ns - self._up_since_ns >= _STABLE_NS:
            self._backoff.reset()
        self._up_since_ns = None
        self.hold(now_ns, self._backoff.delay_ns())

    def on_shutdown_notice(self, now_ns: int) -> None:
        """The exchange will close this connection soon: replace it now."""
        if self.up:
            self._replace_at_ns = now_ns

    def hold(self, now_ns: int, wait_ns: int) -> None:
        """No attempt for so long."""
        self._next_attempt_ns = max(self._next_attempt_ns, now_ns + wait_ns)
