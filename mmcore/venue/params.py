"""Request parameters: what was sent, as text, and how each is read or refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import unquote_plus

from mmcore.venue.decimals import DECIMAL_PATTERN, DecimalError, parse_e8
from mmcore.venue.errors import VenueError, illegal_characters, mandatory

CLIENT_ID_PATTERN = "^[a-zA-Z0-9-_]{1,36}$"
_INTEGER_PATTERN = "^[0-9]{1,20}$"
_RECV_WINDOW_PATTERN = r"^([0-9]{1,10})(\.[0-9]{1,3})?$"
_CLIENT_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}", re.ASCII)
_INTEGER = re.compile(r"[0-9]{1,20}", re.ASCII)
_RECV_WINDOW = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,3}))?", re.ASCII)
_RECV_WINDOW_DEFAULT_US = 5_000_000
_RECV_WINDOW_MAX_US = 60_000_000


class Params:
    """The parameters of one request by name. A value is the sender's text, for a number its literal token."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def require(self, required: Iterable[str], optional: Iterable[str]) -> None:
        """-1104 for names that are not known here, -1102 for required ones missing or empty, -1105 for empty others."""
        known = {*required, *optional}
        read = sum(name in known for name in self._values)
        if read != len(self._values):
            raise VenueError(
                -1104,
                f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(self._values)}'.",
            )
        for name in required:
            if not self._values.get(name):
                raise mandatory(name)
        for name, value in self._values.items():
            if value == "":
                raise VenueError(-1105, f"Parameter '{name}' was empty.")

    def text(self, name: str) -> str | None:
        """The raw text, None if it was not sent."""
        return self._values.get(name)

    def integer(self, name: str) -> int | None:
        """An unsigned integer; -1100 for other text."""
        value = self._values.get(name)
        if value is None:
            return None
        if _INTEGER.fullmatch(value) is None:
            raise illegal_characters(name, _INTEGER_PATTERN)
        return int(value)

    def limit(self, default: int, highest: int) -> int:
        """The `limit` parameter, 1..highest; -1102 above, -1100 for 0."""
        value = self.integer("limit")
        if value is None:
            return default
        if value > highest:
            raise VenueError(-1102, f"'limit' contains unexpected value. Cannot be greater than '{highest}'.")
        if value == 0:
            raise illegal_characters("limit", _INTEGER_PATTERN)
        return value

    def decimal_e8(self, name: str) -> int:
        """A required decimal as a count of 1e-8; -1102 if missing, -1100, -1111 or -1108 if it is not exact."""
        value = self._values.get(name)
        if value is None:
            raise mandatory(name)
        try:
            return parse_e8(value)
        except DecimalError as error:
            if error.reason == "precision":
                raise VenueError(-1111, f"Parameter '{name}' has too much precision.") from None
            if error.reason == "overflow":
                raise VenueError(-1108, f"Parameter '{name}' overflowed.") from None
            raise illegal_characters(name, DECIMAL_PATTERN) from None

    def flag(self, name: str, default: bool) -> bool:
        """true or false in any case; -1130 for other text."""
        value = self._values.get(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")
        return value.lower() == "true"

    def client_id(self, name: str) -> str | None:
        """A client order id; -1100 if it has other characters or length."""
        value = self._values.get(name)
        if value is not None and _CLIENT_ID.fullmatch(value) is None:
            raise illegal_characters(name, CLIENT_ID_PATTERN)
        return value

    def timestamp_us(self, name: str) -> int | None:
        """A time in milliseconds or microseconds (told apart by size), in microseconds."""
        value = self.integer(name)
        if value is None:
            return None
        return value if value >= 100_000_000_000_000 else value * 1000

    def recv_window_us(self) -> int:
        """How old the request may be: 5000 ms unless sent, up to 60000 ms with three decimals."""
        value = self._values.get("recvWindow")
        if value is None:
            return _RECV_WINDOW_DEFAULT_US
        match = _RECV_WINDOW.fullmatch(value)
        if match is None:
            raise illegal_characters("recvWindow", _RECV_WINDOW_PATTERN)
        window_us = int(match[1]) * 1000 + int((match[2] or "").ljust(3, "0"))
        if window_us > _RECV_WINDOW_MAX_US:
            raise VenueError(-1131, "recvWindow must be less than 60000.")
        return window_us


def parse_encoded(raw_query: str, raw_body: str) -> dict[str, str]:
    """Names and values of a REST request. The query wins over the body; the same name twice in one of them is -1101."""
    values = _pairs(raw_body)
    values.update(_pairs(raw_query))
    return values


def _pairs(encoded: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in encoded.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        name = unquote_plus(name)
        if name in values:
            raise VenueError(-1101, "Duplicate values for a parameter detected.")
        values[name] = unquote_plus(value)
    return values
