"""Connections are opened off the hot threads and handed over when they stand."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from mmcore.exchange.binance.link import Connect
from mmcore.exchange.channel import Channel, open_channel


class Connector:
    """Opens channels for one owner: it asks with `start`, is woken, and takes the result with `take`."""

    def __init__(self, name: str, now_ns: Callable[[], int], wake: Callable[[], None]) -> None:
        """wake: called from the connecting thread when there is a result."""
        self._now_ns = now_ns
        self._wake = wake
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._results: deque[tuple[int, Channel | Exception]] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def start(self, request: Connect) -> None:
        """Begins an attempt; its result comes out of `take`."""
        self._pool.submit(self._open, request)

    def _open(self, request: Connect) -> None:
        result: Channel | Exception
        try:
            result = open_channel(request.url, now_ns=self._now_ns)
        except Exception as error:
            result = error
        with self._lock:
            late = self._closed
            if not late:
                self._results.append((request.attempt, result))
        if late and isinstance(result, Channel):
            result.close()
        self._wake()

    def take(self) -> tuple[int, Channel | Exception] | None:
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
            if isinstance(result, Channel):
                result.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
