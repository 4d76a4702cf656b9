"""Connections are opened off the hot threads and handed over when they stand."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeAlias

from mmcore.exchange.binance.link import Connect
from mmcore.exchange.channel import Wire, open_channel


class Connector(Protocol):
    """Opens connections for one owner: it asks with `start`, is woken, and takes the result with `take`."""

    @property
    def waiting(self) -> bool:
        """Whether `take` has something."""

    def start(self, request: Connect) -> None:
        """Begins an attempt; its result comes out of `take`."""

    def take(self) -> tuple[int, Wire | Exception] | None:
        """The next finished attempt."""

    def close(self) -> None:
        """No more attempts; what they still bring is closed."""


Connectors: TypeAlias = Callable[[str, Callable[[], None]], Connector]
"""Makes a connector from its name and what it calls, from any thread, when there is a result."""


class ThreadConnector:
    """A `Connector` over sockets, with a thread that waits for them."""

    def __init__(self, name: str, now_ns: Callable[[], int], wake: Callable[[], None]) -> None:
        """wake: called from the connecting thread when there is a result."""
        self._now_ns = now_ns
        self._wake = wake
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._results: deque[tuple[int, Wire | Exception]] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def start(self, request: Connect) -> None:
        """Begins an attempt; its result comes out of `take`."""
        self._pool.submit(self._open, request)

    def _open(self, request: Connect) -> None:
        result: Wire | Exception
        try:
            result = open_channel(request.url, now_ns=self._now_ns, headers=request.headers)
        except Exception as error:
            result = error
        with self._lock:
            late = self._closed
            if not late:
                self._results.append((request.attempt, result))
        if late and not isinstance(result, Exception):
            result.close()
        self._wake()

    def take(self) -> tuple[int, Wire | Exception] | None:
        """The next finished attempt."""
        with self._lock:
            return self._results.popleft() if self._results else None

    @property
    def waiting(self) -> bool:
        """Whether `take` has something."""
        return bool(self._results)

    def close(self) -> None:
        """No more attempts; one under way ends by itself and its connection is closed."""
        with self._lock:
            self._closed = True
            left = [result for _, result in self._results]
            self._results.clear()
        for result in left:
            if not isinstance(result, Exception):
                result.close()
        self._pool.shutdown(wait=False, cancel_futures=True)


def over_sockets(now_ns: Callable[[], int]) -> Connectors:
    """Connectors with threads of their own. now_ns: the local monotonic clock."""

    def make(name: str, wake: Callable[[], None]) -> Connector:
        return ThreadConnector(name, now_ns, wake)

    return make
