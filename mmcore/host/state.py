"""What a bot keeps on this machine between runs: one directory for each account tag, symbol and exchange, locked while
the bot runs, with the epoch of its last run. An id of an order is never used twice, whatever the clocks say, as long as
either this directory or the exchange remembers the last run. Beside the directories, one file for each exchange: the
end of the last wait it asked for, which binds all bots of the machine."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from mmcore.errors import UsageError
from mmcore.exchange.binance.protocol import EPOCH_LIMIT, NS_PER_MS, ClockOffset, LimitState
from mmcore.host.clock import Clock

_log = logging.getLogger("mmcore.state")

_NUMBER_BYTES_MAX: Final = 20
_TIME_MS_LIMIT: Final = 10**14
_HINT: Final = "set host.state_dir to a directory that can be written"


def state_folder(configured: Path | None, rest_url: str, symbol: str, tag: str, environ: Mapping[str, str]) -> Path:
    """The bot's own directory below `configured`, or below the place the XDG rules name. Raises UsageError where there
    is no home directory."""
    return _home(configured, environ) / f"{_host(rest_url)}-{symbol}-{tag}"


def ban_file(configured: Path | None, rest_url: str, environ: Mapping[str, str]) -> Path:
    """Where all bots that use an exchange from this machine keep the end of its last ban: it shuts out addresses, not
    bots. Beside their directories; raises as `state_folder`."""
    return _home(configured, environ) / f"{_host(rest_url)}.banned_until"


def _home(configured: Path | None, environ: Mapping[str, str]) -> Path:
    try:
        return (configured or _default(environ)).expanduser()
    except RuntimeError:
        raise UsageError("there is no home directory to keep the state in", _HINT) from None


def _host(rest_url: str) -> str:
    return urlsplit(rest_url).netloc.replace(":", "_").replace("[", "").replace("]", "")


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
            holder = os.pread(self._lock, _NUMBER_BYTES_MAX, 0).decode("ascii", "replace").strip()
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
            return _number_in(self._folder / "epoch", EPOCH_LIMIT,
                              "the epoch of the last run is taken from the exchange")
        except OSError as error:
            raise self._unusable(error) from None

    def keep(self, epoch: int) -> None:
        """On the disk when this returns, through a loss of power too. Raises UsageError."""
        try:
            _keep_number(self._folder / "epoch", epoch)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> UsageError:
        return UsageError(f"state directory {self._folder}: {error.strerror or error}", _HINT)


def _number_in(file: Path, limit: int, without: str) -> int:
    """0 when there is none; what is no number below `limit` is told of. Raises OSError."""
    try:
        text = file.read_bytes()[:_NUMBER_BYTES_MAX].decode("ascii", "replace").strip()
    except FileNotFoundError:
        return 0
    if text.isdigit() and int(text) < limit:
        return int(text)
    _log.warning("%s is damaged: %s", file, without)
    return 0


def _keep_number(file: Path, number: int) -> None:
    """On the disk when this returns, the old one or the new one at any moment. Raises OSError."""
    temporary = file.with_name(f"{file.name}.tmp")
    try:
        with temporary.open("w", encoding="ascii") as opened:
            opened.write(f"{number}\n")
            opened.flush()
            os.fsync(opened.fileno())
        temporary.replace(file)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


class BanMemory:
    """Carries what the exchange asked for (a ban, or a wait after a 429) over a restart and to the other bots of this
    machine: who sends before its end makes it longer. The file holds UTC by the exchange's clock, which is read by what
    was measured of that clock, or by this machine's while nothing was. One thread at a time, any number of processes.
    """

    def __init__(self, file: Path, limits: LimitState, offset: ClockOffset, clock: Clock) -> None:
        """file: its directory exists."""
        self._file = file
        self._limits = limits
        self._offset = offset
        self._clock = clock
        self._known_ns = 0  # an end that stands in the file, or that the disk did not take
        self._read_at: tuple[int, int] | None = None
        self._failure = ""

    def share(self) -> None:
        """Takes what others have written since, and keeps what was learned here. Before the first request, and again
        and again: it costs one look at the file's date. A disk that does not take a ban is told of: it holds all the
        same."""
        try:
            self._take()
            if self._limits.banned_until_ns > self._known_ns:
                self._known_ns = self._limits.banned_until_ns
                self._keep((self._known_ns + self._utc_offset_ns()) // NS_PER_MS)
        except OSError as error:
            why = error.strerror or str(error)
            if why != self._failure:
                _log.warning("%s: %s: other bots and a restart may not know of a ban", self._file, why)
            self._failure = why

    def _utc_offset_ns(self) -> int:
        """What makes a local monotonic time UTC."""
        return self._offset.offset_ns if self._offset.known else self._clock.epoch_ns() - self._clock.mono_ns()

    def _take(self) -> None:
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return
        if (found.st_mtime_ns, found.st_ino) == self._read_at:
            return
        until_ms = _number_in(self._file, _TIME_MS_LIMIT, "a ban of an earlier run is not known")
        self._read_at = found.st_mtime_ns, found.st_ino
        now_ns = self._clock.mono_ns()
        until_ns = until_ms * NS_PER_MS - self._utc_offset_ns()
        if until_ns <= max(now_ns, self._limits.banned_until_ns):
            return
        self._known_ns = self._limits.hold(now_ns, until_ns - now_ns)
        _log.warning("the exchange has asked an earlier run or another bot of this machine to send nothing until %s: "
                     "so nothing is sent for %d s",
                     datetime.fromtimestamp(until_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
                     -(-(self._known_ns - now_ns) // 10**9))

    def _keep(self, until_ms: int) -> None:
        """Unless another bot has written a later end."""
        lock = os.open(self._file.with_name(f"{self._file.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if until_ms > _number_in(self._file, _TIME_MS_LIMIT, "it is written anew"):
                _keep_number(self._file, until_ms)
        finally:
            os.close(lock)
