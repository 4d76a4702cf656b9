"""The command line: what it starts, what it refuses, and the first line it says then."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mmcore import cli
from mmcore.config import SECTIONS, SETTINGS, Mode, RunOptions, Settings
from mmcore.credentials import VARIABLES, Secret
from mmcore.errors import ExchangeError, ExitCode, UnreachableError

ROOT = Path(__file__).resolve().parents[2]
SECRET = "canary-secret-0987654321"


@pytest.fixture(autouse=True)
def _own_folder_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*VARIABLES, "TRADING_SYMBOL", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)


def mmcore(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m mmcore ...` in the working directory, as a user calls it."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return subprocess.run(
        [sys.executable, "-m", "mmcore", *arguments],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": path, **(env or {})},
        preexec_fn=heed_ctrl_c,
    )


def heed_ctrl_c() -> None:
    """In a child: as below a terminal, even where these tests run in the background of a shell, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def first_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.stdout == ""
    return result.stderr.splitlines()[0]


class Started:
    """Stands in for what the commands start: takes note of it and returns a code."""

    def __init__(self, code: object = ExitCode.DONE) -> None:
        self.code = code
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def late(self, module: str, name: str) -> Callable[..., object]:
        def function(*arguments: Any) -> object:
            self.calls.append((f"{module}:{name}", arguments))
            if isinstance(self.code, Exception):
                raise self.code
            return self.code

        return function

    def run(self) -> tuple[Settings, RunOptions]:
        ((name, arguments),) = self.calls
        assert name == "mmcore.host.supervisor:run"
        settings, options = arguments
        return settings, options


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    made = Started()
    monkeypatch.setattr(cli, "_late", made.late)
    return made


# ---- As a process --------------------------------------------------------------------------------------------


def test_help_is_grouped_and_tells_options_variables_exit_codes_and_the_disclaimer() -> None:
    result = mmcore("--help")
    assert (result.returncode, result.stderr) == (0, "")
    text = result.stdout
    groups = ["mode:", "this run:", *(f"{section}:" for section in SECTIONS)]
    places = [text.index(f"\n{group}\n") for group in groups]
    assert places == sorted(places)
    for row in SETTINGS.values():
        assert not row.option or f"\n  {row.option} " in text, row.key
    for word in ("--demo", "--testnet", "--live", "--endpoint URL", "-c FILE", "--duration SECONDS", "--accept-reset"):
        assert word in text
    for name in ("TRADING_SYMBOL", "LOG_LEVEL", "API_KEY", "API_SECRET_FILE", "API_PRIVATE_KEY_FILE"):
        assert name in text
    assert [f"  {code.value}  {code.meaning}" for code in ExitCode] == text.split("exit codes:\n")[1].splitlines()[:7]
    assert "without any warranty" in text.splitlines()[-2] + text.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--tesnet"], 'mmcore: error: unknown option --tesnet: did you mean "--testnet"?'),
        (["-testnet"], 'mmcore: error: unknown option -testnet: did you mean "--testnet"?'),
        (["runn"], 'mmcore: error: unknown command "runn": did you mean "run"?'),
        (["--live"],
         "mmcore: error: live trading is not available yet (exchange.mode is live: command line)"),
        (["-c", "nope.json"], "mmcore: error: configuration file nope.json: No such file or directory"),
        (["show-config", "-c", "nope.json"], "mmcore: error: configuration file nope.json: No such file or directory"),
        (["--strategy.layers", "99"],
         "mmcore: error: --strategy.layers: 99 is out of range (quotes a side, 1 <= x <= 8; default 2)"),
    ],
)
def test_a_usage_error_has_one_clear_first_line_a_hint_and_exit_code_2(arguments: list[str], line: str) -> None:
    result = mmcore(*arguments)
    assert result.returncode == 2
    assert first_line(result) == line
    assert len(result.stderr.splitlines()) >= 2
    assert all(line.startswith("mmcore: ") for line in result.stderr.splitlines())


def test_a_bad_file_is_told_fault_by_fault_with_its_places() -> None:
    Path("bad.json").write_text('{"strategy": {"layers": 99,\n  "layrs": 1}}')
    result = mmcore("-c", "bad.json")
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        "bad.json:1:25: strategy.layers: 99 is out of range (quotes a side, 1 <= x <= 8; default 2)",
        'bad.json:2:3: strategy.layrs: unknown key: did you mean "strategy.layers"?',
        "mmcore: 2 faults in the settings; nothing was started ('mmcore --help' describes them all)",
    ]


def test_a_key_in_a_file_is_answered_with_what_to_do_instead() -> None:
    """Nothing of the advice may look like a secret to the redactor."""
    Path("bad.json").write_text(f'{{"exchange": {{"api_key": "{SECRET}"}}}}')
    result = mmcore("-c", "bad.json")
    assert (result.returncode, SECRET in result.stderr) == (2, False)
    assert first_line(result) == (
        "bad.json:1:15: exchange.api_key is a secret, which does not belong in a configuration file (value not shown): "
        "set API_KEY and API_SECRET, or API_KEY_FILE and API_SECRET_FILE, in the environment")


def test_live_says_what_is_missing_before_real_money() -> None:
    result = mmcore("--live", env={"API_KEY": SECRET, "API_SECRET": SECRET})
    assert result.returncode == 2
    missing = [line.removeprefix("mmcore:   missing: ") for line in result.stderr.splitlines() if "missing: " in line]
    assert [line.partition(":")[0] for line in missing] == [
        "guard process", "journal", "risk controls that look at the account from outside", "long runs on the testnet"]
    assert SECRET not in result.stdout + result.stderr


def test_testnet_without_credentials_ends_with_4_before_anything_else_is_tried() -> None:
    result = mmcore("--testnet")
    assert result.returncode == 4
    assert first_line(result) == (
        "mmcore: error: no credentials: API_KEY (or API_KEY_FILE) and API_SECRET (or API_SECRET_FILE, or "
        "API_PRIVATE_KEY_FILE for an Ed25519 key) not set in the environment"
    )


def test_show_config_tells_every_value_with_its_source_and_secrets_only_as_set() -> None:
    Path("config").mkdir()
    Path("config/config.json").write_text('{\n "strategy": {"order_qty": 0.002}}')
    result = mmcore(
        "show-config", "--strategy.layers", "3",
        env={"TRADING_SYMBOL": "ethusdt", "LOG_LEVEL": "", "API_SECRET": SECRET, "API_KEY": " "},
    )
    assert (result.returncode, result.stderr) == (0, "")
    lines = [re.split("  +", line) for line in result.stdout.splitlines()]
    assert [line[0] for line in lines] == [*SETTINGS, *VARIABLES]
    assert [line for line in lines if line[-1] != "default"] == [
        ["exchange.symbol", '"ETHUSDT"', "env TRADING_SYMBOL"],
        ["strategy.order_qty", "0.002", "config/config.json:2"],
        ["strategy.layers", "3", "command line"],
        ["API_KEY", "unset"],
        ["API_KEY_FILE", "unset"],
        ["API_SECRET", "set"],
        ["API_SECRET_FILE", "unset"],
        ["API_PRIVATE_KEY_FILE", "unset"],
    ]
    assert SECRET not in result.stdout


def test_version_tells_the_package_and_the_build_of_the_library(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    core = types.ModuleType("mmcore.core")
    core.build_info = lambda: "libmmcore 0.1.0, gcc 12"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mmcore.core", core)
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert not ended.value.code
    out, err = capsys.readouterr()
    assert re.fullmatch(r"mmcore \d+\.\d+\.\d+\nlibmmcore 0\.1\.0, gcc 12\n", out)
    assert err == ""


def test_version_says_so_when_the_library_cannot_be_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mmcore.core", None)
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 1
    out, err = capsys.readouterr()
    assert re.fullmatch(r"mmcore \d+\.\d+\.\d+\n", out)
    assert err.startswith("mmcore: error: the C library cannot be loaded: ")


@pytest.mark.parametrize("command", ["book", "replay", "show-config", "run"])
def test_each_command_has_its_own_help(command: str) -> None:
    result = mmcore(command, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("usage: mmcore")


# ---- What is started -----------------------------------------------------------------------------------------


def test_without_arguments_the_demo_runs_with_the_defaults(started: Started) -> None:
    assert cli.main([]) == 0
    assert started.run() == (Settings(), RunOptions())


def test_an_option_in_the_place_of_a_command_means_run(started: Started) -> None:
    assert cli.main(["--seed", "7", "--duration", "2.5", "--summary", "out.json", "--accept-reset"]) == 0
    settings, options = started.run()
    assert settings.demo.seed == 7
    assert options == RunOptions(None, 2.5, Path("out.json"), True)
    assert list(Path().iterdir()) == []


def test_run_may_be_said(started: Started) -> None:
    assert cli.main(["run", "--record", "x.log", "--log-level", "debug", "--symbol", "ethusdt"]) == 0
    settings, _ = started.run()
    assert (settings.host.record, settings.log.level, settings.exchange.symbol) == (Path("x.log"), "DEBUG", "ETHUSDT")


def test_in_demo_mode_credentials_are_neither_used_nor_passed_on(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, SECRET)  # contradictory, and not even looked at
    assert cli.main(["--demo"]) == 0
    assert started.run()[1].credentials is None
    assert not set(VARIABLES) & set(os.environ)


def test_on_the_testnet_credentials_are_taken_out_of_the_environment(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "key")
    monkeypatch.setenv("API_SECRET", SECRET)
    assert cli.main(["--testnet", "--endpoint", "http://127.0.0.1:8080"]) == 0
    settings, options = started.run()
    assert (settings.exchange.mode, settings.exchange.endpoint) == (Mode.TESTNET, "http://127.0.0.1:8080")
    assert options.credentials is not None
    assert options.credentials.api_secret == Secret(SECRET)
    assert not set(VARIABLES) & set(os.environ)


def test_a_flag_wins_over_the_mode_in_the_file(started: Started) -> None:
    Path("c.json").write_text('{"exchange": {"mode": "live"}}')
    assert cli.main(["-c", "c.json", "--demo"]) == 0
    assert started.run()[0].exchange.mode is Mode.DEMO


@pytest.mark.parametrize("command", ["venue", "book", "replay"])
def test_no_command_passes_credentials_on(started: Started, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("API_SECRET", SECRET)
    assert cli.main([command, "x"]) == 0
    assert "API_SECRET" not in os.environ


def test_the_other_commands_get_their_arguments(started: Started) -> None:
    assert [cli.main(["venue", "--port", "0"]), cli.main(["book", "a", "b"]), cli.main(["replay", "f"])] == [0, 0, 0]
    assert started.calls == [
        ("mmcore.venue.cli:main", (["--port", "0"],)),
        ("mmcore.commands.book:main", ([Path("a"), Path("b")],)),
        ("mmcore.commands.replay:main", (Path("f"),)),
    ]


@pytest.mark.parametrize("code", list(ExitCode))
def test_the_code_of_the_run_is_the_code_of_the_process(started: Started, code: ExitCode) -> None:
    started.code = code
    assert cli.main([]) == code


def test_ctrl_c_while_the_program_is_being_loaded_ends_it_without_a_word() -> None:
    Path("configargparse.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    result = mmcore("--version", env={"PYTHONPATH": os.pathsep.join((".", str(ROOT)))})
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_ctrl_c_while_a_recording_is_read_ends_it_without_a_word() -> None:
    os.mkfifo("recording")
    reading = subprocess.Popen([sys.executable, "-m", "mmcore", "book", "recording"], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": str(ROOT)},
                               preexec_fn=heed_ctrl_c)
    try:
        with Path("recording").open("wb"):  # it reads from here on
            reading.send_signal(signal.SIGINT)
            assert reading.communicate(timeout=30) == (b"", None)
    finally:
        reading.kill()
    assert reading.returncode == 130


# ---- From environment and command line -----------------------------------------------------------------------


def test_an_empty_variable_counts_as_unset(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADING_SYMBOL", "")
    monkeypatch.setenv("LOG_LEVEL", "  ")
    assert cli.main([]) == 0
    assert started.run()[0] == Settings()


def test_the_command_line_wins_over_a_variable_even_a_wrong_one(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_SYMBOL", "AAAUSDT")
    monkeypatch.setenv("LOG_LEVEL", "-x --live")
    assert cli.main(["--symbol=BBBUSDT", "--log-level", "error"]) == 0
    settings, _ = started.run()
    assert (settings.exchange.symbol, settings.log.level) == ("BBBUSDT", "ERROR")


def test_a_variable_cannot_bring_in_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "--live")
    assert cli.main([]) == 2
    assert capsys.readouterr().err.splitlines()[0] == (
        'mmcore: error: LOG_LEVEL (environment): "--live" is not allowed (one of DEBUG, INFO, WARNING, ERROR; '
        'default "INFO")'
    )


def test_every_setting_can_be_given_on_the_command_line(started: Started) -> None:
    words = []
    for row in SETTINGS.values():
        if row.option and row.key not in ("host.cpu", "exchange.endpoint"):
            words += [row.option, row.show(row.default).strip('"')]
    assert cli.main(words) == 0
    assert started.run()[0] == Settings()


def test_negative_numbers_and_null_are_values(started: Started) -> None:
    Path("c.json").write_text('{"inventory": {"target": 1}}')
    assert cli.main(["-c", "c.json", "--strategy.alpha_weight", "-0.5", "--inventory.target", "null"]) == 0
    settings, _ = started.run()
    assert (settings.strategy.alpha_weight, settings.inventory.target_e8) == (-0.5, None)


LINES = [
    (["--demo", "--testnet"], "argument --testnet: not allowed with argument --demo"),
    (["--symbol"], "argument --symbol: expected one argument"),
    (["--testnet", "extra"], 'unexpected argument "extra"'),
    (["--strategy.lay", "3"], 'unknown option --strategy.lay: did you mean "--strategy.layers"?'),
    (["--layers", "3"], 'unknown option --layers: did you mean "--strategy.layers"?'),
    (["--max-position=1"], 'unknown option --max-position: did you mean "--strategy.max_position"?'),
    (["--exchange.mode", "live"], "exchange.mode is set by --demo, --testnet or --live"),
    (["--zzzzz"], "unknown option --zzzzz"),
    (["zzzzz"], 'unknown command "zzzzz"'),
    (["x" * 50], "unknown command a value of 50 characters"),
    (["-c", "a", "-c", "b"], "-c is given more than once"),
    (["--duration", "0"], "--duration: 0 is out of range (s, 0 < x <= 31536000)"),
    (["--duration", "nan"], '--duration: "nan" is not a number (s, 0 < x <= 31536000)'),
    (["--summary", "no/out.json"], "--summary no/out.json: No such file or directory"),
    (["--endpoint", "https://a.example"], "--endpoint: an endpoint goes with testnet only; the mode is demo"),
    (["--testnet", "--endpoint", "http://a.example"],
     '--endpoint: "http://a.example" sends orders unencrypted to another machine (https://HOST[:PORT], or '
     "http://HOST[:PORT] with a loopback host, or null; default null)"),
    (["book"], "the following arguments are required: PATH"),
    (["replay", "a", "b"], 'unexpected argument "b"'),
    (["-c", "mine.json", "show-config"], "the command comes first: mmcore show-config ..."),
    (["replay", "--seed", "1", "x"], "unknown option --seed"),
]


@pytest.mark.parametrize(("arguments", "line"), LINES, ids=[" ".join(words)[:40] for words, _ in LINES])
def test_each_usage_error_has_its_first_line(
    started: Started, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", f"mmcore: error: {line}")
    assert started.calls == []


@pytest.mark.parametrize(
    "arguments",
    [["--api-secret", SECRET], [f"--api_key={SECRET}"], [f"--secrt={SECRET}"], ["--demo", f"--private-key={SECRET}"]],
)
def test_a_secret_on_the_command_line_is_refused_and_never_shown(
    started: Started, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert cli.main(arguments) == 2
    assert SECRET not in "".join(capsys.readouterr())


def test_live_from_the_file_is_refused_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.json").write_text('{"exchange": {\n"mode": "live"}}')
    assert cli.main(["-c", "c.json"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == (
        "mmcore: error: live trading is not available yet (exchange.mode is live: c.json:2)"
    )


# ---- When a run fails ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UnreachableError("no answer from 127.0.0.1:1 within 10 s"), 3, "no answer from 127.0.0.1:1 within 10 s"),
        (ExchangeError(-1022, "bad\nsignature"), 4, r"the exchange refused: bad\nsignature (code -1022)"),
        (RuntimeError(f"key {SECRET}"), 1, "internal error: RuntimeError: key [redacted]"),
    ],
)
def test_an_error_of_the_run_becomes_its_first_line_and_exit_code(
    started: Started,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
    line: str,
) -> None:
    monkeypatch.setenv("API_KEY", "key-of-no-account")
    monkeypatch.setenv("API_SECRET", SECRET)
    started.code = error
    assert cli.main(["--testnet"]) == code
    err = capsys.readouterr().err
    assert err.splitlines()[0] == f"mmcore: error: {line}"
    assert ("Traceback" in err) == (code == 1)
    assert SECRET not in err


# ---- What is imported ----------------------------------------------------------------------------------------


def test_only_the_command_line_loads_the_library_that_changes_argparse_and_it_loads_no_command() -> None:
    program = (
        "import sys, mmcore, mmcore.config, mmcore.credentials, mmcore.telemetry.log, mmcore.telemetry.summary;"
        "assert 'configargparse' not in sys.modules and 'argparse' not in sys.modules;"
        "import mmcore.cli;"
        "own = {f'mmcore.{name}' for name in ('_native', 'core', 'host', 'venue', 'commands')};"
        "print(sorted((own | {'numpy', 'aiohttp'}) & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.stdout.strip() == "[]"


def test_no_socket_takes_the_place_of_a_standard_stream_that_was_closed(tmp_path: Path) -> None:
    code = ("import os, sys; from mmcore import cli; cli._fill_standard_streams(); print('heard by nobody', "
            f"file=sys.stderr); open({str(tmp_path / 'first')!r}, 'w').write(str(min(os.pipe())))")
    closed = subprocess.run(["sh", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, code], check=False, timeout=60,
                            env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert closed.returncode == 0
    assert int((tmp_path / "first").read_text(encoding="utf-8")) > 2
