"""Model check of the ring, the event count and the roles.

The library's own source is run through every schedule and every stale read (explorer.c). Then everything that makes it
right is broken, one thing at a time, and each break has to be found out: each memory order of the source, and each rule
of mutants.txt.

    python tests/model/memory/check.py [--deep] [--build DIR]

Prints a line for each exploration: unit, promise, sizes, states, steps, ends, longest run. Exit status 1 when a promise
does not hold or a break is not found out. Needs gcc, and nothing of Python but its library.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SOURCES = ROOT / "csrc" / "src"

FLAGS = [
    *("-std=c99", "-g", "-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Werror"),
    "-Wno-missing-field-initializers",
    *("-U_FORTIFY_SOURCE", "-fno-stack-protector", '-DMM_MODEL="model.h"', "-DMM_STATIC", "-D_GNU_SOURCE"),
    *(f"-I{path}" for path in (ROOT / "csrc" / "include", SOURCES, HERE)),
]
# The instrumentation of ThreadSanitizer without its runtime: explorer.c answers the calls.
EXPLORED = ["-O1", "-fsanitize=thread", "-Dmemcpy=model_memcpy", "-Dmemset=model_memset"]

# Unit of `model --unit`, its scenarios' file, and the macro by which that file includes a source of the library.
UNITS = {
    "litmus": ("check_litmus", ""),
    "spsc": ("check_spsc", "MODEL_SPSC_SOURCE"),
    "event": ("check_event", "MM_EVENT_SOURCE"),
    "portable": ("check_portable", "MM_EVENT_SOURCE"),
    "role": ("check_role", "MODEL_ROLE_SOURCE"),
}


@dataclass(frozen=True)
class Mutant:
    """A rule of a source, broken: `old` stands there exactly once, as whole lines."""

    unit: str
    file: str
    rule: str
    old: str
    new: str


def mutants() -> list[Mutant]:
    """Those of mutants.txt, once for each unit they name."""
    found = []
    blocks = (HERE / "mutants.txt").read_text(encoding="utf-8").split("\n= ")[1:]
    for block in blocks:
        head, *lines = block.rstrip("\n").split("\n")
        match = re.fullmatch(r"(\S+) \[([a-z ]+)\] (.+)", head)
        if match is None or any(line[:1] not in ("-", "+", " ") for line in lines):
            raise SystemExit(f"mutants.txt: not understood:\n= {block}")
        old = "\n".join(line[1:] for line in lines if line[0] != "+")
        new = "\n".join(line[1:] for line in lines if line[0] != "-")
        found += [Mutant(unit, match[1], match[3], f"\n{old}\n", f"\n{new}\n") for unit in match[2].split()]
    return found


def run(command: list[str | Path]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{result.stderr}")


def compile_explored(source: Path, made: Path, extra: Sequence[str] = ()) -> None:
    run(["gcc", *FLAGS, *EXPLORED, *extra, "-c", source, "-o", made])


def link(objects: Iterable[Path], made: Path) -> None:
    """Bound at once: what the lazy way leaves on a coroutine's stack would make states of no meaning."""
    run(["gcc", *objects, "-Wl,-z,now", "-lm", "-o", made])


def build(where: Path) -> dict[str, Path]:
    """The program `model` and its parts by name."""
    where.mkdir(parents=True, exist_ok=True)
    objects = {name: where / f"{name}.o" for name in ("explorer", "mm_memory", *UNITS)}
    run(["gcc", *FLAGS, "-O2", "-c", HERE / "explorer.c", "-o", objects["explorer"]])
    run(["gcc", *FLAGS, "-O2", "-c", SOURCES / "mm_memory.c", "-o", objects["mm_memory"]])
    for unit, (file, _) in UNITS.items():
        compile_explored(HERE / f"{file}.c", objects[unit])
    link(objects.values(), where / "model")
    return objects


def broken_source(mutant: Mutant) -> str:
    """The source with the rule broken. LookupError when its text has moved on from mutants.txt."""
    original = (SOURCES if mutant.file.startswith("mm_") else HERE) / mutant.file
    text = original.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise LookupError(f"mutants.txt, {mutant.rule!r}: not exactly once in {mutant.file}:{mutant.old}")
    return text.replace(mutant.old, mutant.new)


def try_mutant(mutant: Mutant, objects: dict[str, Path], where: Path) -> tuple[bool, str]:
    """Whether the break is found out, and by what."""
    of_library = mutant.file.startswith("mm_")
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    broken = where / mutant.file
    broken.write_text(broken_source(mutant), encoding="utf-8")
    file, macro = UNITS[mutant.unit]
    part = where / "part.o"
    extra = ["-Wno-unused", "-Wno-unused-parameter", *([f'-D{macro}="{broken}"'] if of_library else [])]
    compile_explored(HERE / f"{file}.c" if of_library else broken, part, extra)
    link([part if name == mutant.unit else path for name, path in objects.items()], where / "model")
    command: list[str | Path] = [where / "model", "--unit", mutant.unit, "--mutant"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    return result.returncode == 0, (result.stdout + result.stderr).strip()


def try_mutants(objects: dict[str, Path], where: Path) -> bool:
    """A line for each, in their order; True when all are found out."""
    tried = mutants()
    caught = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tries = [pool.submit(try_mutant, mutant, objects, where / f"mutant{i}") for i, mutant in enumerate(tried)]
        for mutant, result in zip(tried, tries, strict=True):
            found, by = result.result()
            caught += found
            print(f"{mutant.unit:<9} {mutant.rule:<46} {by}", flush=True)
    print(f"rules broken: {len(tried)}, found out: {caught}")
    return caught == len(tried)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--deep", action="store_true", help="the large explorations too; minutes")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "model", help="where to build")
    options = parser.parse_args()
    start = time.monotonic()
    objects = build(options.build)
    deep = ["--deep"] if options.deep else []
    held = subprocess.run([options.build / "model", "--orders", *deep], check=False).returncode == 0
    held = try_mutants(objects, options.build) and held
    print(f"{'all promises hold' if held else 'FAILED'}, {time.monotonic() - start:.0f} s")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
