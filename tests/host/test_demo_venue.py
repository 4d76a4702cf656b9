"""The demo's exchange: a child process of its own that knows nothing of the user's keys and goes when it should."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmcore.config import DemoSettings
from mmcore.errors import UnreachableError
from mmcore.host.demo import DemoVenue

CANARY = {"API_KEY": "canary-key", "API_SECRET": "canary-secret", "API_KEY_FILE": "canary-file",
          "VENUE_API_KEY": "canary-venue-key"}


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[DemoVenue]:
    for name, value in CANARY.items():
        monkeypatch.setenv(name, value)
    made = DemoVenue(DemoSettings(seed=3, maker_fee_bps=7.5, taker_fee_bps=12.0))
    yield made
    made.stop()


def process_id(venue: DemoVenue) -> int:
    return venue._process.pid


def test_it_listens_on_loopback_with_credentials_of_its_own(venue: DemoVenue) -> None:
    assert venue.url.startswith("http://127.0.0.1:")
    assert venue.running
    with urllib.request.urlopen(f"{venue.url}/api/v3/ping", timeout=5) as reply:
        assert reply.read() == b"{}"
    (account,) = venue.audit()["accounts"]
    assert account["api_key"] == venue.api_key
    assert len({venue.api_key, venue.api_secret, *CANARY.values()}) == 2 + len(CANARY)


def test_nothing_of_the_users_credentials_is_passed_on(venue: DemoVenue) -> None:
    environment = Path(f"/proc/{process_id(venue)}/environ").read_bytes()
    command = Path(f"/proc/{process_id(venue)}/cmdline").read_bytes()
    assert b"canary" not in environment
    assert b"canary" not in command
    for secret in (venue.api_key, venue.api_secret):
        assert secret.encode() not in command  # other users of the machine can read it


def test_it_is_in_a_group_of_its_own_so_that_ctrl_c_is_the_bots_alone(venue: DemoVenue) -> None:
    assert os.getpgid(process_id(venue)) == process_id(venue)
    assert os.getpgid(process_id(venue)) != os.getpgid(0)


def test_fees_and_seed_are_those_of_the_settings(venue: DemoVenue) -> None:
    command = Path(f"/proc/{process_id(venue)}/cmdline").read_bytes().decode().split("\0")
    given = {word: command[at + 1] for at, word in enumerate(command) if word.startswith("--")}
    assert (given["--seed"], given["--maker-fee-bps"], given["--taker-fee-bps"]) == ("3", "7.5", "12")


def test_it_ends_when_told_however_often(venue: DemoVenue) -> None:
    venue.stop()
    assert not venue.running
    assert venue._process.returncode == 0
    venue.stop()
    with pytest.raises(UnreachableError, match="gives no audit"):
        venue.audit()


def test_its_death_is_noticed(venue: DemoVenue) -> None:
    os.kill(process_id(venue), signal.SIGKILL)
    venue._process.wait(10)
    assert not venue.running


def test_an_exchange_that_does_not_come_up_is_an_error_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(UnreachableError, match="did not start"):
        DemoVenue(DemoSettings())


def test_it_does_not_outlive_the_bot_however_that_dies() -> None:
    made = DemoVenue(DemoSettings())
    try:
        assert made._process.stdin is not None
        made._process.stdin.close()  # what the kernel does for a process that was killed
        assert made._process.wait(5) == 0
    finally:
        made.stop()
