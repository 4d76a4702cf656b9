"""Builds the fuzz targets and lets each run for a while, two at a time.

    python tests/fuzz/run.py                     every target, 20 s each
    python tests/fuzz/run.py book --seconds 600  one target, longer
    python tests/fuzz/run.py book --input FILE   one input again, as a finding is told

Needs clang with libFuzzer (Debian: clang, libclang-rt-dev). Without it nothing is run and one line says so; with
--require that is a failure. What is found is kept in build/fuzz/findings, what was learnt in build/fuzz/corpus.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from tests.fuzz import seeds  # noqa: E402 - this file is run as a program

MISSING = "clang's libFuzzer is not installed (Debian: clang, libclang-rt-dev); nothing was fuzzed"

INPUT_BYTES_MAX = {"feed": 4096, "ws": 2048, "sbe": 1024, "config": 320}
DECISION_BYTES_MAX = 512
"""Of the targets that read decisions: enough for a few hundred of them."""

PATIENCE_S = 300
"""A target ends by itself, and libFuzzer ends an input after 120 s: what takes so much longer hangs."""


def targets() -> list[str]:
    return sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.c"))


def has_libfuzzer() -> bool:
    """Whether clang links a program with -fsanitize=fuzzer."""
    if shutil.which("clang") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "probe.c"
        source.write_text("int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n);\n"
                          "int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return !d && n; }\n")
        command = ["clang", "-fsanitize=fuzzer,address,undefined", source, "-o", Path(folder) / "probe"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def build() -> None:
    for command in (["cmake", "--preset", "fuzz"], ["cmake", "--build", "--preset", "fuzz"]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def environment() -> dict[str, str]:
    # Leaks are looked for elsewhere: by the C tests under AddressSanitizer. A small quarantine is faster.
    options = "detect_leaks=0:quarantine_size_mb=16:handle_abort=1"
    return {**os.environ, "ASAN_OPTIONS": options, "UBSAN_OPTIONS": "print_stacktrace=1"}


def fuzz(target: str, seconds: int) -> tuple[bool, str]:
    """Runs one target; whether it found nothing, and what to say."""
    corpus, first, findings = BUILD / "corpus" / target, BUILD / "seeds" / target, BUILD / "findings"
    corpus.mkdir(parents=True, exist_ok=True)
    findings.mkdir(parents=True, exist_ok=True)
    seeds.write(target, first)
    words = HERE / f"{target}.dict"
    command = [
        str(BUILD / f"fuzz_{target}"), str(corpus), str(first), f"-max_total_time={seconds}", "-seed=1",
        f"-max_len={INPUT_BYTES_MAX.get(target, DECISION_BYTES_MAX)}", "-len_control=0", "-timeout=120",
        "-print_final_stats=1", f"-artifact_prefix={findings}/{target}-",
        *([f"-dict={words}"] if words.is_file() else []),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, env=environment(), check=False,
                              timeout=seconds + PATIENCE_S)
    except subprocess.TimeoutExpired:
        return False, f"{target}: FAILED, it hangs: not over {PATIENCE_S} s after its {seconds} s"
    log = done.stderr.decode("utf-8", "replace")
    runs = re.search(r"stat::number_of_executed_units: *(\d+)", log)
    edges = re.findall(r" cov: (\d+)", log)
    if done.returncode != 0 or runs is None or int(runs[1]) == 0:
        told = [line for line in log.splitlines() if "#" not in line[:1]][-60:]
        return False, "\n".join([f"{target}: FAILED", *told])
    return True, f"{target:10} {int(runs[1]):>10,} inputs, {edges[-1] if edges else '?'} edges"


def again(target: str, path: Path) -> int:
    return subprocess.run([str(BUILD / f"fuzz_{target}"), str(path)], env=environment(), check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the fuzz targets of the C core.")
    parser.add_argument("target", nargs="*", choices=[[], *targets()], help="all of them by default")
    parser.add_argument("--seconds", type=int, default=20, help="of each target (20)")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time (2)")
    parser.add_argument("--require", action="store_true", help="a missing libFuzzer is a failure")
    parser.add_argument("--input", type=Path, help="run this one input through the one target named")
    asked = parser.parse_args()
    if not has_libfuzzer():
        print(MISSING, file=sys.stderr if asked.require else sys.stdout)
        return 1 if asked.require else 0
    build()
    chosen = asked.target or targets()
    if asked.input is not None:
        return again(chosen[0], asked.input)
    good = True
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        for passed, text in pool.map(lambda target: fuzz(target, asked.seconds), chosen):
            print(text, flush=True)
            good &= passed
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
