"""What a bot keeps on this machine between runs: one directory for each account tag, symbol and exchange, locked while
the bot runs, with the epoch of its last run. An id of an order is never used twice, whatever the clocks say, as long as
either this directory or the exchange remembers the last run."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from mmcore.errors import UsageError
from mmcore.exchange.binance.protocol import EPOCH_LIMIT

_log = logging.getLogger("mmcore.state")

_EPOCH_BYTES_MAX: Final = 20
_HINT: Final = "set host.state_dir to a directory that can be written"


def state_folder(configured: Path | None, rest_url: str, symbol: str, tag: str, environ: Mapping[str, str]) -> Path:
    """The bot's own directory below `configured`, or below the place the XDG rules name. Raises UsageError where there
    is no home directory."""
    try:
        home = (configured or _default(environ)).expanduser()
    except RuntimeError:
        raise UsageError("there is no home directory to keep the state in", _HINT) from None
    host = urlsplit(rest_url).netloc.replace(":", "_").replace("[", "").replace("]", "")
    return home / f"{host}-{symbol}-{tag}"


def _default(environ: Mapping[str, str]) -> Path:
    named = Path(environ.get("XDG_STATE_HOME", ""))
    return (named if named.is_absolute() else Path("~/.local/state")) / "mmcore"


class RunState:
    """The directory of one bot, locked until `close`. One thread."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError when it cannot be written, or when another process holds it."""
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(self._lock, _EPOCH_BYTES_MAX, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise UsageError(f"another bot with this account.tag, symbol and exchange runs on this machine "
                             f"(process {holder or 'unknown'})",
                             "stop it, or give this one its own account.tag") from None
        except OSError as error:
            os.close(self._lock)
            raise self._unusable(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Gives the directory up. Idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def epoch(self) -> int:
        """The epoch of the last run; 0 when none is known. A file that cannot be read is told of and passed over: what
        the exchange remembers is asked for as well."""
        try:
            text = self._file.read_bytes()[:_EPOCH_BYTES_MAX].decode("ascii", "replace").strip()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._unusable(error) from None
        if text.isdigit() and int(text) < EPOCH_LIMIT:
            return int(text)
        _log.warning("%s is damaged: the epoch of the last run is taken from the exchange", self._file)
        return 0

    def keep(self, epoch: int) -> None:
        """On the disk when this returns, through a loss of power too. Raises UsageError."""
        temporary = self._folder / "epoch.tmp"
        try:
            with temporary.open("w", encoding="ascii") as file:
                file.write(f"{epoch}\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._file)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise self._unusable(error) from None

    @property
    def _file(self) -> Path:
        return self._folder / "epoch"

    def _unusable(self, error: OSError) -> UsageError:
        return UsageError(f"state directory {self._folder}: {error.strerror or error}", _HINT)
