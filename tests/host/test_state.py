"""What is kept between runs, on a real file system."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmcore.errors import ExitCode, UsageError
from mmcore.exchange.binance.protocol import ClockOffset, LimitState, Sender, Verdict
from mmcore.host.state import BanMemory, RunState, state_folder

HOLD = """
import sys, time
from pathlib import Path
from mmcore.host.state import RunState
state = RunState(Path(sys.argv[1]))
state.keep(41)
print("held", flush=True)
time.sleep(60)
"""


def test_each_tag_symbol_and_exchange_has_a_directory_of_its_own(tmp_path: Path) -> None:
    def folder(url: str, symbol: str, tag: str) -> Path:
        return state_folder(tmp_path, url, symbol, tag, {})

    found = [folder("https://testnet.binance.vision", "BTCUSDT", "A1"),
             folder("https://testnet.binance.vision", "BTCUSDT", "A2"),
             folder("https://testnet.binance.vision", "ETHUSDT", "A1"),
             folder("http://127.0.0.1:8080", "BTCUSDT", "A1"), folder("http://127.0.0.1:8081", "BTCUSDT", "A1"),
             folder("http://[::1]:8080", "BTCUSDT", "A1")]
    assert len(set(found)) == len(found)
    assert all(one.parent == tmp_path for one in found)
    assert found[3].name == "127.0.0.1_8080-BTCUSDT-A1"


@pytest.mark.parametrize(("configured", "environ", "expected"), [
    (None, {"XDG_STATE_HOME": "/var/here"}, "/var/here/mmcore"),
    (None, {"XDG_STATE_HOME": "not/absolute"}, "{home}/.local/state/mmcore"),
    (None, {}, "{home}/.local/state/mmcore"),
    (Path("~/kept"), {"XDG_STATE_HOME": "/var/here"}, "{home}/kept"),
    (Path("beside"), {}, "beside"),
])
def test_it_lies_where_the_settings_or_the_xdg_rules_say(
    configured: Path | None, environ: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_folder(configured, "http://h:1", "S", "A1", environ).parent == Path(expected.format(home=tmp_path))


def test_an_epoch_is_there_again_for_the_next_run(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with RunState(folder) as first:
        assert first.epoch() == 0
        first.keep(1_784_592_000)
        assert first.epoch() == 1_784_592_000
    with RunState(folder) as second:
        assert second.epoch() == 1_784_592_000
        second.keep(1_784_592_001)
        assert second.epoch() == 1_784_592_001
    assert sorted(path.name for path in folder.iterdir()) == ["epoch", "lock"]
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", ["", "12x", "-5", "\x00" * 8, str(36**7)])
def test_a_damaged_file_is_told_of_and_passed_over(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "epoch").write_text(damage)
    with RunState(tmp_path) as state, caplog.at_level(logging.WARNING, "mmcore"):
        assert state.epoch() == 0
    assert "is damaged" in caplog.text


def test_a_second_bot_is_refused_by_name_until_the_first_has_ended(tmp_path: Path) -> None:
    with RunState(tmp_path):
        with pytest.raises(UsageError, match=rf"another bot .* \(process {os.getpid()}\)") as refused:
            RunState(tmp_path)
        assert refused.value.exit_code is ExitCode.USAGE
    RunState(tmp_path).close()


def test_a_killed_bot_holds_nothing_and_its_epoch_is_there(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match=f"process {holder.pid}"):
            RunState(tmp_path)
        holder.kill()
    with RunState(tmp_path) as state:
        assert state.epoch() == 41


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"state directory .*/file/bot: Not a directory"):
        RunState(tmp_path / "file" / "bot")


def test_an_epoch_that_does_not_reach_the_disk_is_an_error_and_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunState(tmp_path) as state:
        state.keep(7)

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(UsageError, match="No space left on device"):
            state.keep(8)
        assert state.epoch() == 7
        assert not (tmp_path / "epoch.tmp").exists()


# ---- what the exchange asked for outlives the run

NS_PER_S = 1_000_000_000
NOON_MS = 1_784_592_000_000


class _Machine:
    """A machine's clocks. mono_s: since it was started; wall_s: what it takes for UTC, since NOON_MS."""

    def __init__(self, mono_s: int, wall_s: int) -> None:
        self.mono_s = mono_s
        self.wall_s = wall_s

    def mono_ns(self) -> int:
        return self.mono_s * NS_PER_S

    def epoch_ns(self) -> int:
        return NOON_MS * 1_000_000 + self.wall_s * NS_PER_S

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")


def banned(limits: LimitState, machine: _Machine, wait_s: int) -> None:
    limits.on_refusal(Verdict.BANNED, -1003, "", wait_s * NS_PER_S, machine.mono_ns(), None)


def test_a_ban_is_there_again_for_the_next_run_until_it_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The exchange's clock is 3 s ahead of the first machine's; the second's is right, and it was started later."""
    first, limits, offset = _Machine(500, -3), LimitState(), ClockOffset()
    offset.add(first.mono_ns(), first.mono_ns(), NOON_MS)
    with RunState(tmp_path) as state:
        memory = BanMemory(state, limits, offset, first)
        memory.keep()
        assert state.banned_until_ms() == 0
        banned(limits, first, 120)
        memory.keep()
        assert state.banned_until_ms() == NOON_MS + 120_000
    for later_s, left_s in ((50, 70), (119, 1), (120, 0), (5000, 0)):
        second, again = _Machine(7, later_s), LimitState()
        caplog.clear()
        with RunState(tmp_path) as state, caplog.at_level(logging.WARNING, "mmcore"):
            BanMemory(state, again, ClockOffset(), second).recall()
        assert again.wait_ns(Sender.CANCEL, second.mono_ns()) == left_s * NS_PER_S
        told = f"nothing until 2026-07-21 00:02:00 UTC: so nothing is sent for {left_s} s"
        assert (told in caplog.text) == (left_s > 0), caplog.text


def test_a_ban_before_the_exchange_has_told_its_time_is_kept_by_this_machines_clock(tmp_path: Path) -> None:
    machine, limits = _Machine(10, 1000), LimitState()
    with RunState(tmp_path) as state:
        memory = BanMemory(state, limits, ClockOffset(), machine)
        banned(limits, machine, 60)
        memory.keep()
        assert state.banned_until_ms() == NOON_MS + 1_060_000


def test_a_ban_that_a_full_disk_does_not_take_holds_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    machine, limits = _Machine(10, 0), LimitState()
    with RunState(tmp_path) as state:
        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        banned(limits, machine, 60)
        with caplog.at_level(logging.WARNING, "mmcore"):
            BanMemory(state, limits, ClockOffset(), machine).keep()
    assert "a restart will not know of the ban" in caplog.text
    assert limits.wait_ns(Sender.CANCEL, machine.mono_ns()) == 60 * NS_PER_S
