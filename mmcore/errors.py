"""Every error mmcore raises at a boundary, and the exit codes of the program.

    MmcoreError                      exit code
    ├── UsageError                   2  the command line asks for something that cannot be done
    ├── ConfigError                  2  settings are wrong; carries all faults found, not only the first
    ├── CredentialsError             4  credentials are missing or cannot be read
    ├── ClockError                   4  this host's clock is too far from the exchange's
    ├── UnreachableError             3  the exchange did not answer in time
    ├── ExchangeError(code, msg)     1  the exchange refused; 4 when it refused the credentials or the clock
    ├── StrategyError                2  the strategy that was asked for cannot be loaded
    └── CoreError(status, what)      1  the C library returned a status below zero

A programmer's mistake is none of these (it is an assertion), nor is expected absence (a bool) or a
verdict of the risk manager (a set of bits).
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class ExitCode(enum.IntEnum):
    """What the process tells its caller. Of several causes the highest number is told (6 > 5 > 4 > 3 > 1)."""

    DONE = 0
    """Finished; every own order is confirmed gone."""
    INTERNAL = 1
    """An internal error."""
    USAGE = 2
    """Wrong usage or configuration; nothing was started."""
    UNREACHABLE = 3
    """The exchange cannot be reached."""
    CREDENTIALS = 4
    """Credentials missing or refused, or the clock is off."""
    RISK = 5
    """Stopped by a risk limit or the kill switch."""
    ORDERS_LEFT = 6
    """Own orders could not be confirmed gone."""

    @property
    def meaning(self) -> str:
        """One line for help and documentation."""
        return _MEANINGS[self]

    @staticmethod
    def worst(codes: Iterable[ExitCode]) -> ExitCode:
        """The code that takes precedence among `codes`; DONE if there are none."""
        return max(codes, default=ExitCode.DONE)


_MEANINGS = {
    ExitCode.DONE: "done, all own orders confirmed gone",
    ExitCode.INTERNAL: "internal error",
    ExitCode.USAGE: "usage or configuration error, nothing was started",
    ExitCode.UNREACHABLE: "exchange unreachable",
    ExitCode.CREDENTIALS: "credentials missing or refused, or the clock is off",
    ExitCode.RISK: "stopped by a risk limit or the kill switch",
    ExitCode.ORDERS_LEFT: "own orders NOT confirmed gone: look at the exchange",
}

# Answers of the exchange that mean "not with these credentials" or "not at this time of day".
_CREDENTIAL_CODES = frozenset({-1002, -1021, -1022, -2014, -2015})


class MmcoreError(Exception):
    """Root of the tree. `exit_code` is what the program ends with if nothing handles the error."""

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.INTERNAL


class UsageError(MmcoreError):
    """The command line asks for something that cannot be done.

    message: one line saying what is wrong. hint: what to do instead, shown on lines of its own.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the settings.

    what: the key, option or variable it concerns; "" if the file as a whole.
    message: what is wrong, with value, unit, range and default. Never a secret's value.
    file: where it was read; "" if not from a file. line, column: from 1; 0 if the file as a whole.
    """

    what: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return ": ".join(part for part in (place, self.what, self.message) if part)


class ConfigError(MmcoreError):
    """Settings are wrong. `faults` has all of them, those of a file first and in its order; the text is one line each.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        if not faults:
            raise ValueError("a ConfigError needs at least one fault")
        self.faults = tuple(sorted(faults, key=lambda fault: (not fault.file, fault.line, fault.column)))
        super().__init__("\n".join(str(fault) for fault in self.faults))

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.USAGE


class CredentialsError(MmcoreError):
    """Credentials are missing or cannot be read. The text names variables, paths and modes, never values."""

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.CREDENTIALS


class ClockError(MmcoreError):
    """This host's clock is too far from the exchange's for a signed request to be accepted."""

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.CREDENTIALS


class UnreachableError(MmcoreError):
    """The exchange did not answer in time, or refused the connection."""

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.UNREACHABLE


class ExchangeError(MmcoreError):
    """The exchange answered with an error. code: its number (negative); msg: its own words."""

    def __init__(self, code: int, msg: str) -> None:
        super().__init__(code, msg)
        self.code = code
        self.msg = msg

    def __str__(self) -> str:
        return f"the exchange refused: {self.msg} (code {self.code})"

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.CREDENTIALS if self.code in _CREDENTIAL_CODES else ExitCode.INTERNAL


class StrategyError(MmcoreError):
    """The strategy that was asked for cannot be loaded. (One that fails while it runs is no error of the program but a
    reason not to quote.)"""

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.USAGE


class CoreError(MmcoreError):
    """A call into the C library failed. status: the mm_status it returned (< 0); what: the call and its meaning."""

    def __init__(self, status: int, what: str) -> None:
        if status >= 0:
            raise ValueError(f"status {status} is not a failure")
        super().__init__(status, what)
        self.status = status
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} (status {self.status})"


def did_you_mean(word: str, words: Sequence[str]) -> str:
    """The end of a message about an unknown word: `: did you mean "x"?`, or nothing if none of `words` is near."""
    near = difflib.get_close_matches(word[:_WORD_MAX], words, 1)
    return f': did you mean "{near[0]}"?' if near else ""


# Longer words than any of ours; bounds the search.
_WORD_MAX = 60
