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
from mmcore.host.state import BanMemory, RunState, ban_file, state_folder

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
    file = tmp_path / "exchange.banned_until"
    first, limits, offset = _Machine(500, -3), LimitState(), ClockOffset()
    offset.add(first.mono_ns(), first.mono_ns(), NOON_MS)
    memory = BanMemory(file, limits, offset, first)
    memory.share()
    assert not file.exists()
    banned(limits, first, 120)
    memory.share()
    assert file.read_text() == f"{NOON_MS + 120_000}\n"
    for later_s, left_s in ((50, 70), (119, 1), (120, 0), (5000, 0)):
        second, again = _Machine(7, later_s), LimitState()
        caplog.clear()
        with caplog.at_level(logging.WARNING, "mmcore"):
            BanMemory(file, again, ClockOffset(), second).share()
        assert again.wait_ns(Sender.CANCEL, second.mono_ns()) == left_s * NS_PER_S
        told = f"nothing until 2026-07-21 00:02:00 UTC: so nothing is sent for {left_s} s"
        assert (told in caplog.text) == (left_s > 0), caplog.text


def test_a_running_bot_obeys_the_ban_that_another_of_its_machine_was_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By the exchange's clock, which both have measured: that of their machine is an hour wrong."""
    machine, offset = _Machine(500, 3600), ClockOffset()
    offset.add(machine.mono_ns(), machine.mono_ns(), NOON_MS)
    files = [ban_file(tmp_path, url, {}) for url in ("https://h", "https://h", "https://other")]
    limits = [LimitState() for _ in files]
    bots = [BanMemory(file, limit, offset, machine) for file, limit in zip(files, limits, strict=True)]

    def waits_s() -> list[int]:
        for bot in bots:
            bot.share()
        return [limit.wait_ns(Sender.CANCEL, machine.mono_ns()) // NS_PER_S for limit in limits]

    with caplog.at_level(logging.WARNING, "mmcore"):
        assert waits_s() == [0, 0, 0]
        banned(limits[0], machine, 120)
        assert waits_s() == [120, 120, 0]
        assert len(caplog.records) == 1
        machine.mono_s += 20
        banned(limits[1], machine, 40)  # over before the other one: nothing for the file
        assert waits_s() == [100, 100, 0]
        banned(limits[1], machine, 300)
        assert waits_s()[1] == 300
        assert waits_s() == [300, 300, 0]
        assert len(caplog.records) == 2
    assert files[0].read_text() == f"{NOON_MS + 320_000}\n"


def test_a_ban_that_ends_earlier_does_not_shorten_the_one_in_the_file(tmp_path: Path) -> None:
    """Two bots are told at one moment, before either has looked at what the other wrote."""
    file, machine = tmp_path / "exchange.banned_until", _Machine(10, 0)
    long, short = LimitState(), LimitState()
    banned(long, machine, 600)
    banned(short, machine, 60)
    memory = BanMemory(file, short, ClockOffset(), machine)
    BanMemory(file, long, ClockOffset(), machine).share()
    memory._keep(NOON_MS + 60_000)
    assert file.read_text() == f"{NOON_MS + 600_000}\n"
    memory.share()
    assert short.wait_ns(Sender.CANCEL, machine.mono_ns()) == 600 * NS_PER_S


def test_a_ban_before_the_exchange_has_told_its_time_is_kept_by_this_machines_clock(tmp_path: Path) -> None:
    machine, limits = _Machine(10, 1000), LimitState()
    banned(limits, machine, 60)
    BanMemory(tmp_path / "ban", limits, ClockOffset(), machine).share()
    assert (tmp_path / "ban").read_text() == f"{NOON_MS + 1_060_000}\n"


def test_a_damaged_ban_is_told_of_once_and_written_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "ban").write_text("12x")
    machine, limits = _Machine(10, 0), LimitState()
    memory = BanMemory(tmp_path / "ban", limits, ClockOffset(), machine)
    with caplog.at_level(logging.WARNING, "mmcore"):
        memory.share()
        memory.share()
    assert caplog.text.count("is damaged: a ban of an earlier run is not known") == 1
    banned(limits, machine, 60)
    memory.share()
    assert (tmp_path / "ban").read_text() == f"{NOON_MS + 60_000}\n"


def test_a_ban_that_a_full_disk_does_not_take_holds_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    machine, limits = _Machine(10, 0), LimitState()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    banned(limits, machine, 60)
    memory = BanMemory(tmp_path / "ban", limits, ClockOffset(), machine)
    with caplog.at_level(logging.WARNING, "mmcore"):
        memory.share()
        banned(limits, machine, 61)
        memory.share()
    assert caplog.text.count("other bots and a restart may not know of a ban") == 1
    assert limits.wait_ns(Sender.CANCEL, machine.mono_ns()) == 61 * NS_PER_S
    assert not (tmp_path / "ban").exists()
