"""Virtual trading for as long as you like: `python -m tests.sim.soak --hours 1000 --seed 1 --jobs 2`.

Seed after seed is tried until the hours are over or ten have failed; a seed that fails prints what went wrong and the
one command that repeats it. Exit code 1 then, 0 if none failed.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Final

from tests.sim.plan import KINDS
from tests.sim.trial import Knobs, Result, run_seed

_REPORT_EVERY_S: Final = 30.0
_FAILED_MAX: Final = 10


def command_of(seed: int, knobs: Knobs) -> str:
    """What a person types to see a seed fail again."""
    words = ["python -m tests.sim.soak --seeds 1", f"--seed {seed}", f"--minutes {knobs.minutes:g}"]
    if knobs.kinds is not None:
        words.append(f"--kinds {','.join(knobs.kinds) or 'none'}")
    if knobs.gap_s is not None:
        words.append(f"--gap {knobs.gap_s:g}")
    if knobs.pace != Knobs().pace:
        words.append(f"--pace {knobs.pace}")
    return " ".join(words)


def try_seed(seed: int, knobs: Knobs) -> Result:
    """A trial whose crash is a violation like any."""
    try:
        return run_seed(seed, knobs)
    except Exception:
        return Result(seed, [f"crashed: {traceback.format_exc(limit=-6)}"], "", 0.0, Counter(), [])


def explain(result: Result, knobs: Knobs) -> str:
    """What went wrong with a seed, and how to see it again."""
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(result.faults.items()))
    lines = [f"seed {result.seed} failed:", *(f"  {violation}" for violation in result.violations),
             f"  faults: {faults or 'none'}", f"  runs: {' | '.join(result.runs)}",
             f"  again: {command_of(result.seed, knobs)}"]
    return "\n".join(lines)


def results_of(seeds: Iterator[int], knobs: Knobs, jobs: int) -> Iterator[Result]:
    """Trials in as many processes, in the order in which they end, for as long as the caller takes them."""
    if jobs == 1:
        yield from (try_seed(seed, knobs) for seed in seeds)
        return
    with ProcessPoolExecutor(jobs, initializer=logging.disable, initargs=(logging.CRITICAL,)) as pool:
        first = itertools.islice(seeds, 2 * jobs)
        running: set[Future[Result]] = {pool.submit(try_seed, seed, knobs) for seed in first}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    running |= {pool.submit(try_seed, seed, knobs) for seed in itertools.islice(seeds, 1)}
                    yield future.result()
        finally:
            for future in running:
                future.cancel()


def soak(knobs: Knobs, seeds: Iterator[int], hours: float, jobs: int) -> int:
    """Returns how many seeds failed. hours: virtual ones, after which no seed is begun."""
    began_s = told_s = time.monotonic()
    virtual_s, count, failed = 0.0, 0, 0
    faults: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for result in results_of(seeds, knobs, jobs):
        count, virtual_s = count + 1, virtual_s + result.virtual_s
        faults += result.faults
        totals.update(result.counts)
        if result.violations:
            failed += 1
            print(explain(result, knobs), flush=True)
        over = virtual_s >= hours * 3600 or failed >= _FAILED_MAX
        if over or time.monotonic() - told_s >= _REPORT_EVERY_S:
            told_s = time.monotonic()
            real_s = told_s - began_s
            print(f"{count} seeds, {failed} failed, {virtual_s / 3600:.1f} h in {real_s:.0f} s "
                  f"({virtual_s / max(real_s, 1e-9):.0f} x), {faults.total()} faults, {dict(totals)}", flush=True)
        if over:
            break
    verdict = "FAILED" if failed else "all good"
    print(f"{verdict}: {count} seeds, {failed} failed, {virtual_s / 3600:.1f} virtual hours, "
          f"{faults.total()} faults: {dict(sorted(faults.items()))}", flush=True)
    return failed


def main(argv: Sequence[str]) -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1000.0, help="virtual hours altogether (1000)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed (1)")
    parser.add_argument("--seeds", type=int, help="how many seeds at most")
    parser.add_argument("--minutes", type=float, default=Knobs().minutes, help="virtual minutes of each (15)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one for each core)")
    parser.add_argument("--kinds", help=f"only these faults, or none: {', '.join(KINDS)}")
    parser.add_argument("--gap", type=float, help="mean seconds between faults (drawn)")
    parser.add_argument("--pace", type=int, default=Knobs().pace, help="how many times quieter the market is (40)")
    parser.add_argument("-v", "--verbose", action="store_true", help="the bot's own log, with one job")
    options = parser.parse_args(argv)
    kinds = None if options.kinds is None else tuple(kind for kind in options.kinds.split(",") if kind != "none")
    knobs = Knobs(options.minutes, kinds, options.gap, options.pace)
    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stdout)
    else:
        logging.disable(logging.CRITICAL)
    seeds: Iterator[int] = itertools.count(options.seed)
    if options.seeds is not None:
        seeds = itertools.islice(seeds, options.seeds)
    jobs = 1 if options.seeds == 1 or options.verbose else options.jobs
    return 1 if soak(knobs, seeds, options.hours, jobs) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
