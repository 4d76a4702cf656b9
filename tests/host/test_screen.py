"""The status line on a real terminal, held and let go, and on pipes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmcore.telemetry.screen import Screen
from tests.e2e.processes import environment, wait_until


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Its two ends: the person's and the program's."""
    person, program = os.openpty()
    yield person, program
    termios.tcflow(program, termios.TCOON)
    os.close(person)
    os.close(program)


def shown(person: int, seconds: float) -> str:
    """What comes within the time."""
    text, until = b"", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and select.select([person], [], [], left)[0]:
        text += os.read(person, 65_536)
    return text.decode()


def test_a_held_terminal_holds_nobody_and_shows_the_newest_when_it_is_let_go(terminal: tuple[int, int]) -> None:
    person, program = terminal
    screen = Screen(program)
    screen.start()
    screen.show("first\n")
    assert "first" in shown(person, 0.5)
    termios.tcflow(program, termios.TCOOFF)
    begun = time.monotonic()
    for number in range(10_000):
        screen.show(f"line {number}\n")
    assert time.monotonic() - begun < 2
    assert shown(person, 0.2) == ""
    termios.tcflow(program, termios.TCOON)
    text = shown(person, 0.5)
    assert "line 9999" in text
    assert text.count("line") <= 2  # the one that was held on its way, and the newest
    screen.close("the end\n")
    assert "the end" in shown(person, 0.5)


def test_the_last_words_of_a_held_terminal_are_not_waited_for_long(terminal: tuple[int, int]) -> None:
    screen = Screen(terminal[1])
    screen.start()
    termios.tcflow(terminal[1], termios.TCOOFF)
    screen.show("held\n")
    begun = time.monotonic()
    screen.close("the end\n")
    assert 1.5 < time.monotonic() - begun < 4


def test_a_pipe_nobody_reads_or_that_is_closed_is_no_reason_to_stop() -> None:
    ours, theirs = os.pipe()
    screen = Screen(theirs)
    screen.start()
    begun = time.monotonic()
    for _ in range(100):
        screen.show("x" * 65_536)
    assert time.monotonic() - begun < 2
    os.close(ours)
    screen.close("the end\n")
    assert not screen.is_alive()
    os.close(theirs)


def test_the_bot_stops_and_cancels_while_its_terminal_is_held(terminal: tuple[int, int], tmp_path: Path) -> None:
    """Ctrl-S, then SIGTERM: the log goes to a file, as the log on the same terminal waits for it at most 10 s."""
    person, program = terminal
    bot = subprocess.Popen([sys.executable, "-m", "mmcore", "--demo", "--log.file", "bot.log", "--summary", "s.json"],
                           stdin=subprocess.DEVNULL, stderr=program, cwd=tmp_path, env=environment({}))
    try:
        def quoting() -> bool:
            return "ACTIVE" in shown(person, 0.2)

        wait_until(quoting, 40, "the bot does not quote")
        termios.tcflow(program, termios.TCOOFF)
        time.sleep(2)
        bot.send_signal(signal.SIGTERM)
        assert bot.wait(15) == 0
    finally:
        bot.kill()
        bot.wait()
