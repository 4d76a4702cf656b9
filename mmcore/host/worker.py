"""What all threads of the host have in common: a step that is repeated until the end, and a death that is noticed."""

from __future__ import annotations

import abc
import logging
import threading

_log = logging.getLogger("mmcore.host")


class HostThread(threading.Thread, abc.ABC):
    """Does `begin`, repeats `step` until `stop`, then `end`. An exception ends it; `died` then holds what happened."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._stop_asked = threading.Event()
        self.died: BaseException | None = None

    @property
    def stopping(self) -> bool:
        """Whether the end was asked for."""
        return self._stop_asked.is_set()

    def run(self) -> None:
        try:
            self.begin()
            while not self.stopping:
                self.step()
        except BaseException as error:
            self.died = error
            _log.critical("thread %s died", self.name, exc_info=error)
        finally:
            self.end()

    def stop(self) -> None:
        """Asks for the end and wakes the thread. Any thread."""
        self._stop_asked.set()
        self.wake()

    @abc.abstractmethod
    def wake(self) -> None:
        """Ends a wait early. Any thread."""

    @abc.abstractmethod
    def step(self) -> None:
        """One round: wait for something, do it."""

    def begin(self) -> None:
        """What only the thread itself can do, before its first round."""

    def end(self) -> None:
        """Gives back what the thread holds."""


class PartThread(HostThread):
    """A thread whose rounds can be done without its waiting: by whoever has a clock, in real or in simulated time."""

    @abc.abstractmethod
    def serve(self) -> None:
        """Does all there is to do now. Only the REST worker waits in it, for the exchange."""

    @abc.abstractmethod
    def deadline_ns(self) -> int:
        """When `serve` is due by the local monotonic clock though nothing comes in; <= now: at once."""
