"""Recordings of market data: what form a file has, told by its content, and its messages in the order they came.

    lines     "<receive ns> <json>", plain or gzip: one market; a REST depth snapshot is a line like any other
    capture   "<unix s>: <json>" of a WebSocket, X.ws.1.0; its REST answers "<URL> -> <unix s>: <json>" lie beside it in
              X.http.0.0; lines of other forms are skipped

Nothing here looks into the messages.
"""

from __future__ import annotations

import gzip
import heapq
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NamedTuple, cast
from urllib.parse import parse_qs, urlsplit

from mmcore.errors import UsageError

_GZIP: Final = b"\x1f\x8b"
_SAMPLE_LINES: Final = 20
_SAMPLE_BYTES: Final = 1 << 20
_LINE: Final = re.compile(rb"[0-9]{1,19} [\[{]")
_CAPTURE_LINE: Final = re.compile(rb"([0-9]+(?:\.[0-9]+)?): (\{.*)", re.DOTALL)
_ANSWER_LINE: Final = re.compile(rb"(\S+) -> ([0-9]+(?:\.[0-9]+)?): (\{.*)", re.DOTALL)
_SOCKET_NAME: Final = ".ws.1.0"
_ANSWERS_NAME: Final = ".http.0.0"
_NS_PER_S: Final = 1_000_000_000


class Message(NamedTuple):
    """One message. symbol: what the request of a REST answer says, "" when nothing does."""

    recv_ns: int
    text: bytes
    path: Path
    line: int
    symbol: str = ""

    @property
    def where(self) -> str:
        """"file:line", for a person."""
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class Recording:
    """A file that is known to be readable and in one of the forms.

    is_capture: symbols of two captures are never one run, for the file name alone tells their exchange.
    """

    path: Path
    is_capture: bool

    def messages(self) -> Iterator[Message]:
        """All messages in order of time. Raises UsageError when the file breaks off or cannot be read."""
        try:
            yield from self._capture() if self.is_capture else self._lines()
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(f"{self.path}: cannot be read to its end: {error}") from error

    def _lines(self) -> Iterator[Message]:
        with _open(self.path) as file:
            for number, line in enumerate(file, 1):
                stamp, _, text = line.partition(b" ")
                if stamp.isdigit():
                    yield Message(int(stamp), text, self.path, number)

    def _capture(self) -> Iterator[Message]:
        answers = self.path.with_name(self.path.name.removesuffix(_SOCKET_NAME) + _ANSWERS_NAME)
        streams = [_socket_messages(self.path)]
        if self.path.name.endswith(_SOCKET_NAME) and answers.is_file():
            streams.append(_answer_messages(answers))
        return heapq.merge(*streams, key=lambda message: message.recv_ns)


def open_recording(path: Path) -> Recording:
    """Looks at the first lines. Raises UsageError for a file that is not there, not readable, or of no known form."""
    try:
        with _open(path) as file:
            sample = [file.readline(_SAMPLE_BYTES) for _ in range(_SAMPLE_LINES)]
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise UsageError(f"{path}: is a directory", "name the recordings in it one by one") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    if _LINE.match(sample[0]):
        return Recording(path, is_capture=False)
    if any(map(_CAPTURE_LINE.fullmatch, sample)):
        return Recording(path, is_capture=True)
    if any(map(_ANSWER_LINE.fullmatch, sample)):
        raise UsageError(f"{path}: holds REST answers only", f"name the X{_SOCKET_NAME} file beside it")
    raise UsageError(
        f"{path}: not a recording of a known form",
        "known are lines '<receive ns> <json>', plain or gzip, and '<unix s>: <json>' of a WebSocket capture",
    )


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        is_gzip = file.read(len(_GZIP)) == _GZIP
    # A buffer of its own makes reading line by line from gzip several times as fast.
    return io.BufferedReader(cast(io.RawIOBase, gzip.open(path, "rb"))) if is_gzip else path.open("rb")


def _socket_messages(path: Path) -> Iterator[Message]:
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            match = _CAPTURE_LINE.fullmatch(line)
            if match:
                yield Message(_ns(match[1]), match[2], path, number)


def _answer_messages(path: Path) -> Iterator[Message]:
    with _open(path) as file:
        for number, line in enumerate(file, 1):
            match = _ANSWER_LINE.fullmatch(line)
            symbols = parse_qs(urlsplit(match[1].decode("ascii", "replace")).query).get("symbol") if match else None
            if match and symbols:
                yield Message(_ns(match[2]), match[3], path, number, symbols[0])


def _ns(seconds: bytes) -> int:
    return int(float(seconds) * _NS_PER_S)
