"""Credentials: where they may be, how their files must be kept, and that they show themselves nowhere."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import traceback
from pathlib import Path

import pytest

from mmcore import credentials
from mmcore.credentials import Credentials, Secret
from mmcore.errors import CredentialsError

KEY, SECRET = "canary-key-1234567890", "canary-secret-0987654321"


def secret_file(folder: Path, text: str = SECRET + "\n", mode: int = 0o600, name: str = "secret") -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def error_of(environ: dict[str, str]) -> str:
    with pytest.raises(CredentialsError) as caught:
        credentials.load(environ)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


def test_key_and_secret_come_from_the_environment_and_leave_it() -> None:
    environ = {"API_KEY": KEY, "API_SECRET": f" {SECRET}\n", "PATH": "/bin"}
    assert credentials.load(environ) == Credentials(Secret(KEY), Secret(SECRET))
    assert environ == {"PATH": "/bin"}


def test_key_and_secret_come_from_files_without_the_newline_at_the_end(tmp_path: Path) -> None:
    key_file = secret_file(tmp_path, KEY, 0o400, "key")
    found = credentials.load({"API_KEY_FILE": key_file, "API_SECRET_FILE": secret_file(tmp_path)})
    assert found == Credentials(Secret(KEY), Secret(SECRET))
    assert found.private_key_pem is None


def test_a_private_key_takes_the_place_of_the_secret(tmp_path: Path) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----"
    found = credentials.load({"API_KEY": KEY, "API_PRIVATE_KEY_FILE": secret_file(tmp_path, pem)})
    assert found == Credentials(Secret(KEY), None, Secret(pem))
    assert [part.reveal() for part in found.secrets] == [KEY, pem]


def test_the_real_environment_is_emptied_so_that_children_inherit_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in credentials.VARIABLES:
        monkeypatch.setenv(name, "x")
    credentials.discard(os.environ)
    assert not set(credentials.VARIABLES) & set(os.environ)


MISSING_KEY = "API_KEY (or API_KEY_FILE)"
MISSING_SECRET = "API_SECRET (or API_SECRET_FILE, or API_PRIVATE_KEY_FILE for an Ed25519 key)"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, f"no credentials: {MISSING_KEY} and {MISSING_SECRET} not set in the environment"),
        ({"API_KEY": KEY}, f"no credentials: {MISSING_SECRET} not set in the environment"),
        ({"API_SECRET": SECRET, "API_KEY": " "}, f"no credentials: {MISSING_KEY} not set in the environment"),
        ({"API_KEY": KEY, "API_KEY_FILE": "f", "API_SECRET": SECRET},
         "API_KEY and API_KEY_FILE are both set: keep one of them"),
        ({"API_KEY": KEY, "API_SECRET": SECRET, "API_SECRET_FILE": "f"},
         "API_SECRET and API_SECRET_FILE are both set: keep one of them"),
        ({"API_KEY": KEY, "API_SECRET": SECRET, "API_PRIVATE_KEY_FILE": "f"},
         "API_SECRET and API_PRIVATE_KEY_FILE are both set: keep one of them"),
        ({"API_KEY": KEY, "API_SECRET_FILE": "f", "API_PRIVATE_KEY_FILE": "f"},
         "API_SECRET_FILE and API_PRIVATE_KEY_FILE are both set: keep one of them"),
    ],
)
def test_missing_or_double_credentials_are_told_by_the_names_of_the_variables(
    environ: dict[str, str], message: str
) -> None:
    assert error_of(environ) == message
    assert not set(credentials.VARIABLES) & set(environ)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o700, 0o601, 0o620, 0o4600])
def test_a_file_that_others_may_touch_is_refused_with_path_and_mode(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, mode=mode)
    assert error_of({"API_KEY": KEY, "API_SECRET_FILE": path}) == (
        f"API_SECRET_FILE: {path}: mode is {mode:04o}, wider than 0600: run chmod 600 on it"
    )


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, me = secret_file(tmp_path), os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert error_of({"API_KEY": KEY, "API_SECRET_FILE": path}) == (
        f"API_SECRET_FILE: {path}: belongs to user {me}, not to you ({me + 1})"
    )


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)  # opening it must not wait for a writer
    for path in (tmp_path / "fifo", tmp_path):
        message = error_of({"API_KEY": KEY, "API_SECRET_FILE": str(path)})
        assert message == f"API_SECRET_FILE: {path}: is not a regular file"


def test_a_link_is_judged_by_the_file_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(secret_file(tmp_path))
    environ = {"API_KEY": KEY, "API_SECRET_FILE": str(tmp_path / "link")}
    assert credentials.load(environ).api_secret == Secret(SECRET)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff" + SECRET.encode(), "is not text"),
        (b"x" * 20_000, "larger than 16384 bytes"),
    ],
)
def test_a_file_without_a_secret_in_it_is_refused(tmp_path: Path, data: bytes, what: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(data)
    path.chmod(0o600)
    assert error_of({"API_KEY": KEY, "API_SECRET_FILE": str(path)}) == f"API_SECRET_FILE: {path}: {what}"


@pytest.mark.parametrize("text", [f"{KEY}\nsecond", f"{KEY}\tx", f"{KEY}\x7f", f"{KEY}ä", f"{KEY}\udcff"],
                         ids=["two lines", "tab", "delete", "umlaut", "no text"])
@pytest.mark.parametrize(("variable", "other"), [("API_KEY", "API_SECRET"), ("API_SECRET", "API_KEY")])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(
    tmp_path: Path, text: str, variable: str, other: str
) -> None:
    what = "is not one line of printable ASCII, which every key of the exchange is"
    assert error_of({variable: text, other: "x"}) == f"{variable}: {what}"
    if "\udcff" not in text:  # such a file is refused as no text
        path = secret_file(tmp_path, text)
        assert error_of({f"{variable}_FILE": path, other: "x"}) == f"{variable}_FILE: {path}: {what}"


def test_a_key_longer_than_any_of_the_exchanges_is_refused() -> None:
    assert credentials.load({"API_KEY": "x" * 127, "API_SECRET": SECRET}).api_key == Secret("x" * 127)
    assert error_of({"API_KEY": "x" * 128, "API_SECRET": SECRET}) == "API_KEY: is longer than 127 characters"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "nope"
    message = error_of({"API_KEY_FILE": str(path), "API_SECRET": SECRET})
    assert message == f"API_KEY_FILE: {path}: No such file or directory"
    assert error_of({"API_KEY_FILE": "a\0b", "API_SECRET": SECRET}) == "API_KEY_FILE: a\0b: is not a path"


def test_no_descriptor_is_left_open_by_a_refused_file(tmp_path: Path) -> None:
    path = secret_file(tmp_path, mode=0o644)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        error_of({"API_KEY": KEY, "API_SECRET_FILE": path})
        error_of({"API_KEY": KEY, "API_SECRET_FILE": str(tmp_path)})
    assert len(os.listdir("/proc/self/fd")) == before


def test_presence_tells_what_is_set_and_changes_nothing() -> None:
    environ = {"API_KEY": KEY, "API_SECRET": "  "}
    present = credentials.presence(environ)
    assert [name for name, is_set in present.items() if is_set] == ["API_KEY"]
    assert list(present) == list(credentials.VARIABLES)
    assert environ == {"API_KEY": KEY, "API_SECRET": "  "}


def test_a_secret_shows_itself_only_when_asked_to(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(SECRET)
    logging.getLogger("mmcore.test").error("have %s and %r", secret, Credentials(secret, secret))
    holders = [[secret], Credentials(secret)]
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>40}", *map(repr, holders), caplog.text]
    assert all(SECRET not in text for text in shown)
    assert secret.reveal() == SECRET
    for write in (pickle.dumps, copy.copy, json.dumps, hash):
        with pytest.raises(TypeError):
            write(secret)


def test_secrets_are_equal_by_value_and_to_nothing_else() -> None:
    assert Secret(SECRET) == Secret(SECRET)
    assert Secret(SECRET) != Secret(KEY)
    assert Secret(SECRET) != SECRET
