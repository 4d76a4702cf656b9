"""The log writer: drains the engine's inputs and actions to a file, off the hot threads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mmcore.core.engine import EngineConfig
from mmcore.core.loop import Loop
from mmcore.errors import UsageError
from mmcore.host.clock import Clock
from mmcore.host.worker import HostThread

_IDLE_S: Final = 0.005


def check_recordable(path: Path) -> None:
    """Raises UsageError if a log could not be written to `path`; leaves it as it was.

    For the start of a run, before the exchange is asked anything."""
    made = not path.exists()
    try:
        with path.open("ab"):
            pass
        if made:
            path.unlink()
    except OSError as error:
        raise _refused(path, error) from None


def _refused(path: Path, error: OSError) -> UsageError:
    return UsageError(f"--record {path}: {error.strerror or error}", "name a file that can be written")


class Recorder(HostThread):
    """Writes until stopped, then what is left. The engine kills itself when this cannot keep up."""

    def __init__(self, loop: Loop, config: EngineConfig, path: Path, clock: Clock) -> None:
        """Raises UsageError when the file cannot be made."""
        from mmcore.core.log import ActionsDigest, header  # and NumPy with it, which other runs do without

        super().__init__("recorder")
        self._loop = loop
        self._clock = clock
        self._digest = ActionsDigest()
        try:
            self._file = path.open("wb")
            self._file.write(header(config))
        except OSError as error:
            raise _refused(path, error) from None

    def wake(self) -> None:
        """It looks every 5 ms anyway."""

    def step(self) -> None:
        if not self._write():
            self._clock.sleep(_IDLE_S)

    def _write(self) -> bool:
        records = self._loop.drain_log()
        if not len(records):
            return False
        self._digest.add(records)
        self._file.write(records.tobytes())
        return True

    def end(self) -> None:
        while self._write():
            pass
        self._file.close()

    def actions_digest(self) -> str:
        """Of everything written. After the end."""
        return self._digest.hexdigest()
