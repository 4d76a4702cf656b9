"""What is kept between runs, on a real file system."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmcore.errors import ExitCode, UsageError
from mmcore.host.state import RunState, state_folder

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
