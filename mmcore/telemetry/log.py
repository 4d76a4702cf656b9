"""The log: text or JSON lines, written by a thread of its own, bounded in rate and size, and free of secrets.

A thread that logs does no more than build the record and hand it over: it never writes, and when the queue is full
the record is dropped and counted. What limits a call site's rate is the record's own time stamp, so that a storm of
one message costs ten lines a second and says how many it swallowed.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import json
import logging
import queue
import re
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from mmcore.credentials import Secret
from mmcore.errors import UsageError

QUEUE_RECORDS: Final = 8192
"""Records waiting for the writer; one more is dropped."""
SITE_RECORDS_PER_S: Final = 10
"""Most lines a second from one place in the code."""
MESSAGE_CHARACTERS: Final = 8192
"""A longer message or traceback is cut."""
_SITES_MAX: Final = 1024
_STOP_S: Final = 5.0
_NAME: Final = "mmcore"
# Takes what is logged after the end; without it Python would print that itself, unredacted.
_NOWHERE: Final = logging.NullHandler()


# ---- Redaction -----------------------------------------------------------------------------------------------

_MASK: Final = "[redacted]"
# Signatures change with every request, so they are known by their name, not by their value.
_NAMED: Final = re.compile(
    r"""((?:signature|x-mbx-apikey|api_?key|api_?secret|listenkey)["']?\s*[=:]\s*["']?)([^\s"'&,;}\])]+)""",
    re.IGNORECASE,
)
_SECRET_LINE_MIN: Final = 8


class Redactor:
    """Takes registered secrets, and values named like keys or signatures, out of any text. Safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, *secrets: Secret) -> None:
        """Registers secrets; of one with several lines (a PEM key) each line of 8 characters or more as well."""
        with self._lock:
            for value in filter(None, (secret.reveal() for secret in secrets)):
                self._secrets.update(line for line in value.splitlines() if len(line) >= _SECRET_LINE_MIN)
                self._secrets.update((value, json.dumps(value)[1:-1]))
            # The longest first: a part found before the whole would leave the rest of it standing.
            longest_first = sorted(self._secrets, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def apply(self, text: str) -> str:
        """`text` with every secret replaced by "[redacted]"."""
        pattern = self._pattern
        if pattern is not None:
            text = pattern.sub(_MASK, text)
        return _NAMED.sub(rf"\g<1>{_MASK}", text)


# ---- From the thread that logs to the queue -----------------------------------------------------------------


_Records = queue.Queue[logging.LogRecord | None]


@dataclass(slots=True)
class _Site:
    second: int
    admitted: int = 0
    suppressed: int = 0


class _SiteLimit:
    """Lets each place in the code through so many times a second. Called under the handler's lock."""

    def __init__(self) -> None:
        self._sites: dict[tuple[str, int], _Site] = {}
        self.forgotten = 0

    def admit(self, record: logging.LogRecord) -> int | None:
        """None: not this one. Else how many of this place were suppressed since the last one that was let through."""
        second = int(record.created)
        where = (record.pathname, record.lineno)
        site = self._sites.get(where)
        if site is None:
            if len(self._sites) >= _SITES_MAX:
                self.forgotten += self._sites.pop(next(iter(self._sites))).suppressed
            site = self._sites[where] = _Site(second)
        if site.second != second:  # also when the wall clock stepped back
            site.second, site.admitted = second, 0
        if site.admitted >= SITE_RECORDS_PER_S:
            site.suppressed += 1
            return None
        site.admitted += 1
        suppressed, site.suppressed = site.suppressed, 0
        return suppressed

    def take_suppressed(self) -> int:
        """How many were suppressed and not yet told, which are told herewith."""
        total, self.forgotten = self.forgotten, 0
        for site in self._sites.values():
            total, site.suppressed = total + site.suppressed, 0
        return total


class _HandOver(logging.Handler):
    """Puts records on the queue without ever waiting for room."""

    def __init__(self, records: _Records) -> None:
        super().__init__()
        self._records = records
        self._limit = _SiteLimit()
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        suppressed = self._limit.admit(record)
        if suppressed is None:
            return
        try:
            self._records.put_nowait(_detached(record, suppressed))
        except queue.Full:
            self.dropped += 1

    def take_suppressed(self) -> int:
        self.acquire()
        try:
            return self._limit.take_suppressed()
        finally:
            self.release()


def _detached(record: logging.LogRecord, suppressed: int) -> logging.LogRecord:
    """The record with its text made, so that it holds no object of the thread that logged."""
    made = copy.copy(record)
    try:
        made.msg = record.getMessage()
    except Exception as error:  # logging's own way would print the arguments, unredacted
        made.msg = f"log call that cannot be formatted at {record.pathname}:{record.lineno}: {type(error).__name__}"
    if suppressed:
        made.msg += f" ({suppressed} more like this were suppressed)"
    if record.exc_info:
        made.exc_text = "".join(traceback.format_exception(*record.exc_info))
    elif record.stack_info:
        made.exc_text = record.stack_info
    made.args, made.exc_info, made.stack_info = None, None, None
    return made


# ---- From the queue to the file -----------------------------------------------------------------------------


def escape_controls(text: str) -> str:
    """`text` on one line: control characters, line separators and lone surrogates as escapes, so that nothing the
    exchange or a user sends can forge a line of the log or move a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class _Lines(logging.Formatter):
    """What all formats share: time, cutting, redaction, escaping; in this order, as no secret may be cut in two."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def clean(self, text: str) -> str:
        text = self._redactor.apply(text)
        if len(text) > MESSAGE_CHARACTERS:
            text = f"{text[:MESSAGE_CHARACTERS]}... ({len(text) - MESSAGE_CHARACTERS} characters cut)"
        return text

    def stamp(self, record: logging.LogRecord) -> str:
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


class _TextLines(_Lines):
    """`2026-01-31T12:00:00.123Z WARNING mmcore.host.feed: message`; a traceback's lines start with a bar."""

    def format(self, record: logging.LogRecord) -> str:
        message = escape_controls(self.clean(str(record.msg)))
        line = f"{self.stamp(record)} {record.levelname:<7} {escape_controls(record.name)}: {message}"
        if not record.exc_text:
            return line
        inner = self.clean(record.exc_text).splitlines()
        return "\n".join([line, *(f"    | {escape_controls(part)}" for part in inner)])


class _JsonLines(_Lines):
    """One object a line: time, level, logger, thread, message, and exception if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": self.stamp(record),
            "level": record.levelname,
            "logger": record.name,
            "thread": record.threadName,
            "message": self.clean(str(record.msg)),
        }
        if record.exc_text:
            fields["exception"] = self.clean(record.exc_text)
        return json.dumps(fields)


class _Sink(logging.StreamHandler[IO[str]]):
    """Writes lines; a write that fails (disk full, pipe closed) is counted, as there is nowhere left to say it. On a
    terminal a line takes the place of the status line, which comes back below it."""

    failed = 0

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return f"\r\x1b[2K{line}" if self.stream.isatty() else line

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        self.failed += 1


class _Writer(threading.Thread):
    """The thread that writes. Before each record it says how many were dropped since the last. None ends it."""

    def __init__(self, records: _Records, hand_over: _HandOver, sink: logging.Handler) -> None:
        super().__init__(name="log", daemon=True)
        self._records = records
        self._hand_over = hand_over
        self._sink = sink
        self._dropped_told = 0

    def run(self) -> None:
        while (record := self._records.get()) is not None:
            self._tell_dropped()
            self._sink.handle(record)
        self._tell_dropped()
        suppressed = self._hand_over.take_suppressed()
        if suppressed:
            self._say(f"{suppressed} more log records were suppressed: over {SITE_RECORDS_PER_S} a second from a place")

    def _tell_dropped(self) -> None:
        dropped = self._hand_over.dropped
        if dropped > self._dropped_told:
            self._say(f"{dropped - self._dropped_told} log records were dropped: the queue was full")
            self._dropped_told = dropped

    def _say(self, message: str) -> None:
        self._sink.handle(logging.LogRecord(__name__, logging.WARNING, __file__, 0, message, None, None))


class Log:
    """The running log, one at a time. `stop` writes what is waiting, then what was dropped and suppressed."""

    def __init__(self, level: str, json_lines: bool, file: Path | None, redactor: Redactor) -> None:
        """level: DEBUG, INFO, WARNING or ERROR, for mmcore's own messages; other libraries' from WARNING on.
        file: appended to; None: standard error. Raises UsageError if the file cannot be opened."""
        self._file = _open(file)
        self._sink = sink = _Sink(self._file or sys.stderr)
        sink.setFormatter((_JsonLines if json_lines else _TextLines)(redactor))
        self._records: _Records = queue.Queue(QUEUE_RECORDS)
        self._hand_over = _HandOver(self._records)
        self._writer = _Writer(self._records, self._hand_over, sink)
        root, own = logging.getLogger(), logging.getLogger(_NAME)
        self._before = (root.level, own.level, threading.excepthook)
        root.addHandler(self._hand_over)
        root.removeHandler(_NOWHERE)
        root.setLevel(logging.WARNING)
        own.setLevel(level)
        threading.excepthook = _log_thread_death
        self._writer.start()

    @property
    def dropped(self) -> int:
        """Records lost because the queue was full."""
        return self._hand_over.dropped

    @property
    def failed(self) -> int:
        """Lines lost because they could not be written."""
        return self._sink.failed

    def stop(self) -> None:
        """Ends the log; returns after at most 10 s even if the output hangs. Later messages go nowhere."""
        root, own = logging.getLogger(), logging.getLogger(_NAME)
        root.addHandler(_NOWHERE)
        root.removeHandler(self._hand_over)
        root.setLevel(self._before[0])
        own.setLevel(self._before[1])
        threading.excepthook = self._before[2]
        with contextlib.suppress(queue.Full):  # then the output hangs, and there is nowhere left to say so
            self._records.put(None, timeout=_STOP_S)
        self._writer.join(_STOP_S)
        if self._file is not None and not self._writer.is_alive():
            with contextlib.suppress(OSError):  # what a full disk did not take is counted already
                self._file.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _log_thread_death(death: threading.ExceptHookArgs) -> None:
    """Takes the place of Python's own report, which would print a traceback without redaction."""
    name = death.thread.name if death.thread is not None else "unknown"
    error = death.exc_value or death.exc_type()
    logging.getLogger(_NAME).critical("thread %s died", name, exc_info=error)


def _open(file: Path | None) -> IO[str] | None:
    if file is None:
        return None
    try:
        return file.open("a", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"log.file {file}: {error.strerror}", "name a file in a directory that exists") from None
