#!/usr/bin/env python3
"""Instructions of the core's figures, before a change and after it, in one run.

    python bench/count.py [--base REVISION] [--json]

Builds the programs of bench/c as released, of this tree and of REVISION, and counts with valgrind what each figure
executes per operation: no other work on the machine changes that number. Exits with 1 when a figure costs more than
3 % more than before. REVISION is, when not named, where this branch left `origin/main`, or the commit before this one
on that branch itself. A change that must cost more says so in a line of its commit message: `Slower: FIGURE, REASON`.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1.03
# Program -> figures counted: parts of their names.
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "bench_mm_book": ("mixed_updates", "imbalance5", "vwap10"),
    "bench_mm_quote": ("quote",),
    "bench_mm_feed": ("decode_depth",),
    "bench_mm_sbe": ("",),
}
BODY = "mm_bench_body"
SECONDS_MAX = 600

Key = tuple[str, str]


class ToolError(Exception):
    """What is needed to count is missing or does not work."""


class NothingToCompare(Exception):
    """There is no earlier commit here, or one from before the benches could count."""


@dataclass(frozen=True, slots=True)
class Row:
    """Instructions per operation of one figure on one workload."""

    figure: str
    workload: str
    base: float
    head: float
    ratio: float


def _run(what: str, *command: str | Path, cwd: Path = ROOT) -> str:
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, cwd=cwd,
                              timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise ToolError(f"{what} took more than {SECONDS_MAX} s") from None
    if done.returncode != 0:
        tail = (done.stderr or done.stdout).strip().splitlines()[-8:]
        raise ToolError(f"{what} failed (exit {done.returncode}):\n" + "\n".join(tail))
    return done.stdout


def _tools() -> None:
    for name in ("git", "cmake", "valgrind"):
        if shutil.which(name) is None:
            raise ToolError(f"{name} is not installed")


# ---- What is compared


def base_revision() -> str:
    """Raises NothingToCompare."""
    head = _commit("rev-parse", "HEAD")
    for candidate in (("merge-base", "HEAD", "origin/main"), ("rev-parse", "HEAD~1")):
        found = _commit(*candidate)
        if found and found != head:
            return found
    raise NothingToCompare("there is no earlier commit")


def _commit(*question: str) -> str:
    try:
        return _run("git", "git", *question).strip()
    except ToolError:
        return ""


def _check_counts(base: str) -> None:
    if "--count" not in _run("git show", "git", "show", f"{base}:bench/c/mm_bench.h"):
        raise NothingToCompare(f"{base} is from before the benches could count")


def accepted(base: str) -> list[str]:
    """Figures whose higher cost a commit since `base` gives a reason for."""
    log = _run("git log", "git", "log", "--format=%B", f"{base}..HEAD")
    return re.findall(r"^Slower: ([\w-]+), \S", log, re.MULTILINE)


def build(source: Path, folder: Path) -> None:
    """The programs of one tree, as the library is released."""
    _run("cmake", "cmake", "-S", source, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DMMCORE_BENCH=ON",
         "-DMMCORE_TESTS=OFF")
    _run("the build", "cmake", "--build", folder, "--target", *PROGRAMS)


# ---- Counting


def _lines(text: str) -> list[tuple[Key, int]]:
    rows = [json.loads(line) for line in text.splitlines()]
    return [((row["figure"], row["workload"]), int(row["ops"])) for row in rows]


def _total(path: Path) -> int:
    found = re.search(r"^totals: (\d+)", path.read_text(encoding="ascii"), re.MULTILINE)
    if found is None:
        raise ToolError(f"{path.name} has no total")
    return int(found[1])


def _count(program: Path, only: str) -> Iterator[tuple[Key, float]]:
    """Figure by figure, in the order the program prints them: each is one call of BODY."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "counts"
        text = _run(program.name, "valgrind", "--tool=callgrind", "--collect-atstart=no", f"--toggle-collect={BODY}",
                    f"--dump-after={BODY}", f"--callgrind-out-file={out}", program, "--count", "--only", only)
        lines = _lines(text)
        if len(list(out.parent.glob("counts.*"))) != len(lines):
            raise ToolError(f"{program.name}: valgrind saw another number of figures than the program printed")
        for number, (key, operations) in enumerate(lines, start=1):
            yield key, _total(out.with_suffix(f".{number}")) / operations


def count(folder: Path) -> dict[Key, float]:
    """Instructions per operation of every figure of a build."""
    found: dict[Key, float] = {}
    for program, parts in PROGRAMS.items():
        for only in parts:
            found.update(_count(folder / program, only))
    return found


def _counts_of(source: Path, folder: Path) -> dict[Key, float]:
    build(source, folder)
    return count(folder)


def compare(base: str) -> list[Row]:
    """Figures that both revisions have, each counted in both; the two side by side."""
    _check_counts(base)
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "base"
        _run("git worktree", "git", "worktree", "add", "--detach", tree, base)
        try:
            with ThreadPoolExecutor(2) as both:
                counts = both.map(_counts_of, (ROOT, tree), (Path(scratch) / "head", Path(scratch) / "before"))
                head, before = counts
        finally:
            _run("git worktree", "git", "worktree", "remove", "--force", tree)
    return [Row(*key, round(before[key], 2), round(head[key], 2), round(head[key] / before[key], 4))
            for key in head if key in before]


# ---- Telling


def _print(rows: Sequence[Row], as_json: bool) -> None:
    if as_json:
        for row in rows:
            print(json.dumps(asdict(row)))
        return
    print(f"{'figure':28} {'workload':12} {'base':>10} {'head':>10} {'ratio':>7}  (instructions per operation)")
    for row in rows:
        print(f"{row.figure:28} {row.workload:12} {row.base:10.2f} {row.head:10.2f} {row.ratio:7.3f}")


def main() -> int:
    """Exit code: 0 no figure costs more, 1 one does or something needed is missing, 2 usage."""
    parser = argparse.ArgumentParser(prog="bench/count.py", description=__doc__.splitlines()[0])
    parser.add_argument("--base", metavar="REVISION", help="what to compare with (where this branch began)")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    given = parser.parse_args()
    try:
        _tools()
        base = given.base or base_revision()
        rows = compare(base)
        allowed = accepted(base)
    except NothingToCompare as error:
        print(f"bench/count.py: nothing to compare with: {error}", file=sys.stderr)
        return 0
    except ToolError as error:
        print(f"bench/count.py: {error}", file=sys.stderr)
        return 1
    _print(rows, given.json)
    slower = [row for row in rows if row.ratio > LIMIT and row.figure not in allowed]
    for row in slower:
        print(f"bench/count.py: {row.figure} on {row.workload} executes {row.head} instructions, {row.base} before: "
              f"more than {LIMIT - 1:.0%} above", file=sys.stderr)
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
