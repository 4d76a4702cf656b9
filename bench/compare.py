#!/usr/bin/env python3
"""mmcore's core beside the reference: the same operations, in turn, in one run, as ratios.

    python bench/compare.py [--json] [--rounds 5] [--reps 7] [--only TEXT] [--adversarial] [--trace NAME=DIR]...

Builds bench/reference/reference.rs (rustc) and the programs of bench/c (cmake, for this machine's CPU and portably),
checks that both sides end with the same books, then runs them in turn and prints one row per figure and workload.
`ratio` is reference ns / mmcore ns, taken round by round: its median, least and largest. How to read it:
bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "compare"
REFERENCE = ROOT / "bench" / "reference" / "reference.rs"
RUSTC_LEAST = (1, 66)
PROGRAMS = ("bench_mm_book", "bench_mm_quote", "bench_mm_spsc")
WITH_TRACES = ("bench_mm_book", "bench_mm_quote")
# The figure of the reference that one of ours is held against, where the name differs.
SAME_AS = {"spsc_throughput_batched": "spsc_throughput"}
VARIANTS = ("_call", "_inlined", "_portable")
ROUND_SECONDS_MAX = 1800

Key = tuple[str, str]


class ToolError(Exception):
    """What is needed to compare is missing or does not work."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure on one workload. ns: median over the rounds."""

    figure: str
    workload: str
    ns: float
    reference_ns: float
    ratio: float
    ratio_min: float
    ratio_max: float


# ---- Programs


def _run(command: Sequence[str | Path], what: str, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False,
                          timeout=ROUND_SECONDS_MAX, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        tail = (done.stderr or done.stdout).strip().splitlines()[-8:]
        raise ToolError(f"{what} failed (exit {done.returncode}):\n" + "\n".join(tail))
    return done


def _tool(name: str, need: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise ToolError(f"{name} is not installed: {need}")
    return path


def build_reference() -> Path:
    """The reference, for this machine's CPU."""
    rustc = _tool("rustc", "the reference is written in Rust; rustc 1.66 or newer is needed")
    said = _run([rustc, "--version"], "rustc --version").stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < RUSTC_LEAST:
        raise ToolError(f"{said.strip()} is too old: rustc 1.66 or newer is needed")
    made = BUILD / "reference"
    if not made.exists() or made.stat().st_mtime < REFERENCE.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        _run([rustc, "--edition", "2021", "-C", "opt-level=3", "-C", "target-cpu=native", "-C", "codegen-units=1",
              REFERENCE, "-o", made], "building the reference")
    return made


def build_core(name: str, *options: str) -> Path:
    """The programs of bench/c; returns their folder."""
    cmake = _tool("cmake", "the programs of bench/c are built with it")
    folder = BUILD / name
    _run([cmake, "-S", ROOT, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DMMCORE_BENCH=ON", "-DMMCORE_TESTS=OFF",
          *options], f"configuring the {name} build")
    _run([cmake, "--build", folder, "--parallel", "2"], f"the {name} build")
    return folder


# ---- The same books


def check_books(reference: Path, core: Path, traces: Sequence[str]) -> list[str]:
    """Each side's final books, line by line. Raises ToolError where they differ."""
    with tempfile.TemporaryDirectory() as folder:
        theirs = _run([reference, *traces, "--dump-traces", folder], "the reference").stderr.splitlines()
    ours = _run([core / "bench_mm_book", "--finals", *traces], "bench_mm_book").stderr.splitlines()
    if not theirs or theirs != ours:
        differs = next((pair for pair in zip(theirs, ours, strict=False) if pair[0] != pair[1]), (theirs, ours))
        raise ToolError(f"the final books differ, so no figure counts:\n  reference {differs[0]}\n"
                        f"  mmcore    {differs[1]}")
    return ours


def adversarial_traces(core: Path) -> list[str]:
    """Writes the workloads made to hurt a book beside the programs; their options for both sides."""
    folder = BUILD / "adversarial"
    folder.mkdir(exist_ok=True)
    names = _run([core / "bench_mm_book", "--dump-adversarial", folder], "bench_mm_book").stdout.split()
    return [part for name in names for part in ("--trace", f"{name}={folder}")]


# ---- Rounds


def _lines(text: str) -> Iterator[tuple[Key, float]]:
    for line in text.splitlines():
        row = json.loads(line)
        yield (row["figure"], row["workload"]), float(row["ns"])


def _measure(folder: Path, programs: Iterable[str], options: Sequence[str], traces: Sequence[str]) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for program in programs:
        given = [*options, *(traces if program in WITH_TRACES else ())]
        found.update(_lines(_run([folder / program, *given], program).stdout))
    return found


def measure(reference: Path, native: Path, portable: Path, rounds: int, reps: int, only: str,
            traces: Sequence[str]) -> list[Row]:
    """All rounds; within each the programs follow one another closely."""
    options = ["--reps", str(reps), "--only", only]
    taken: dict[Key, list[tuple[float, float]]] = defaultdict(list)
    for number in range(1, rounds + 1):
        print(f"round {number} of {rounds}", file=sys.stderr)
        theirs: dict[Key, float] = {}
        for program in PROGRAMS:  # the reference's share of each program right before it
            figures = _figures_of(program, only)
            if not figures:
                continue
            for figure in figures:
                said = _run([reference, "--reps", str(reps), "--only", figure, *traces], "the reference").stdout
                theirs.update(_lines(said))
            ours = _measure(native, [program], options, traces)
            ported = _measure(portable, [program], options, traces)
            _pair(taken, ours, theirs, "")
            _pair(taken, ported, theirs, "_portable")
    return [_row(key, pairs) for key, pairs in taken.items()]


_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "bench_mm_book": ("updates", "best_bid_ask", "mid", "spread", "imbalance5", "vwap"),
    "bench_mm_quote": ("quote",),
    "bench_mm_spsc": ("spsc",),
}
"""Parts of the reference's figure names that a program of ours is held against; `updates` covers mixed, bid and ask."""


def _figures_of(program: str, only: str) -> list[str]:
    return [part for part in _FAMILIES[program] if not only or part in only or only in part]


def _pair(taken: dict[Key, list[tuple[float, float]]], ours: Mapping[Key, float], theirs: Mapping[Key, float],
          suffix: str) -> None:
    for (figure, workload), ns in ours.items():
        plain = figure
        for variant in VARIANTS:
            plain = plain.removesuffix(variant)
        reference_ns = theirs.get((SAME_AS.get(plain, plain), workload))
        if reference_ns is not None and ns > 0:
            taken[figure + suffix, workload].append((ns, reference_ns))


def _row(key: Key, pairs: Sequence[tuple[float, float]]) -> Row:
    ratios = sorted(reference / ours for ours, reference in pairs)
    return Row(key[0], key[1], round(statistics.median(ours for ours, _ in pairs), 3),
               round(statistics.median(reference for _, reference in pairs), 3), round(statistics.median(ratios), 3),
               round(ratios[0], 3), round(ratios[-1], 3))


# ---- Telling


def _print(rows: Sequence[Row], as_json: bool) -> None:
    if as_json:
        for row in rows:
            print(json.dumps(asdict(row)))
        return
    print(f"{'figure':34} {'workload':24} {'ns':>9} {'reference_ns':>12} {'ratio':>7} {'ratio_min':>9} "
          f"{'ratio_max':>9}")
    for row in rows:
        print(f"{row.figure:34} {row.workload:24} {row.ns:9.2f} {row.reference_ns:12.2f} {row.ratio:7.2f} "
              f"{row.ratio_min:9.2f} {row.ratio_max:9.2f}")


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{value}: 1 to 1000")
    return value


def _trace(text: str) -> str:
    name, equals, folder = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text}: NAME=DIR")
    files = [Path(folder, f"{name}.{part}.bin") for part in ("init", "ops")]
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise argparse.ArgumentTypeError(f"{text}: there is no {missing[0]}")
    return text


def main() -> int:
    """Exit code: 0 done, 1 something needed is missing or the books differ, 2 usage."""
    parser = argparse.ArgumentParser(prog="bench/compare.py", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--rounds", type=_count, default=5, help="how often all programs run in turn (5)")
    parser.add_argument("--reps", type=_count, default=7, help="repetitions within a program (7)")
    parser.add_argument("--only", default="", metavar="TEXT", help="figures whose name contains this")
    parser.add_argument("--adversarial", action="store_true",
                        help="also a jump of 30 %% and back, 999,000 levels a side, levels worst first, a sparse book, "
                             "prices at both ends of int64 (--only updates: the queries are the same on all)")
    parser.add_argument("--trace", action="append", default=[], type=_trace, metavar="NAME=DIR",
                        help="a recorded workload: DIR/NAME.init.bin and DIR/NAME.ops.bin")
    given = parser.parse_args()
    traces = [part for trace in given.trace for part in ("--trace", trace)]
    try:
        reference = build_reference()
        native = build_core("native", "-DMMCORE_NATIVE=ON")
        portable = build_core("portable")
        if given.adversarial:
            traces += adversarial_traces(native)
        for line in check_books(reference, native, traces):
            print(f"equal books: {line}", file=sys.stderr)
        _print(measure(reference, native, portable, given.rounds, given.reps, given.only, traces), given.json)
    except ToolError as error:
        print(f"bench/compare.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
