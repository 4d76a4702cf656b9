"""Fail when a test run left branches of csrc/ untaken: python tools/branch_coverage.py BUILD_DIR [--most COUNT].

Reads what a build of the preset `coverage` counted, through gcov's JSON. A function that several programs compiled
(an inline function of a header, a file that a test includes) counts as taken where any of them took it. Prints
`file:line: what is missed` and the totals, and exits with 1 when more than COUNT (0) branches are not taken.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "csrc"

# (file, line, number of branches) -> function, times the line ran, times each branch was taken. The number is part of
# the key, as the same line may be compiled to other branches where a macro differs.
Counts = dict[tuple[str, int, int], tuple[str, int, list[int]]]


def reports(build_dir: Path) -> Iterator[dict[str, Any]]:
    """What gcov says of each object file that ran."""
    data = sorted(str(path) for path in build_dir.rglob("*.gcda"))
    if not data:
        sys.exit(f"{build_dir}: nothing was counted; build the preset `coverage` and run its tests first")
    command = ["gcov", "--json-format", "--branch-probabilities", "--stdout", *data]
    run = subprocess.run(command, capture_output=True, cwd=build_dir)
    if run.returncode != 0:
        sys.exit(run.stderr.decode(errors="replace")[-2000:])
    for line in run.stdout.splitlines():
        if line:
            yield json.loads(line)


def merged(build_dir: Path) -> Counts:
    counts: Counts = {}
    for report in reports(build_dir):
        for source in report["files"]:
            path = Path(report["current_working_directory"], source["file"]).resolve()
            if not path.is_relative_to(MEASURED):
                continue
            for line in source["lines"]:
                taken = [branch["count"] for branch in line["branches"]]
                key = (str(path.relative_to(ROOT)), line["line_number"], len(taken))
                function, ran, before = counts.get(key, (line.get("function_name", "?"), 0, [0] * len(taken)))
                counts[key] = (function, ran + line["count"], [a + b for a, b in zip(before, taken, strict=True)])
    return counts


def main(build_dir: Path, most: int) -> int:
    counts = merged(build_dir)
    missed = []
    for (path, number, branch_count), (function, ran, taken) in sorted(counts.items()):
        untaken = taken.count(0)
        if ran == 0:
            missed.append(f"{path}:{number}: never runs, in {function}")
        elif untaken:
            missed.append(f"{path}:{number}: {untaken} of {branch_count} branches not taken, in {function}")
    print("\n".join(missed))
    branches = [count for _, _, taken in counts.values() for count in taken]
    covered = len(branches) - branches.count(0)
    share = 100.0 * covered / max(len(branches), 1)
    print(
        f"{len(counts)} lines, {covered} of {len(branches)} branches taken ({share:.2f} %), {len(missed)} lines missed"
    )
    return 0 if branches and branches.count(0) <= most else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("build_dir", type=Path)
    parser.add_argument("--most", type=int, default=0)
    options = parser.parse_args()
    sys.exit(main(options.build_dir.resolve(), options.most))
