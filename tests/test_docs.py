"""What the documentation says is there is there: links, files, commands, options, and the tables made from code."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import io
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from mmcore._native import lib
from mmcore.cli import _COMMANDS, main
from mmcore.config import SETTINGS
from mmcore.core.engine import reason_name, reason_text, state_name
from mmcore.core.kinds import EngineState
from mmcore.errors import ExitCode
from mmcore.telemetry.summary import ExitReason, RunSummary, Stage

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "config" / "README.md",
                *ROOT.glob("bench/*.md"), *ROOT.glob("examples/**/*.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_PATH = re.compile(r"(?:\.ci|bench|cmake|config|csrc|docs|examples|mmcore|tests|tools)/[\w./-]*\w")
_WORD = re.compile(r"[a-z][a-z-]*")


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=page_id)


# ---- Links and files -----------------------------------------------------------------------------------------


def anchor_of(heading: str) -> str:
    """As GitHub makes it: lower case, no punctuation, dashes for blanks."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def anchors_of(page: Path) -> set[str]:
    return {anchor_of(heading) for heading in _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))}


@every_page
def test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(page: Path) -> None:
    broken = []
    for target in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in anchors_of(file)):
            broken.append(target)
    assert broken == []


@every_page
def test_every_file_named_in_code_type_exists(page: Path) -> None:
    named = {word for text in _CODE.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
             for word in text.split() if _PATH.fullmatch(word)}
    assert sorted(word for word in named if not (ROOT / word).exists()) == []


# ---- Commands ------------------------------------------------------------------------------------------------


def shell_lines(text: str) -> Iterator[str]:
    """Every command a page shows, in blocks and in running text."""
    for language, block in _FENCE.findall(text):
        if language == "sh":
            yield from (part.strip() for line in block.splitlines()
                        for part in re.split(r"&&|\|", line.partition(" #")[0]))
    yield from _CODE.findall(_FENCE.sub("", text))


def mmcore_words(line: str) -> list[str] | None:
    """The words behind `mmcore` in a line that runs it, with or without variables and a path in front."""
    words = shlex.split(line, comments=True) if "`" not in line and line.count("'") % 2 == 0 else []
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    if len(words) > 2 and Path(words[0]).name.startswith("python") and words[1:3] == ["-m", "mmcore"]:
        return words[3:]
    return words[1:] if words and words[0].rpartition("/")[2] == "mmcore" else None


def documented_runs() -> list[tuple[Path, str, list[str]]]:
    return [(page, line, words) for page in PAGES for line in shell_lines(page.read_text(encoding="utf-8"))
            if (words := mmcore_words(line)) is not None]


@cache
def options_of(command: str) -> frozenset[str]:
    """What a command's own --help lists."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*([] if command == "run" else [command]), "--help"])
    return frozenset(re.findall(r"(?<![\w-])--?[a-zA-Z][\w.-]*", out.getvalue()))


def test_the_readme_runs_the_bot_and_the_tests() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = "".join(block for language, block in _FENCE.findall(text) if language == "sh")
    assert "python -m mmcore" in blocks
    assert "pytest" in blocks


def test_every_command_and_option_of_a_documented_run_exists() -> None:
    runs = documented_runs()
    assert len(runs) >= 10
    wrong = []
    for page, line, words in runs:
        placeholder = bool(words) and (words[0].isupper() or words[0].startswith("["))
        command = words[0] if words and _WORD.fullmatch(words[0]) else "run"
        known = command in _COMMANDS
        options = [word.partition("=")[0] for word in words if word.startswith("-") and word.strip("-") != ""]
        unknown = [option for option in options if not known or option not in options_of(command)]
        if not placeholder and (not known or unknown):
            wrong.append((page_id(page), line, unknown or command))
    assert wrong == []


def test_every_module_that_is_run_exists() -> None:
    run = re.compile(r"python3? -m (mmcore[\w.]*)")
    named = {name for page in PAGES for name in run.findall(page.read_text(encoding="utf-8"))}
    assert "mmcore" in named
    assert [name for name in sorted(named) if importlib.util.find_spec(name) is None] == []


def test_every_make_verb_that_is_named_exists() -> None:
    verbs = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {match for page in PAGES for line in shell_lines(page.read_text(encoding="utf-8"))
             for match in re.findall(r"^make ([a-z0-9-]+)", line)}
    assert named
    assert sorted(named - verbs) == []


@every_page
def test_every_setting_named_exists(page: Path) -> None:
    sections = {row.section for row in SETTINGS.values()}
    known = {row.name for row in SETTINGS.values()} | set(SETTINGS)
    named = {word for text in _CODE.findall(page.read_text(encoding="utf-8")) for word in text.split()
             if re.fullmatch(r"[a-z]+\.[a-z][\w]*", word) and word.partition(".")[0] in sections}
    files = {word for word in named if word.endswith((".py", ".json", ".md", ".log"))}
    assert sorted(named - known - files) == []


# ---- Tables made from code -----------------------------------------------------------------------------------


def check_table(page: str, name: str, made: str) -> None:
    """What stands between a page's markers is what the code makes."""
    text = (ROOT / page).read_text(encoding="utf-8")
    match = re.search(rf"<!-- {name}:begin -->\n(.*?)<!-- {name}:end -->", text, re.DOTALL)
    assert match is not None, f"{page} has no markers {name}"
    assert match.group(1) == made, f"between the markers {name} of {page} must stand:\n{made}"


def table(head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [head, ("---", "---"), *rows]
    return "".join(f"| {left} | {right} |\n" for left, right in lines)


def first_column(page: str, heading: str) -> list[str]:
    """The names in the first column of the first table behind a heading; a page's title is a heading too."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}$.*?((?:^\|[^\n]*\n)+)", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return re.findall(r"^\| `(\w+)` \|", found.group(1), re.MULTILINE)


def test_the_table_of_reasons_is_the_librarys_list() -> None:
    rows = [(f"`{reason_name(number)}`", reason_text(number)) for number in range(1, lib.MM_REASON_COUNT)]
    check_table("docs/concepts/orders.md", "reasons", table(("reason", "in words"), rows))


def test_the_table_of_exit_codes_is_the_programs_list() -> None:
    rows = [(str(code.value), code.meaning) for code in ExitCode]
    check_table("docs/reference/cli.md", "exit-codes", table(("code", "meaning"), rows))


def test_the_summary_page_explains_every_field_reason_and_stage_in_their_order() -> None:
    page = "docs/reference/summary.md"
    fields = [field.name.removesuffix("_e8") for field in dataclasses.fields(RunSummary)]
    assert first_column(page, "The run summary") == fields
    assert first_column(page, "exit_reason") == [str(reason) for reason in ExitReason]
    assert first_column(page, "latency_ns") == [str(stage) for stage in Stage]


def test_the_command_page_has_a_section_for_every_command() -> None:
    text = (ROOT / "docs/reference/cli.md").read_text(encoding="utf-8")
    assert set(_COMMANDS) <= set(re.findall(r"^## (.+)$", text, re.MULTILINE))


def test_the_start_page_names_every_state() -> None:
    text = (ROOT / "docs/start.md").read_text(encoding="utf-8")
    names = {state_name(state) for state in EngineState}
    assert {name for name in names if f"`{name}`" not in text} == set()
