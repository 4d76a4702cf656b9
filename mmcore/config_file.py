"""Reading a JSON file so that every value keeps its place in the file.

The standard decoder reads the scalars; objects and lists are walked here, because it gives no positions
for them and silently takes the last of duplicate keys. Nothing in here knows the settings.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from json import JSONDecodeError, JSONDecoder, dumps
from typing import Final

FILE_BYTES_MAX: Final = 256 * 1024
_DEPTH_MAX: Final = 8
_SHOWN_MAX: Final = 40
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)


class Form(enum.Enum):
    """How a value was written."""

    TEXT = "text"
    NUMBER = "number"
    BOOL = "bool"
    NULL = "null"
    CONSTANT = "constant"
    """NaN or an infinity, which other JSON readers let pass."""
    LIST = "list"
    OBJECT = "object"
    BARE = "bare"
    """A word of the command line or of the environment; it has no quotes to tell its type by."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value as written. `text` is a string's content or a scalar's own characters; lines and columns from 1."""

    form: Form
    text: str = ""
    members: tuple[Member, ...] = ()
    line: int = 0
    column: int = 0

    def shown(self) -> str:
        """The value for an error message: on one line, bounded, and never long enough to be a key or a signature."""
        if self.form is Form.LIST:
            return "a list"
        if self.form is Form.OBJECT:
            return "an object"
        if len(self.text) > _SHOWN_MAX:
            return f"a value of {len(self.text)} characters"
        plain = self.form not in (Form.TEXT, Form.BARE) or (
            self.form is Form.BARE and _NUMBER.fullmatch(self.text) is not None
        )
        return self.text if plain else dumps(self.text)


@dataclass(frozen=True, slots=True)
class Member:
    """One `"key": value` of an object; the position is the key's."""

    key: str
    value: Value
    line: int
    column: int


class _Number(str):
    """The characters of a number, told apart from a string's content by type."""


class _Constant(str):
    """NaN, Infinity or -Infinity."""


# No number ever passes through floating point.
_DECODER: Final = JSONDecoder(parse_float=_Number, parse_int=_Number, parse_constant=_Constant)


def parse(text: str) -> Value:
    """The value that `text` is, with positions. Raises json.JSONDecodeError (lineno, colno, msg) at the first place
    that is not JSON."""
    scanner = _Scanner(text)
    scanner.skip_blanks()
    value = scanner.value(depth=0)
    scanner.skip_blanks()
    if scanner.at != len(text):
        raise scanner.error("expected the end of the file")
    return value


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def error(self, message: str) -> JSONDecodeError:
        return JSONDecodeError(message, self.text, self.at)

    def place(self) -> tuple[int, int]:
        return self.text.count("\n", 0, self.at) + 1, self.at - self.text.rfind("\n", 0, self.at)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def skip_blanks(self) -> None:
        match = _BLANKS.match(self.text, self.at)
        assert match is not None  # it matches the empty string
        self.at = match.end()

    def value(self, depth: int) -> Value:
        if depth > _DEPTH_MAX:
            raise self.error("nested too deeply")
        first = self.peek()
        if first == "{":
            return self.object(depth)
        if first == "[":
            return self.list(depth)
        return self.scalar()

    def scalar(self) -> Value:
        line, column = self.place()
        if self.peek() == "":
            raise self.error("unexpected end of the file")
        decoded, end = _DECODER.raw_decode(self.text, self.at)
        written = self.text[self.at : end]
        self.at = end
        if isinstance(decoded, _Number):
            return Value(Form.NUMBER, written, (), line, column)
        if isinstance(decoded, _Constant):
            return Value(Form.CONSTANT, written, (), line, column)
        if isinstance(decoded, str):
            return Value(Form.TEXT, decoded, (), line, column)
        return Value(Form.NULL if decoded is None else Form.BOOL, written, (), line, column)

    def object(self, depth: int) -> Value:
        line, column = self.place()
        members: list[Member] = []
        self.at += 1
        self.skip_blanks()
        if self.peek() == "}":
            self.at += 1
            return Value(Form.OBJECT, "", (), line, column)
        while True:
            members.append(self.member(depth))
            if self.separator("}"):
                return Value(Form.OBJECT, "", tuple(members), line, column)

    def member(self, depth: int) -> Member:
        if self.peek() != '"':
            raise self.error("expected a key in double quotes")
        key = self.scalar()
        self.skip_blanks()
        if self.peek() != ":":
            raise self.error("expected ':' after the key")
        self.at += 1
        self.skip_blanks()
        return Member(key.text, self.value(depth + 1), key.line, key.column)

    def list(self, depth: int) -> Value:
        line, column = self.place()
        self.at += 1
        self.skip_blanks()
        if self.peek() == "]":
            self.at += 1
            return Value(Form.LIST, "", (), line, column)
        while True:
            self.value(depth + 1)  # no setting is a list: the elements are only read past
            if self.separator("]"):
                return Value(Form.LIST, "", (), line, column)

    def separator(self, closing: str) -> bool:
        """Reads past a comma (False) or past the closing bracket (True)."""
        self.skip_blanks()
        found = self.peek()
        if found not in (",", closing):
            raise self.error(f"expected ',' or '{closing}'")
        self.at += 1
        self.skip_blanks()
        return found == closing
