"""The log: lines nobody can forge, no secret in them, and no thread that waits for them."""

from __future__ import annotations

import io
import json
import logging
import queue
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.credentials import Secret
from mmcore.errors import UsageError
from mmcore.telemetry import log as log_module
from mmcore.telemetry.log import SITE_RECORDS_PER_S, Log, Redactor, escape_controls

LOGGER = logging.getLogger("mmcore.host.test")
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----"


@pytest.fixture
def redactor() -> Redactor:
    made = Redactor()
    made.add(Secret("canary-key-1234"), Secret("canary-key-1234-longer"), Secret(PEM))
    return made


@pytest.fixture
def written(tmp_path: Path, redactor: Redactor) -> Callable[..., list[str]]:
    """Logs what a function logs, and gives the lines."""
    path = tmp_path / "log"

    def write(talk: Callable[[], object], json_lines: bool = False, level: str = "INFO") -> list[str]:
        with Log(level, json_lines, path, redactor):
            talk()
        return path.read_text(encoding="utf-8").splitlines()

    return write


def record_at(second: float, line: int = 1, message: str = "m") -> logging.LogRecord:
    record = logging.LogRecord("mmcore", logging.INFO, "file.py", line, message, None, None)
    record.created = second
    return record


def test_a_text_line_has_time_level_logger_and_message(written: Callable[..., list[str]]) -> None:
    (line,) = written(lambda: LOGGER.warning("book %s is %d ms old", "BTCUSDT", 1200))
    assert re.fullmatch(
        r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING mmcore\.host\.test: book BTCUSDT is 1200 ms old", line
    )


def test_a_json_line_is_one_object_with_the_same(written: Callable[..., list[str]]) -> None:
    (line,) = written(lambda: LOGGER.error("a \"b\"\nc"), json_lines=True)
    fields = json.loads(line)
    assert list(fields) == ["time", "level", "logger", "thread", "message"]
    assert (fields["level"], fields["thread"], fields["message"]) == ("ERROR", "MainThread", 'a "b"\nc')


def test_the_level_holds_for_our_messages_and_other_libraries_start_at_warning(
    written: Callable[..., list[str]],
) -> None:
    def talk() -> None:
        LOGGER.debug("ours, debug")
        LOGGER.info("ours, info")
        logging.getLogger("urllib3").info("theirs, info")
        logging.getLogger("urllib3").warning("theirs, warning")

    assert [line.split(": ")[1] for line in written(talk, level="DEBUG")] == [
        "ours, debug", "ours, info", "theirs, warning",
    ]
    assert [line.split(": ")[1] for line in written(talk, level="WARNING")][3:] == ["theirs, warning"]


def test_a_message_cannot_forge_a_line_or_move_the_cursor(written: Callable[..., list[str]]) -> None:
    hostile = "rejected\n2026-01-01T00:00:00.000Z INFO mmcore: all fine\r\x1b[2J\x00\x85\u2028\u202e"
    lines = written(lambda: LOGGER.info("the exchange says %s", hostile))
    assert len(lines) == 1
    assert lines[0].isprintable()
    assert r"rejected\n2026-01-01T00:00:00.000Z INFO mmcore: all fine\r\x1b[2J\x00\x85\u2028\u202e" in lines[0]


@given(st.text())
def test_escaping_leaves_one_printable_line_and_plain_text_as_it_is(text: str) -> None:
    escaped = escape_controls(text)
    assert escaped.isprintable()
    assert text.isprintable() == (escaped == text)


def test_a_traceback_is_written_below_its_message_behind_a_bar(written: Callable[..., list[str]]) -> None:
    def talk() -> None:
        try:
            raise ValueError("bad\n2026 forged canary-key-1234")
        except ValueError:
            LOGGER.exception("it failed")

    first, *rest = written(talk)
    assert first.endswith("mmcore.host.test: it failed")
    assert all(line.startswith("    | ") for line in rest)
    assert "    | ValueError: bad" in rest
    assert rest[-1] == "    | 2026 forged [redacted]"
    fields = json.loads(written(talk, json_lines=True)[-1])
    assert fields["message"] == "it failed"
    assert fields["exception"].startswith("Traceback (most recent call last):")
    assert "canary" not in fields["exception"]


@pytest.mark.parametrize("json_lines", [False, True])
def test_no_registered_secret_is_written_whole_or_in_lines(
    written: Callable[..., list[str]], json_lines: bool
) -> None:
    def talk() -> None:
        LOGGER.info("key canary-key-1234 and canary-key-1234-longer end")
        LOGGER.info("args %s %r", "canary-key-1234", {"k": PEM})
        LOGGER.info("a line of it: %s", PEM.splitlines()[1])

    text = "\n".join(written(talk, json_lines))
    assert "canary" not in text
    assert "longer" not in text
    assert "MC4CAQ" not in text
    assert "key [redacted] and [redacted] end" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET /api/v3/order?symbol=X&timestamp=1&signature=c8db56825ae71d&x=1",
         "GET /api/v3/order?symbol=X&timestamp=1&signature=[redacted]&x=1"),
        ('{"id":1,"params":{"apiKey":"vmPUZE6mv9SD","signature": "a+b/c=="}}',
         '{"id":1,"params":{"apiKey":"[redacted]","signature": "[redacted]"}}'),
        ("{'X-MBX-APIKEY': 'vmPUZE6mv9SD'}", "{'X-MBX-APIKEY': '[redacted]'}"),
        ("Signature=AbC%2B%3D", "Signature=[redacted]"),
        ("api_secret: hunter2", "api_secret: [redacted]"),
        ("the signature is wrong", "the signature is wrong"),
    ],
)
def test_values_named_like_keys_and_signatures_are_taken_out(text: str, shown: str) -> None:
    assert Redactor().apply(text) == shown


def test_a_log_call_that_cannot_be_formatted_shows_no_arguments(
    written: Callable[..., list[str]], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own handler would format it, too
    (line,) = written(lambda: LOGGER.info("%d", "canary-key-1234"))
    assert re.search(r"log call that cannot be formatted at .*test_log\.py:\d+: TypeError$", line)
    assert capfd.readouterr() == ("", "")


def test_a_very_long_message_is_cut_after_redaction(written: Callable[..., list[str]]) -> None:
    (line,) = written(lambda: LOGGER.info("x" * 8185 + "canary-key-1234" + "y" * 1000))
    assert line.endswith("x[redact... (1003 characters cut)")


def test_one_place_writes_ten_lines_a_second_and_tells_how_many_it_swallowed() -> None:
    limit = log_module._SiteLimit()
    admitted = [limit.admit(record_at(100.0 + step / 1000)) for step in range(500)]
    assert admitted == [0] * SITE_RECORDS_PER_S + [None] * 490
    assert limit.admit(record_at(100.9, line=2)) == 0
    assert limit.admit(record_at(101.0)) == 490
    assert limit.admit(record_at(101.1)) == 0


def test_a_clock_that_steps_back_does_not_silence_the_log() -> None:
    limit = log_module._SiteLimit()
    for _ in range(20):
        limit.admit(record_at(5000.0))
    assert limit.admit(record_at(1000.0)) == 10


def test_the_limit_keeps_no_more_places_than_it_is_bounded_to_and_loses_no_count() -> None:
    limit = log_module._SiteLimit()
    for line in range(3 * log_module._SITES_MAX):
        for _ in range(SITE_RECORDS_PER_S + 1):
            limit.admit(record_at(1.0, line))
    assert len(limit._sites) == log_module._SITES_MAX
    assert limit.take_suppressed() == 3 * log_module._SITES_MAX
    assert limit.take_suppressed() == 0


def test_what_was_suppressed_is_told_at_the_end_at_the_latest(written: Callable[..., list[str]]) -> None:
    def talk() -> None:
        for number in range(1000):
            LOGGER.info("storm %d", number)

    lines = written(talk)
    storm = [line for line in lines if "storm" in line]
    told = sum(int(count) for line in lines for count in re.findall(r"(\d+) more", line))
    assert SITE_RECORDS_PER_S <= len(storm) < 100
    assert len(storm) + told == 1000


def test_a_full_queue_drops_and_never_waits() -> None:
    records: queue.Queue[logging.LogRecord | None] = queue.Queue(4)
    hand_over = log_module._HandOver(records)
    for line in range(10):
        hand_over.handle(record_at(1.0, line))
    assert (records.qsize(), hand_over.dropped) == (4, 6)


def test_what_was_dropped_is_told_before_the_next_line(
    tmp_path: Path, redactor: Redactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = threading.Event(), threading.Event()
    write = log_module._Sink.emit

    def hang(self: log_module._Sink, record: logging.LogRecord) -> None:
        entered.set()
        assert go_on.wait(10)
        write(self, record)

    monkeypatch.setattr(log_module._Sink, "emit", hang)
    monkeypatch.setattr(log_module, "QUEUE_RECORDS", 2)
    path = tmp_path / "log"
    with Log("INFO", False, path, redactor) as log:
        LOGGER.info("first")
        assert entered.wait(10)
        for line in range(5):
            logging.getLogger().handle(record_at(1.0, line, f"later {line}"))
        assert log.dropped == 3
        go_on.set()
    told = [line.split(": ", 1)[1] for line in path.read_text().splitlines()]
    assert told == ["first", "3 log records were dropped: the queue was full", "later 0", "later 1"]


def test_a_thread_that_dies_is_logged_with_its_traceback_redacted(written: Callable[..., list[str]]) -> None:
    def die() -> None:
        raise RuntimeError("lost canary-key-1234")

    def talk() -> None:
        thread = threading.Thread(target=die, name="orders")
        thread.start()
        thread.join()

    before = threading.excepthook
    first, *rest = written(talk)
    assert first.endswith("CRITICAL mmcore: thread orders died")
    assert rest[-1] == "    | RuntimeError: lost [redacted]"
    assert threading.excepthook is before


def test_an_output_that_fails_does_not_end_the_log(
    tmp_path: Path, redactor: Redactor, capfd: pytest.CaptureFixture[str]
) -> None:
    with Log("INFO", False, Path("/dev/full"), redactor) as log:
        LOGGER.info("to a full disk")
        LOGGER.info("canary-key-1234")
    assert log.failed == 2
    assert capfd.readouterr() == ("", "")


def test_after_the_end_nothing_is_written_anywhere(
    tmp_path: Path, redactor: Redactor, capfd: pytest.CaptureFixture[str]
) -> None:
    root_level, handlers = logging.getLogger().level, len(logging.getLogger().handlers)
    with Log("DEBUG", False, tmp_path / "log", redactor):
        pass
    LOGGER.error("too late: canary-key-1234")
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "log").read_text() == ""
    assert logging.getLogger().level == root_level
    assert len(logging.getLogger().handlers) <= handlers + 1


def test_on_a_terminal_a_log_line_takes_the_place_of_the_status_line(
    redactor: Redactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    terminal.write("a status line")
    with Log("INFO", False, None, redactor):
        LOGGER.info("news")
    status, _, line = terminal.getvalue().partition("\r\x1b[2K")
    assert status == "a status line"
    assert line.endswith(" INFO    mmcore.host.test: news\n")


def test_without_a_file_the_log_goes_to_standard_error(redactor: Redactor, capsys: pytest.CaptureFixture[str]) -> None:
    with Log("INFO", False, None, redactor):
        LOGGER.info("hello")
    out, err = capsys.readouterr()
    assert (out, err.endswith(": hello\n")) == ("", True)


def test_a_log_file_that_cannot_be_opened_is_an_error_at_the_start(tmp_path: Path, redactor: Redactor) -> None:
    path = tmp_path / "no" / "log"
    with pytest.raises(UsageError, match=f"^log.file {re.escape(str(path))}: No such file or directory$"):
        Log("INFO", False, path, redactor)
    assert all(thread.name != "log" for thread in threading.enumerate())
