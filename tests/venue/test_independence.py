"""The venue stands alone: nothing of the bot in it, one place that reads the clock, one that opens sockets."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "mmcore" / "venue").glob("*.py"))
ALLOWED_THIRD_PARTY = {"aiohttp": {"server.py"}, "cryptography": {"signing.py"}}
SHELL = {"server.py", "cli.py"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            yield node.module or ""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_imports_only_the_venue_the_standard_library_and_its_own_tools(path: Path) -> None:
    for name in imports(path):
        top = name.partition(".")[0]
        if top == "mmcore":
            assert name.startswith("mmcore.venue"), f"{path.name} imports {name}"
        elif top not in sys.stdlib_module_names:
            assert path.name in ALLOWED_THIRD_PARTY.get(top, set()), f"{path.name} imports {name}"
        if top == "time":
            assert path.name == "clock.py"
        if top in ("socket", "asyncio", "threading", "datetime"):
            assert path.name in SHELL, f"{path.name} is meant to be pure but imports {name}"


def test_importing_the_venue_loads_neither_the_extension_nor_the_bot() -> None:
    code = (
        "import sys, mmcore.venue.cli;"
        "print(sorted(n for n in sys.modules if n.startswith('mmcore') and not n.startswith('mmcore.venue')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['mmcore']"
