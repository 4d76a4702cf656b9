"""The command line: finds the command, reads options, and turns errors into first lines and exit codes.

ConfigArgParse reads options and environment variables; the file is read by `mmcore.config`, because a parser of
arguments can neither say where in a file a value stood nor report more than one fault. ConfigArgParse changes
argparse for the whole process when it is imported, so nothing but this module imports it. What a command does is
imported when it runs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import configargparse

import mmcore
from mmcore import config, credentials
from mmcore.config import SETTINGS, Given, Loaded, Mode, RunOptions
from mmcore.errors import ConfigError, ExitCode, MmcoreError, UsageError, did_you_mean
from mmcore.telemetry.log import Redactor, escape_controls
from mmcore.telemetry.summary import check_writable

_HINT: Final = "'mmcore --help' lists the commands and options"

_MISSING_FOR_LIVE: Final = (
    "guard process: cancels what is left when this program dies or hangs",
    "journal: every order on disk before it is sent, so that a restart knows what may rest",
    "risk controls that look at the account from outside: drop copy, adverse selection",
    "long runs on the testnet",
)

_DESCRIPTION: Final = """\
A market maker for Binance Spot. Without a command it runs: `mmcore --testnet` is `mmcore run --testnet`.

commands:
  run          trade (the default); without a mode, on an exchange it starts on this machine
  venue        start that exchange by itself
  book         read recordings through the book and print one JSON line for each symbol
  replay       run a recorded input log again and print the digest of its actions
  show-config  print every setting and where its value comes from
"""

_DISCLAIMER: Final = """\
This program comes without any warranty. Trading can lose all the money put into it; nothing here is advice.
"""


def _fill_standard_streams() -> None:
    """A descriptor from 0 to 2 that whoever started us has closed would be given to the next socket, and what is meant
    for a person would be written there."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest that is free
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "w", encoding="utf-8"))  # noqa: SIM115 - for the life of the process


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that `argv` (default: the process's own) names. Returns the exit code; `--help` and
    `--version` raise SystemExit, as argparse has it."""
    redactor = Redactor()
    _fill_standard_streams()
    try:
        return int(_dispatch(list(sys.argv[1:] if argv is None else argv), redactor))
    except ConfigError as error:
        for fault in error.faults:
            _complain(str(fault) if fault.file else f"mmcore: error: {fault}", redactor)
        many = f"{len(error.faults)} faults" if len(error.faults) > 1 else "1 fault"
        _complain(f"mmcore: {many} in the settings; nothing was started ('mmcore --help' describes them all)", redactor)
        return error.exit_code
    except MmcoreError as error:
        _complain(f"mmcore: error: {error}", redactor)
        for line in getattr(error, "hint", "").splitlines():
            _complain(f"mmcore: {line}", redactor)
        return error.exit_code
    except Exception as error:
        _complain(f"mmcore: error: internal error: {type(error).__name__}: {error}", redactor)
        sys.stderr.write(redactor.apply(traceback.format_exc()))
        return ExitCode.INTERNAL


def _complain(line: str, redactor: Redactor) -> None:
    sys.stderr.write(escape_controls(redactor.apply(line)) + "\n")


def _dispatch(arguments: list[str], redactor: Redactor) -> int:
    if not arguments or arguments[0].startswith("-"):
        return _run(arguments, redactor)
    command = _COMMANDS.get(arguments[0])
    if command is None:
        word = config.shown_word(arguments[0])
        raise UsageError(f"unknown command {word}{did_you_mean(arguments[0], list(_COMMANDS))}", _HINT)
    return command(arguments[1:], redactor)


def _late(module: str, name: str) -> Any:
    """A command's function, imported only now."""
    return getattr(importlib.import_module(module), name)


# ---- The commands --------------------------------------------------------------------------------------------


def _run(arguments: list[str], redactor: Redactor) -> int:
    usage = "mmcore [COMMAND] [-c FILE] [--demo | --testnet | --live] [OPTION ...]"
    parser = _settings_parser("mmcore", usage, _DESCRIPTION, _add_run_options)
    options, loaded = _parse(parser, arguments)
    mode = loaded.settings.exchange.mode
    if mode is Mode.LIVE:
        missing = "\n".join(f"  missing: {part}" for part in _MISSING_FOR_LIVE)
        raise UsageError(
            f"live trading is not available yet (exchange.mode is live: {loaded.sources['exchange.mode']})",
            f"before real money, these must stand and have passed their tests:\n{missing}",
        )
    duration_s = None if options.duration is None else config.read_duration("--duration", options.duration)
    summary = None if options.summary is None else Path(options.summary)
    if summary is not None:
        check_writable(summary)
    keys = None
    if mode is Mode.DEMO:
        credentials.discard(os.environ)
    else:
        keys = credentials.load(os.environ)
        redactor.add(*keys.secrets)
    run = _late("mmcore.host.supervisor", "run")
    return int(run(loaded.settings, RunOptions(keys, duration_s, summary, options.accept_reset)))


def _show_config(arguments: list[str], redactor: Redactor) -> int:
    present = credentials.presence(os.environ)
    credentials.discard(os.environ)
    parser = _settings_parser(
        "mmcore show-config", "mmcore show-config [-c FILE] [--demo | --testnet | --live] [OPTION ...]",
        "Print every setting, its value and where the value comes from; then which credentials are set, never their "
        "values.",
    )
    _, loaded = _parse(parser, arguments)
    width = max(map(len, present))
    secrets = [f"{name:<{width}}  {'set' if is_set else 'unset'}" for name, is_set in present.items()]
    sys.stdout.write("\n".join([*loaded.lines(), *secrets]) + "\n")
    return ExitCode.DONE


def _venue(arguments: list[str], redactor: Redactor) -> int:
    credentials.discard(os.environ)
    return int(_late("mmcore.venue.cli", "main")(arguments) or 0)


def _book(arguments: list[str], redactor: Redactor) -> int:
    credentials.discard(os.environ)
    parser = _Parser(
        prog="mmcore book", allow_abbrev=False,
        description="Read recordings through the same decoders, sync and book as live trading, and print one JSON line "
        "for each symbol. A recording with a gap or without a usable snapshot has an error and makes the exit code 1.",
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a recording; its format is known by its content")
    paths = [Path(path) for path in _parse_all(parser, arguments).paths]
    return int(_late("mmcore.commands.book", "main")(paths))


def _replay(arguments: list[str], redactor: Redactor) -> int:
    credentials.discard(os.environ)
    parser = _Parser(
        prog="mmcore replay", allow_abbrev=False,
        description="Run an input log written by --record through the engine again and print one JSON line with the "
        "actions_digest.",
    )
    parser.add_argument("path", metavar="FILE", help="the input log")
    path = Path(_parse_all(parser, arguments).path)
    return int(_late("mmcore.commands.replay", "main")(path))


_COMMANDS: Final[dict[str, Callable[[list[str], Redactor], int]]] = {
    "run": _run,
    "venue": _venue,
    "book": _book,
    "replay": _replay,
    "show-config": _show_config,
}


# ---- Options -------------------------------------------------------------------------------------------------


class _Parser(configargparse.ArgumentParser):  # type: ignore[misc]  # the library has no types
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"'{self.prog} --help' lists the options")


class _Version(argparse.Action):
    """Prints the package's version and the C library's build."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        sys.stdout.write(f"mmcore {mmcore.__version__}\n")
        try:
            build = _late("mmcore.core", "build_info")()
        except ImportError as error:
            parser.exit(ExitCode.INTERNAL, f"mmcore: error: the C library cannot be loaded: {error}\n")
        sys.stdout.write(f"{build}\n")
        parser.exit()


def _settings_parser(
    prog: str, usage: str, description: str, add_more: Callable[[_Parser], None] | None = None
) -> _Parser:
    """A parser with an option for every setting, grouped by section."""
    parser = _Parser(
        prog=prog, usage=usage, description=description, epilog=_epilog(), allow_abbrev=False, add_env_var_help=False,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30),
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and the C library's build")
    parser.add_argument(
        "-c", "--config", metavar="FILE", action="append", default=[],
        help=f"read settings from FILE instead of {config.DEFAULT_FILE} (which is read if it exists)",
    )
    modes = parser.add_argument_group("mode", SETTINGS["exchange.mode"].why).add_mutually_exclusive_group()
    for mode in Mode:
        default = " (default)" if mode is SETTINGS["exchange.mode"].default else ""
        modes.add_argument(
            f"--{mode}", dest="exchange.mode", action="store_const", const=mode.value,
            help=f"exchange.mode {mode}{default}",
        )
    if add_more is not None:
        add_more(parser)
    for section in config.SECTIONS:
        group = parser.add_argument_group(section, config.about(section))
        for setting in (row for row in SETTINGS.values() if row.section == section and row.option):
            _add_setting(group, setting)
    return parser


def _add_setting(group: Any, setting: config.Setting) -> None:
    env = f" [environment: {setting.env}]" if setting.env else ""
    text = f"{setting.why} ({setting.allowed}){env}".replace("%", "%%")
    group.add_argument(
        setting.option, dest=setting.key, metavar=setting.metavar, env_var=setting.env or None, help=text
    )


def _add_run_options(parser: _Parser) -> None:
    group = parser.add_argument_group("this run")
    allowed = f"{config.DURATION.range}; default never"
    group.add_argument("--duration", metavar="SECONDS", help=f"stop after this long ({allowed})")
    group.add_argument("--summary", metavar="FILE", help="write one JSON object about the run to FILE at its end")
    group.add_argument(
        "--accept-reset", action="store_true",
        help="trade on although the exchange has reset the account since this run's orders were placed",
    )


def _epilog() -> str:
    variables = [(row.env, f"{row.key}, as {row.option}") for row in SETTINGS.values() if row.env]
    variables += [
        ("API_KEY", "the API key, or API_KEY_FILE with the path of a file that has it"),
        ("API_SECRET", "its secret, or API_SECRET_FILE, or API_PRIVATE_KEY_FILE (Ed25519, PEM)"),
    ]
    lines = ["environment (an empty variable counts as unset; files with secrets must be yours and of mode 0600):"]
    lines += [f"  {name:<15} {what}" for name, what in variables]
    lines += ["", "A command line's value wins over the environment's, that over the file's, that over the default."]
    lines += ["", "exit codes:", *(f"  {code.value}  {code.meaning}" for code in ExitCode), "", _DISCLAIMER]
    return "\n".join(lines)


# ---- From words to settings ----------------------------------------------------------------------------------


def _parse(parser: _Parser, arguments: list[str]) -> tuple[argparse.Namespace, Loaded]:
    """The options, and the settings from file, environment and options. Raises UsageError, ConfigError."""
    options = _parse_all(parser, arguments)
    if len(options.config) > 1:
        raise UsageError("-c is given more than once", "settings are read from one file")
    sources = parser.get_source_to_settings_dict()
    from_environment = sources.get("environment_variables", {})
    givens: list[Given] = []
    for key, row in SETTINGS.items():
        text = vars(options)[key]
        if text is None:
            continue
        if row.env in from_environment:
            givens.append(config.given_variable(key, text))
        else:
            givens.append(config.given_option(key, row.option or f"--{text}", text))
    return options, config.load(options.config[0] if options.config else None, givens)


def _parse_all(parser: _Parser, arguments: list[str]) -> argparse.Namespace:
    names = {row.env for row in SETTINGS.values() if row.env}
    environment = {name: os.environ[name].strip() for name in names if os.environ.get(name, "").strip()}
    options, leftovers = parser.parse_known_args(arguments, env_vars=environment)
    if leftovers:
        _refuse(parser, leftovers)
    namespace: argparse.Namespace = options
    return namespace


def _refuse(parser: _Parser, leftovers: Sequence[str]) -> NoReturn:
    """Says what is wrong with the first word that is no option. Nothing after an "=" is shown: it may be a secret."""
    option = next((word for word in leftovers if word.startswith("-")), None)
    if option is None:
        if leftovers[0] in _COMMANDS:
            raise UsageError(f"the command comes first: mmcore {leftovers[0]} ...", _HINT)
        parser.error(f"unexpected argument {config.shown_word(leftovers[0])}")
    name = option.partition("=")[0]
    if name == "--exchange.mode":
        parser.error("exchange.mode is set by --demo, --testnet or --live")
    if config.SECRET_KEY.search(name):
        raise UsageError(
            f"{name}: there is no option for secrets, as every user of this machine could read it (value not shown)",
            "set API_KEY and API_SECRET, or API_KEY_FILE and API_SECRET_FILE, in the environment",
        )
    known = [option for action in parser._actions for option in action.option_strings]
    plain = name.lstrip("-").lower().replace("-", "_")
    same_name = [row.option for row in SETTINGS.values() if plain in (row.name, row.key) and row.option in known]
    near = f': did you mean "{same_name[0]}"?' if same_name else did_you_mean(name, known)
    parser.error(f"unknown option {name}{near}")
