#!/usr/bin/env python3
"""What size costs: runs bench_mm_book_size and draws its figures.

    python bench/plot.py [--reps 15]

Builds the programs of bench/c as released and writes bench/book_levels.png (an update against the levels a side) and
bench/book_messages.png (a level against the levels in its message). Needs `pip install -e '.[bench]'`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from compare import ROOT, ToolError, build_core

FOLDER = ROOT / "bench"
Curve = list[tuple[int, float, float, float]]
"""Size, then nanoseconds: median, 10th and 90th percentile of the repetitions."""


def measure(program: Path, reps: int) -> dict[str, Curve]:
    """The program's figures by name, each in the order of its sizes. Raises ToolError when it fails."""
    done = subprocess.run([program, "--reps", str(reps)], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise ToolError(f"{program.name} failed (exit {done.returncode}): {done.stderr.strip()}")
    curves: dict[str, Curve] = defaultdict(list)
    for line in done.stdout.splitlines():
        row = json.loads(line)
        curves[row["figure"]].append((int(row["workload"]), row["ns"], row["ns_p10"], row["ns_p90"]))
    return curves


def draw(path: Path, curves: dict[str, Curve], names: dict[str, str], size: str, cost: str) -> None:
    """One picture of the named curves: medians as a line, the 10th to the 90th percentile as a band."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for name, label in names.items():
        sizes, medians, low, high = zip(*curves[name], strict=True)
        axes.plot(sizes, medians, marker="o", markersize=4, label=label)
        axes.fill_between(sizes, low, high, alpha=0.2)
    axes.set(xscale="log", yscale="log", xlabel=size, ylabel=cost, ylim=(1, None))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def main() -> int:
    """Exit code: 0 done, 1 something needed is missing or fails, 2 usage."""
    parser = argparse.ArgumentParser(prog="bench/plot.py", description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=15, help="repetitions of each figure (15)")
    given = parser.parse_args()
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        print("bench/plot.py: matplotlib is not installed: pip install -e '.[bench]'", file=sys.stderr)
        return 1
    try:
        curves = measure(build_core("portable") / "bench_mm_book_size", given.reps)
    except ToolError as error:
        print(f"bench/plot.py: {error}", file=sys.stderr)
        return 1
    draw(FOLDER / "book_levels.png", curves, {"update_by_levels_near": "near the best (100 ticks, cubic)",
                                              "update_by_levels_anywhere": "anywhere in the book"},
         "levels a side", "ns an update, by library call")
    draw(FOLDER / "book_messages.png", curves, {"message_by_levels": "messages on 10,000 levels a side"},
         "levels in the message", "ns a level")
    for name, curve in curves.items():
        print(name, *(f"{size}:{median:.1f}" for size, median, _, _ in curve))
    return 0


if __name__ == "__main__":
    sys.exit(main())
