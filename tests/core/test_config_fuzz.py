"""Any file as the configuration: settings come of it, or a ConfigError whose every line names its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcore.config import SETTINGS, Loaded, document, load
from mmcore.config_file import FILE_BYTES_MAX
from mmcore.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = (ROOT / "config" / "config.json").read_bytes()
WORDS = [b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0041", b"\\ud800", b"1e999", b"-0", b"NaN", b"Infinity",
         b"null", b"true", b"0.000000001", b"9" * 40, b'"risk"', b'"api_key"', b"\xef\xbb\xbf", b"\xff", b"\x00", b"\n",
         b"\r", b"\t", b"//", b"'", b"{}", b'{"a":' * 12]  # fmt: skip


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load_bytes(data: bytes) -> Loaded | ConfigError:
    Path("c.json").write_bytes(data)
    try:
        return load("c.json")
    except ConfigError as error:
        return error


def strict(data: bytes) -> Any:
    """The document as JSON has it, without what Python alone lets pass; ValueError when it is none."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)

    return json.loads(data.decode("utf-8-sig"), parse_constant=refuse, object_pairs_hook=once)


def check_places(data: bytes, error: ConfigError) -> None:
    lines = data.decode("utf-8", "replace").split("\n")
    assert len(str(error).splitlines()) >= len(error.faults)
    for fault in error.faults:
        assert fault.message
        assert fault.file == "c.json"
        assert fault.line == 0 or 1 <= fault.line <= len(lines)
        # A place stands for the file as a whole only where what is wrong is said of all of it.
        assert fault.line > 0 or len(data) > FILE_BYTES_MAX or fault.what in SETTINGS, str(fault)
        assert fault.line == 0 or 1 <= fault.column <= len(lines[fault.line - 1]) + 1


def check(data: bytes) -> None:
    """Whatever the bytes are; also that what is no JSON is never taken for settings."""
    found = load_bytes(data)
    if isinstance(found, ConfigError):
        check_places(data, found)
        return
    assert isinstance(strict(data), dict)
    again = load_bytes(document(found.settings).encode())
    assert isinstance(again, Loaded)
    assert again.settings == found.settings


pieces = st.one_of(st.sampled_from(WORDS), st.binary(max_size=6))
edits = st.lists(st.tuples(st.integers(0, len(SHIPPED)), st.integers(0, 40), pieces), min_size=1, max_size=5)


@given(edits)
@settings(max_examples=200)
def test_a_damaged_file_is_refused_with_the_place_or_is_right(changes: list[tuple[int, int, bytes]]) -> None:
    data = SHIPPED
    for at, cut, put in changes:
        data = data[:at] + put + data[at + cut :]
    check(data)


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_any_bytes_are_refused_with_the_place_or_are_right(data: bytes) -> None:
    check(data)


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20), st.sampled_from(["", "BTCUSDT", "demo", "1.5", "-1", "1e3", "http://x", "a" * 3000]),
    st.decimals("-1000", "1000", places=9).map(str),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@given(st.dictionaries(st.sampled_from(sorted(SETTINGS)), values, min_size=1, max_size=6))
@settings(max_examples=200)
def test_any_value_for_any_setting_is_taken_or_named_with_its_place(wanted: dict[str, Any]) -> None:
    sections: dict[str, dict[str, Any]] = {}
    for key, value in wanted.items():
        section, _, name = key.partition(".")
        row = name if name in SHIPPED.decode() else name.removesuffix("_e8")
        sections.setdefault(section, {})[row] = value
    data = json.dumps(sections, indent=1).encode()
    check(data)
    found = load_bytes(data)
    if isinstance(found, ConfigError):
        # What is no configuration at all has a place alone.
        named = [fault.what for fault in found.faults if fault.what]
        assert all(what.partition(".")[0] in sections or what in SETTINGS for what in named)


def test_a_file_of_any_depth_or_length_is_refused_at_once() -> None:
    for data in (b"[" * 100_000, b'{"a":' * 50_000, b'{"' + b"k" * (FILE_BYTES_MAX + 1) + b'":1}', b"9" * 200_000):
        assert isinstance(load_bytes(data), ConfigError)
