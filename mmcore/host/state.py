"""What a bot keeps on this machine between runs: one directory for each account tag, symbol and exchange, locked while
the bot runs, with the epoch of its last run and the end of the last wait the exchange asked for. An id of an order is
never used twice, whatever the clocks say, as long as either this directory or the exchange remembers the last run."""

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

from mmcore.errors import MmcoreError, UsageError
from mmcore.exchange.binance.protocol import EPOCH_LIMIT, NS_PER_MS, ClockOffset, LimitState
from mmcore.host.clock import Clock

_log = logging.getLogger("mmcore.state")

_NUMBER_BYTES_MAX: Final = 20
_TIME_MS_LIMIT: Final = 10**14
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
        return self._number("epoch", EPOCH_LIMIT, "the epoch of the last run is taken from the exchange")

    def keep(self, epoch: int) -> None:
        """On the disk when this returns, through a loss of power too. Raises UsageError."""
        self._keep_number("epoch", epoch)

    def banned_until_ms(self) -> int:
        """Until when, in ms since the epoch, the exchange had asked an earlier run to send nothing; 0 = never."""
        return self._number("banned_until", _TIME_MS_LIMIT, "a ban of an earlier run is not known")

    def keep_ban(self, until_ms: int) -> None:
        """As `keep`."""
        self._keep_number("banned_until", until_ms)

    def _number(self, name: str, limit: int, without: str) -> int:
        file = self._folder / name
        try:
            text = file.read_bytes()[:_NUMBER_BYTES_MAX].decode("ascii", "replace").strip()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._unusable(error) from None
        if text.isdigit() and int(text) < limit:
            return int(text)
        _log.warning("%s is damaged: %s", file, without)
        return 0

    def _keep_number(self, name: str, number: int) -> None:
        temporary = self._folder / f"{name}.tmp"
        try:
            with temporary.open("w", encoding="ascii") as file:
                file.write(f"{number}\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._folder / name)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> UsageError:
        return UsageError(f"state directory {self._folder}: {error.strerror or error}", _HINT)


class BanMemory:
    """Carries what the exchange asked for (a ban, or a wait after a 429) over a restart: who sends before its end makes
    it longer. Kept as UTC by the exchange's clock, or by this machine's while that is not known. One thread at a time.
    """

    def __init__(self, state: RunState, limits: LimitState, offset: ClockOffset, clock: Clock) -> None:
        self._state = state
        self._limits = limits
        self._offset = offset
        self._clock = clock
        self._kept_ns = 0

    def recall(self) -> None:
        """Before the first request: nothing is sent until an earlier run's ban is over."""
        until_ms = self._state.banned_until_ms()
        now_ns = self._clock.mono_ns()
        wait_ns = until_ms * NS_PER_MS - self._clock.epoch_ns()
        if wait_ns > 0:
            self._kept_ns = self._limits.hold(now_ns, wait_ns)
            _log.warning("the exchange has asked an earlier run to send nothing until %s: so nothing is sent for %d s",
                         datetime.fromtimestamp(until_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
                         -(-(self._kept_ns - now_ns) // 10**9))

    def keep(self) -> None:
        """What was learned since. A disk that does not take it is told of: the ban holds all the same."""
        until_ns = self._limits.banned_until_ns
        if until_ns <= self._kept_ns:
            return
        self._kept_ns = until_ns
        offset_ns = (self._offset.offset_ns if self._offset.known else self._clock.epoch_ns() - self._clock.mono_ns())
        try:
            self._state.keep_ban((until_ns + offset_ns) // NS_PER_MS)
        except MmcoreError as error:
            _log.warning("a restart will not know of the ban: %s", error)
