"""What a person watching is shown, written by a thread of its own: a terminal that is held (Ctrl-S) or a pipe that
nobody reads stops that thread and nothing else. Whoever shows never waits; of what was not written yet only the newest
is kept."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Final

_LAST_S: Final = 2.0


class Screen(threading.Thread):
    """Writes to a descriptor. Any thread may show."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(name="screen", daemon=True)
        self._descriptor = descriptor
        self._news = threading.Condition()
        self._next = ""
        self._closing = False

    def run(self) -> None:
        while True:
            with self._news:
                while not self._next and not self._closing:
                    self._news.wait()
                text, self._next = self._next, ""
            if not text:
                return
            # Past Python's own buffers: their lock would be held for as long as the terminal is. That nobody is there
            # any more (a closed pipe) is no reason to stop.
            with contextlib.suppress(OSError):
                left = memoryview(text.encode("utf-8", "replace"))
                while left:
                    left = left[os.write(self._descriptor, left):]

    def show(self, text: str) -> None:
        """In place of what was not written yet."""
        with self._news:
            self._next = text
            self._news.notify()

    def close(self, last: str) -> None:
        """Writes `last` behind what is being written, and ends; waits 2 s for it at most."""
        with self._news:
            self._next += last
            self._closing = True
            self._news.notify()
        self.join(_LAST_S)
