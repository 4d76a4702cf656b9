"""Kinds of settings: how a value is read from text, what it may be, and how it is shown.

A kind knows neither a setting's name nor where a value came from. `read` raises ValueError with the part of the
message that follows the value: "is out of range".
"""

from __future__ import annotations

import enum
import json
import math
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from mmcore.addresses import is_loopback
from mmcore.config_file import Form
from mmcore.errors import did_you_mean
from mmcore.units import format_e8, parse_e8


def show_real(value: float) -> str:
    """The shortest text that reads back as the same number; no ".0" after a whole one."""
    return repr(float(value)).removesuffix(".0")


class Kind(Protocol):
    """What values a setting takes."""

    @property
    def forms(self) -> frozenset[Form]:
        """How the value may be written in a file."""

    @property
    def noun(self) -> str:
        """What a value is, for "... is not <noun>"."""

    @property
    def range(self) -> str:
        """The allowed values in one phrase."""

    def read(self, text: str) -> object:
        """The value of `text`. Raises ValueError with what is wrong, to be put after the value."""

    def show(self, value: Any) -> str:
        """The value as JSON text."""


_IS_NUMBER: Final = frozenset({Form.NUMBER})
_IS_TEXT: Final = frozenset({Form.TEXT})
_NUMBER_TEXT_MAX: Final = 64


def _number(text: str, noun: str, pattern: re.Pattern[str]) -> str:
    if len(text) > _NUMBER_TEXT_MAX or pattern.fullmatch(text) is None:
        raise ValueError(f"is not {noun}")
    return text


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int
    high: int
    forms: frozenset[Form] = _IS_NUMBER
    noun: str = "a whole number"

    @property
    def range(self) -> str:
        return f"{self.low} <= x <= {self.high}"

    def read(self, text: str) -> int:
        value = int(_number(text, self.noun, re.compile(r"-?[0-9]+", re.ASCII)))
        if not self.low <= value <= self.high:
            raise ValueError("is out of range")
        return value

    def show(self, value: int) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Real:
    """A floating-point number: a ratio, a weight, a time; never money. `above` excludes `low` itself."""

    low: float
    high: float
    above: bool = False
    forms: frozenset[Form] = _IS_NUMBER
    noun: str = "a number"

    @property
    def range(self) -> str:
        return f"{show_real(self.low)} {'<' if self.above else '<='} x <= {show_real(self.high)}"

    def read(self, text: str) -> float:
        value = float(_number(text, self.noun, re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)))
        if not math.isfinite(value) or not self.low <= value <= self.high or (self.above and value == self.low):
            raise ValueError("is out of range")
        return value

    def show(self, value: float) -> str:
        return show_real(value)


@dataclass(frozen=True, slots=True)
class Exact:
    """An exact decimal, held as an int counting 1e-8. In a file it is a number, or text as exchanges write it."""

    high: str
    above_zero: bool = True
    forms: frozenset[Form] = frozenset({Form.NUMBER, Form.TEXT})
    noun: str = "a decimal number"

    @property
    def range(self) -> str:
        return f"0 {'<' if self.above_zero else '<='} x <= {self.high}"

    def read(self, text: str) -> int:
        value_e8 = parse_e8(text)
        if value_e8 < 0 or value_e8 > parse_e8(self.high) or (self.above_zero and value_e8 == 0):
            raise ValueError("is out of range")
        return value_e8

    def show(self, value: int) -> str:
        return format_e8(value)


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no."""

    forms: frozenset[Form] = frozenset({Form.BOOL})
    noun: str = "true or false"
    range: str = "true or false"

    def read(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise ValueError(f"is not {self.noun}")
        return text == "true"

    def show(self, value: bool) -> str:
        return "true" if value else "false"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words. `fold` makes upper or lower case of what is given before it is compared."""

    words: type[enum.StrEnum]
    fold: Callable[[str], str] = str.lower
    forms: frozenset[Form] = _IS_TEXT
    noun: str = "text"

    @property
    def range(self) -> str:
        return "one of " + ", ".join(self.words)

    def read(self, text: str) -> enum.StrEnum:
        try:
            return self.words(self.fold(text))
        except ValueError:
            raise ValueError("is not allowed" + did_you_mean(self.fold(text), list(self.words))) from None

    def show(self, value: enum.StrEnum) -> str:
        return json.dumps(str(value))


@dataclass(frozen=True, slots=True)
class WholeChoice:
    """One of a few whole numbers."""

    numbers: tuple[int, ...]
    forms: frozenset[Form] = _IS_NUMBER
    noun: str = "a whole number"

    @property
    def range(self) -> str:
        return "one of " + ", ".join(str(number) for number in self.numbers)

    def read(self, text: str) -> int:
        if text not in {str(number) for number in self.numbers}:
            raise ValueError("is not allowed")
        return int(text)

    def show(self, value: int) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Word:
    """Text of a fixed pattern."""

    pattern: str
    range: str
    fold: Callable[[str], str] = str
    forms: frozenset[Form] = _IS_TEXT
    noun: str = "text"

    def read(self, text: str) -> str:
        folded = self.fold(text)
        if re.fullmatch(self.pattern, folded, re.ASCII) is None:
            raise ValueError("is not allowed")
        return folded

    def show(self, value: str) -> str:
        return json.dumps(value)


@dataclass(frozen=True, slots=True)
class FilePath:
    """A file's path, relative to the working directory."""

    range: str = "a path"
    forms: frozenset[Form] = _IS_TEXT
    noun: str = "text"

    def read(self, text: str) -> Path:
        if not text or not text.isprintable():
            raise ValueError("is not a path")
        return Path(text)

    def show(self, value: Path) -> str:
        return json.dumps(str(value))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The base address of an exchange: scheme, host and port. Plain http only to this machine itself."""

    range: str = "https://HOST[:PORT], or http://HOST[:PORT] with a loopback host"
    forms: frozenset[Form] = _IS_TEXT
    noun: str = "text"

    def read(self, text: str) -> str:
        try:
            url = urllib.parse.urlsplit(text)
            port = url.port
        except ValueError:
            raise ValueError("is not an address") from None
        host = url.hostname or ""
        bare = not (url.path.strip("/") or url.query or url.fragment or "@" in url.netloc)
        if url.scheme not in ("http", "https") or not host or not bare or port == 0 or not text.isprintable():
            raise ValueError("is not an address")
        if url.scheme == "http" and not is_loopback(host):
            raise ValueError("sends orders unencrypted to another machine")
        return text.rstrip("/")

    def show(self, value: str) -> str:
        return json.dumps(value)


@dataclass(frozen=True, slots=True)
class StrategyName:
    """A built-in strategy, or where a Python one is found."""

    builtin: tuple[str, ...]
    forms: frozenset[Form] = _IS_TEXT
    noun: str = "text"

    @property
    def range(self) -> str:
        return ", ".join(self.builtin) + ", FILE.py:Class or MODULE:Class"

    def read(self, text: str) -> str:
        if text in self.builtin:
            return text
        place, _, name = text.rpartition(":")
        is_file = place.endswith(".py") and place.isprintable()
        if name.isidentifier() and (is_file or all(part.isidentifier() for part in place.split("."))):
            return text
        raise ValueError("is not a strategy" + did_you_mean(text, self.builtin))

    def show(self, value: str) -> str:
        return json.dumps(value)
