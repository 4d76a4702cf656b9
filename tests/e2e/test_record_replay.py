"""A recorded run gives its actions again, byte for byte: by `replay`, and by every build of the library."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.processes import ROOT, Bot, Scenario, Stage, Together, check_against_audit, environment

PYTHON_STRATEGY = f"{ROOT / 'examples' / 'py' / 'simple_mm.py'}:SimpleMarketMaker"
COMPILERS = ("gcc", "clang")

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Recording:
    """An input log and the digest its run stated."""

    path: Path
    digest: str
    orders: int


def finish(bot: Bot) -> Recording:
    assert bot.wait(80) == 0, bot.err
    summary = bot.summary()
    assert summary["orders_acked"] > 0
    return Recording(bot.cwd / "run.log", summary["actions_digest"], summary["orders_sent"])


def a_c_strategy(stage: Stage) -> Recording:
    return finish(stage.bot("--duration", "10", "--record", "run.log"))


def a_python_strategy(stage: Stage) -> Recording:
    return finish(stage.bot("--duration", "10", "--record", "run.log", "--strategy.name", PYTHON_STRATEGY))


def a_reconnect(stage: Stage) -> Recording:
    venue = stage.venue()
    bot = stage.bot("--duration", "12", "--record", "run.log", venue=venue)
    venue.wait_for_quotes()
    venue.command("/venue/streams/drop", {"for_ms": 500})
    recording = finish(bot)
    assert bot.summary()["resyncs"] >= 1
    check_against_audit(bot.summary(), venue.audit())
    return recording


SCENARIOS = (a_c_strategy, a_python_strategy, a_reconnect)


def replay(path: Path) -> tuple[int, dict[str, object]]:
    done = subprocess.run([sys.executable, "-m", "mmcore", "replay", str(path)], capture_output=True, text=True,
                          timeout=60, check=False, env=environment({}))
    (line,) = done.stdout.splitlines()
    return done.returncode, json.loads(line)


@pytest.mark.parametrize("run", SCENARIOS)
def test_three_replays_give_the_actions_of_the_run(together: Together, run: Scenario) -> None:
    recorded: Recording = together.of(run)
    for _ in range(3):
        code, line = replay(recorded.path)
        assert (code, line["mismatch"], line["truncated"]) == (0, None, False)
        assert line["actions_digest"] == recorded.digest
        assert line["actions"] >= recorded.orders > 0  # type: ignore[operator]


def test_the_three_runs_are_not_one_run(together: Together) -> None:
    assert len({together.of(run).digest for run in SCENARIOS}) == len(SCENARIOS)


def test_a_changed_input_is_told_and_ends_with_1(together: Together, tmp_path: Path) -> None:
    """The digest depends on the inputs: with one market price of the middle of the run changed, actions differ."""
    import numpy as np

    from mmcore.core.layout import RECORD
    from mmcore.core.log import HEADER_BYTES

    recorded: Recording = together.of(a_c_strategy)
    data = bytearray(recorded.path.read_bytes())
    body = np.frombuffer(data, dtype=np.uint8)[HEADER_BYTES:]
    records = body[: len(body) // RECORD.itemsize * RECORD.itemsize].view(RECORD)
    ticker = 13
    (tickers,) = np.nonzero(records["kind"] == ticker)
    for at in tickers[len(tickers) // 2 :]:
        begin = HEADER_BYTES + int(at) * RECORD.itemsize + 16
        for field in (1, 3):  # bid and ask price, one per mille higher
            place = begin + 8 * field
            price = int.from_bytes(data[place : place + 8], "little")
            data[place : place + 8] = (price + price // 1000).to_bytes(8, "little")
    changed = tmp_path / "changed.log"
    changed.write_bytes(data)
    code, line = replay(changed)
    assert code == 1
    assert line["mismatch"] is not None
    assert line["actions_digest"] != recorded.digest


# ---- other builds --------------------------------------------------------------------------------------------


def tool(name: str) -> str:
    """A program of the path or of this Python's environment. Without it the test is skipped, on the machine that must
    run everything it fails."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None and os.environ.get("MMCORE_REQUIRE_DATA") == "1":
        pytest.fail(f"{name} is not installed")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


PROJECT = """\
cmake_minimum_required(VERSION 3.21)
project(replay C)
add_subdirectory("{root}" mmcore EXCLUDE_FROM_ALL)
add_executable(replay_main "{root}/tests/c/replay_main.c")
target_link_libraries(replay_main PRIVATE mmcore::static)
"""


def build(folder: Path, compiler: str, native: str) -> Path:
    """replay_main, linked with the library as its own build makes it."""
    (folder / "CMakeLists.txt").write_text(PROJECT.format(root=ROOT))
    program = folder / "build" / "replay_main"
    for command in (
        [tool("cmake"), "-S", str(folder), "-B", str(program.parent), "-G", "Ninja",
         f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}", f"-DCMAKE_C_COMPILER={tool(compiler)}", "-DCMAKE_BUILD_TYPE=Release",
         f"-DMMCORE_NATIVE={native}"],
        [tool("cmake"), "--build", str(program.parent)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return program


@pytest.mark.parametrize("native", ["OFF", "ON"], ids=["portable", "native"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_every_build_gives_the_same_actions(
    together: Together, tmp_path: Path, compiler: str, native: str
) -> None:
    program = build(tmp_path, compiler, native)
    for run in SCENARIOS:
        recorded: Recording = together.of(run)
        done = subprocess.run([str(program), str(recorded.path)], capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert hashlib.sha256(done.stdout).hexdigest() == recorded.digest
