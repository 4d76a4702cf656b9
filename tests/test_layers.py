"""The floors of the house: a file uses only what stands on its own floor or below, and nothing goes round in circles.

C: a function's file is found from the function's name, and each file stands on a floor. Python: each module names the
modules it may import. A new file belongs to no floor until it is entered here, and fails the test until then.
"""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model.memory.check import broken_source, mutants

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "csrc" / "src"
PACKAGE = ROOT / "mmcore"

# ---- C ---------------------------------------------------------------------------------------------------------------

C_FLOORS = [
    {"abi", "base", "fixed", "grid", "memory"},
    {"spsc", "event", "role", "pool", "tree", "hist"},
    {"utf8", "ws", "json", "feed", "sbe", "book", "sync", "arbiter"},
    {"signal", "symbol"},
    {"order", "ledger", "budget", "risk", "quote", "plan"},
    {"engine", "sim"},
    {"gate", "log", "loop"},
]
C_FLOOR = {noun: floor for floor, nouns in enumerate(C_FLOORS) for noun in nouns}

# Nouns whose functions live in another noun's file.
C_HOMES = {
    **dict.fromkeys(("version", "abi", "build", "status", "reason", "panic"), "base"),
    "orders": "order",
    "state": "engine",
}

# What a floor that must stay a pure function of its inputs may take from the C library.
PURE_HEADERS = {
    "errno.h",
    "float.h",
    "limits.h",
    "math.h",
    "stdbool.h",
    "stddef.h",
    "stdint.h",
    "string.h",
}
PURE_FLOORS = range(2, 6)

_C_TEXT = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
_DEFINITION = re.compile(r"^(?!static\b|typedef\b)[a-z][\w \t*]*?\b(mm_\w+)\([^;{}]*\)\s*\{", re.MULTILINE)
_USE = re.compile(r"\b(mm_\w+)\s*\(")


def c_sources() -> list[Path]:
    return sorted(SOURCES.glob("mm_*.c"))


def noun_of(path: Path) -> str:
    """mm_book.c, mm_book.h -> book; a file mm_book_window.c is part of book."""
    return path.stem.removeprefix("mm_").split("_")[0]


def code_of(path: Path) -> str:
    return _C_TEXT.sub('""', path.read_text(encoding="utf-8"))


def home_of(function: str) -> str:
    """mm_book_best, mm__book_slot -> book."""
    noun = function.removeprefix("mm_").removeprefix("_").split("_")[0]
    return C_HOMES.get(noun, noun)


def c_uses() -> Iterator[tuple[Path, str, str]]:
    """(file, function it uses, noun of that function) for functions of other files."""
    defined = {name: path for path in c_sources() for name in _DEFINITION.findall(code_of(path))}
    for path in c_sources():
        for name in sorted(set(_USE.findall(code_of(path)))):
            if name in defined and noun_of(defined[name]) != noun_of(path):
                yield path, name, noun_of(defined[name])


def test_every_c_file_stands_on_a_floor() -> None:
    assert c_sources()
    assert [path.name for path in c_sources() if noun_of(path) not in C_FLOOR] == []


def test_a_function_is_defined_in_the_file_its_name_tells() -> None:
    strays = [
        f"{name} in {path.name}"
        for path in c_sources()
        for name in _DEFINITION.findall(code_of(path))
        if home_of(name) != noun_of(path)
    ]
    assert strays == []


def test_c_code_calls_nothing_from_a_higher_floor() -> None:
    climbs = [
        f"{path.name} (floor {C_FLOOR[noun_of(path)]}) calls {name} (floor {C_FLOOR[noun]})"
        for path, name, noun in c_uses()
        if C_FLOOR[noun] > C_FLOOR[noun_of(path)]
    ]
    assert climbs == []


def test_c_files_do_not_call_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path, _, noun in c_uses():
        graph.setdefault(noun_of(path), set()).add(noun)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_c_files_include_only_the_public_header_and_private_ones_from_below() -> None:
    wrong = []
    for path in [*c_sources(), *sorted(SOURCES.glob("*.h"))]:
        for quote, name in _INCLUDE.findall(path.read_text(encoding="utf-8")):
            if quote == "<" or name in {"mmcore.h", "mm_internal.h"}:
                continue
            private = SOURCES / name
            if not private.is_file() or C_FLOOR.get(noun_of(private), 99) > C_FLOOR.get(noun_of(path), 99):
                wrong.append(f"{path.name} includes {name}")
    assert wrong == []


def test_the_floors_from_decoders_to_engine_touch_no_clock_no_heap_and_no_system() -> None:
    wrong = [
        f"{path.name} includes <{name}>"
        for path in c_sources()
        if C_FLOOR.get(noun_of(path)) in PURE_FLOORS
        for quote, name in _INCLUDE.findall(path.read_text(encoding="utf-8"))
        if quote == "<" and name not in PURE_HEADERS
    ]
    assert wrong == []


def test_every_atomic_access_goes_through_the_shim() -> None:
    """Or the model check of tests/model/memory does not see it."""
    wrong = [
        path.name
        for path in [*c_sources(), *sorted(SOURCES.glob("*.h"))]
        if path.name != "mm_internal.h" and re.search(r"\b__(atomic|sync)_|\b_Atomic\b|stdatomic", code_of(path))
    ]
    assert wrong == []


def test_every_rule_that_the_model_check_breaks_is_still_in_its_source() -> None:
    """Here too, because it takes no time and the model check half a minute."""
    for mutant in mutants():
        assert broken_source(mutant)


def test_only_the_memory_file_allocates() -> None:
    allocating = re.compile(r"\b(malloc|calloc|realloc|posix_memalign|aligned_alloc|free|alloca)\s*\(")
    wrong = [path.name for path in c_sources() if noun_of(path) != "memory" and allocating.search(code_of(path))]
    assert wrong == []


# ---- Python ----------------------------------------------------------------------------------------------------------

BASE = {"addresses", "errors", "units"}
CORE = BASE | {"_native", "core"}
EXCHANGE_BASE = BASE | {"credentials", "exchange.base", "exchange.channel", "exchange.http", "exchange.net"}
BINANCE_LOWER = {"exchange.binance.signing", "exchange.binance.filters", "exchange.binance.protocol"}
BELOW_HOST = BASE | {"credentials", "config", "core", "strategy", "exchange", "telemetry"}

# Module or package -> what of mmcore it may import besides its own package; the longest name that fits decides.
PYTHON_MAY = {
    "addresses": set[str](),
    "errors": set[str](),
    "units": {"errors"},
    "_native": set[str](),
    "core": BASE | {"_native"},
    "strategy": BASE | {"core"},
    "exchange": EXCHANGE_BASE,
    "exchange.base": BASE,
    "exchange.binance": EXCHANGE_BASE | {"exchange.binance"},
    **dict.fromkeys(BINANCE_LOWER, EXCHANGE_BASE | BINANCE_LOWER),
    "credentials": BASE,
    "config": BASE | {"credentials"},
    "telemetry": BASE | {"credentials", "config", "core"},
    "host": BELOW_HOST,
    "venue": set[str](),
    "commands": BELOW_HOST | {"host", "venue"},
    "cli": BELOW_HOST | {"host", "commands", "venue"},
    "__main__": {"cli"},
    "__init__": BELOW_HOST | {"host"},  # lazily: see the tests below
}

TIME_CALLERS = {"host.clock", "venue.clock"}


@functools.cache
def python_modules() -> dict[str, ast.Module]:
    """Dotted name under mmcore ("host.clock", "core" for core/__init__) -> its syntax tree."""
    modules = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        modules[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return modules


def imports_of(name: str, tree: ast.Module) -> Iterator[str]:
    """Full dotted names a module imports, relative ones resolved; `from a import b` gives a.b."""
    is_package = (PACKAGE / Path(*name.split(".")) / "__init__.py").is_file()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                parts = ["mmcore", *(name.split(".") if name != "__init__" else [])]
                parts = parts[: len(parts) - (node.level - (1 if is_package or name == "__init__" else 0))]
                source = ".".join([*parts, source] if source else parts)
            yield from (f"{source}.{alias.name}" for alias in node.names)


def inside(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def parts_of(rule: str) -> set[str]:
    """A module may be split: config.py, config_file.py and so on stand on one floor."""
    return {name for name in python_modules() if name.startswith(rule + "_")}


def rule_of(name: str) -> str | None:
    """The longest entry of PYTHON_MAY that covers a module; None if there is none."""
    covers = (rule for rule in PYTHON_MAY if inside(name, rule) or name.startswith(rule + "_"))
    return max(covers, key=len, default=None)


def test_every_python_module_stands_on_a_floor() -> None:
    modules = python_modules()
    assert modules
    assert [name for name in modules if rule_of(name) is None] == []


def test_python_modules_import_nothing_from_a_higher_floor() -> None:
    wrong = []
    for name, tree in python_modules().items():
        rule = rule_of(name)
        if rule is None:
            continue
        allowed = PYTHON_MAY[rule] | parts_of(rule) | {rule}
        for imported in imports_of(name, tree):
            target = imported.removeprefix("mmcore.")
            if not imported.startswith("mmcore.") or target.startswith("__"):
                continue
            if name == "_native" and inside(target, "_core"):
                continue
            if not any(inside(target, prefix) for prefix in allowed):
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


def test_python_modules_do_not_import_each_other_in_a_circle() -> None:
    modules = python_modules()
    graph: dict[str, set[str]] = {}
    for name, tree in modules.items():
        if name == "__init__":
            continue
        for imported in imports_of(name, tree):
            target = imported.removeprefix("mmcore.")
            while target and target not in modules:
                target = target.rpartition(".")[0]
            if imported.startswith("mmcore.") and target and target != name:
                graph.setdefault(name, set()).add(target)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_only_core_uses_the_c_library() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, tree in python_modules().items()
        for imported in imports_of(name, tree)
        if (inside(imported, "mmcore._native") and not inside(name, "core") and name != "_native")
        or (inside(imported, "mmcore._core") and name != "_native")
    ]
    assert wrong == []


def test_only_the_clocks_read_the_time() -> None:
    wrong = []
    for name, tree in python_modules().items():
        if name in TIME_CALLERS:
            continue
        wrong += [f"{name} imports {imported}" for imported in imports_of(name, tree) if inside(imported, "time")]
        wrong += [
            f"{name}:{node.lineno} calls .{node.func.attr}()"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"now", "utcnow", "today"}
            and isinstance(node.func.value, ast.Name | ast.Attribute)
            and ast.unparse(node.func.value) in {"datetime", "datetime.datetime", "date", "datetime.date"}
        ]
    assert wrong == []


def test_the_venue_imports_nothing_else_of_the_package() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, tree in python_modules().items()
        if inside(name, "venue")
        for imported in imports_of(name, tree)
        if inside(imported, "mmcore") and not inside(imported, "mmcore.venue")
    ]
    assert wrong == []


@pytest.mark.parametrize("package", ["mmcore", "mmcore.venue"])
def test_importing_the_package_or_the_venue_does_not_load_the_extension(package: str) -> None:
    program = f"import sys, {package}; print([n for n in sys.modules if n in ('mmcore._core', 'mmcore._native')])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"


def test_live_code_does_not_import_the_venue_or_its_server_library() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, tree in python_modules().items()
        if not inside(name, "venue")
        for imported in imports_of(name, tree)
        if inside(imported, "aiohttp")
        or (inside(imported, "mmcore.venue") and name.split(".")[0] not in {"cli", "commands"})
    ]
    assert wrong == []
