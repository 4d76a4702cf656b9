"""Every figure of the core twice: as a loop in C, and through cffi call by call. How to read them: bench/README.md.

A `c_loop` test runs a program of bench/c and takes the time that program measured, per operation. A `through_cffi`
test times one call from Python; most of that is the call, not the work.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, starmap
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mmcore._native import ffi, lib
from mmcore.core.feed import Feed

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ("bench_mm_book", "bench_mm_feed", "bench_mm_pool", "bench_mm_quote", "bench_mm_sbe", "bench_mm_spsc")
WORKLOAD = "W1"
TICK_E8 = 1_000_000
LEVELS_MAX = 10_000
MESSAGE_LEVELS = 16
CALLS_A_ROUND = 1000
ONE_E8 = 100_000_000
BID, ASK = 0, 1
DIFF_LEVELS = (2, 20, 200)
DIFFS = 64  # as many as bench_mm_feed has
PARSERS = ("orjson", "msgspec", "json", "yyjson")
Sides = tuple[list[tuple[int, int]], list[tuple[int, int]]]

# The first test of a session waits for the build.
pytestmark = pytest.mark.timeout(600)


# ---- Clocks --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Measured:
    seconds: float = 0.0


_measured = _Measured()


def c_clock() -> float:
    """A clock that only a C program's own measurement moves on: what a round took is what the program says."""
    return _measured.seconds


def clock_per_level() -> float:
    """Real time, in levels of a message: a round of one message counts as one level."""
    return perf_counter() / MESSAGE_LEVELS


def clock_per_diff() -> float:
    """Real time, in messages: a round of all of them counts as one."""
    return perf_counter() / DIFFS


def c_loop(group: str) -> pytest.MarkDecorator:
    return pytest.mark.benchmark(group=group, timer=c_clock)


def through_cffi(group: str) -> pytest.MarkDecorator:
    return pytest.mark.benchmark(group=group, timer=perf_counter)


# ---- C programs ----------------------------------------------------------------------------------------------


def _tool(name: str) -> str:
    """A program of this Python's environment (cmake and ninja come from PyPI) or of the path."""
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=search)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _run(*command: str | Path) -> str:
    """Runs to the end and gives back stdout; a failure shows all the program said."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the C benches, built as the library is released."""
    build = tmp_path_factory.mktemp("bench") / "build"
    cmake, ninja = _tool("cmake"), _tool("ninja")
    _run(cmake, "-S", ROOT, "-B", build, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}",
         "-DCMAKE_BUILD_TYPE=Release", "-DMMCORE_BENCH=ON", "-DMMCORE_TESTS=OFF")
    _run(cmake, "--build", build, "--target", *PROGRAMS)
    return build


@dataclass(frozen=True, slots=True)
class CLoop:
    """Runs one figure of a program as the rounds of a benchmark."""

    programs: Path
    benchmark: BenchmarkFixture
    rounds: int

    def __call__(self, program: str, figure: str, workload: str = WORKLOAD) -> None:
        """The round's time is the program's median per operation; the rest of its lines goes to extra_info."""
        last: dict[str, Any] = {}
        reps = 5 if self.rounds > 1 else 1

        def one_round() -> None:
            text = _run(self.programs / program, "--only", figure, "--reps", str(reps))
            lines = [json.loads(line) for line in text.splitlines()]
            last.update({line["figure"]: line for line in lines if line["workload"] == workload})
            _measured.seconds += last[figure]["ns"] * 1e-9

        self.benchmark.pedantic(one_round, rounds=self.rounds)  # type: ignore[no-untyped-call]
        line = last[figure]
        self.benchmark.extra_info.update({name: value for name, value in line.items() if name != "impl"})
        if f"{figure}_call" in last:
            self.benchmark.extra_info["ns_by_call"] = last[f"{figure}_call"]["ns"]


@pytest.fixture
def loop(programs: Path, benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> CLoop:
    """Five runs of the program, or as many as --benchmark-min-rounds says when that is fewer."""
    return CLoop(programs, benchmark, min(5, request.config.getoption("benchmark_min_rounds")))


# ---- Calls from Python ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Calls:
    """Times calls by the thousand, so that reading the clock is no part of what is measured."""

    benchmark: BenchmarkFixture
    rounds: int

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Returns what the last call gave."""
        return self.benchmark.pedantic(  # type: ignore[no-untyped-call]
            function, arguments, rounds=self.rounds, iterations=CALLS_A_ROUND, warmup_rounds=1
        )


@pytest.fixture
def calls(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Calls:
    """500 rounds, or a hundred times --benchmark-min-rounds when that is fewer."""
    return Calls(benchmark, 100 * min(5, request.config.getoption("benchmark_min_rounds")))


# ---- The same work for cffi ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Work:
    """The C benches' own operations by side, rows of price and quantity counting 1e-8, and their book at the end."""

    book: Any
    rows: tuple[Any, Any]
    levels: tuple[Any, Any]
    """The rows as `mm_level[]`, in the same memory."""

    def sets(self, side: int) -> Iterator[int]:
        """One level a call, for ever. (From the second turn on the book starts where the first one ended.)"""
        return starmap(lib.mm_book_set, cycle([(self.book, side, *row) for row in self.rows[side].tolist()]))

    def messages(self, side: int) -> Iterator[int]:
        """One message of MESSAGE_LEVELS a call, for ever."""
        calls = []
        for first in range(0, len(self.rows[side]) - MESSAGE_LEVELS + 1, MESSAGE_LEVELS):
            message = self.levels[side] + first
            counts = (message, MESSAGE_LEVELS, ffi.NULL, 0), (ffi.NULL, 0, message, MESSAGE_LEVELS)
            calls.append((self.book, *counts[side]))
        return starmap(lib.mm_book_apply, cycle(calls))


def _sides(folder: Path, part: str) -> tuple[Any, Any]:
    """Bids and asks of a dumped trace, whose rows are price, quantity, side."""
    rows = np.fromfile(folder / f"{WORKLOAD}.{part}.bin", dtype="<i8").reshape(-1, 3)
    bids, asks = (np.ascontiguousarray(rows[rows[:, 2] == side, :2]) for side in (BID, ASK))
    return bids, asks


@pytest.fixture(scope="session")
def trace(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Start image and operations."""
    folder = tmp_path_factory.mktemp("trace")
    _run(programs / "bench_mm_book", "--dump-traces", folder)
    return _sides(folder, "init"), _sides(folder, "ops")


@pytest.fixture
def work(trace: tuple[tuple[Any, Any], tuple[Any, Any]]) -> Work:
    """A book of its own for each test, after all operations."""
    raw = lib.mm_book_new(LEVELS_MAX, TICK_E8)
    assert raw != ffi.NULL
    book = ffi.gc(raw, lib.mm_book_free)
    for sides in trace:
        bids, asks = levels = tuple(ffi.from_buffer("mm_level[]", rows) for rows in sides)
        assert lib.mm_book_apply(book, bids, len(bids), asks, len(asks)) == lib.MM_OK
    return Work(book, trace[1], levels)


def _is_alive(book: Any) -> None:
    """What was timed was a book with both sides and its invariants."""
    assert lib.mm_book_valid(book)
    assert all(lib.mm_book_count(book, side) > 0 for side in (BID, ASK))


# ---- Updates -------------------------------------------------------------------------------------------------


@c_loop("update bid")
def test_update_bid_c_loop(loop: CLoop) -> None:
    loop("bench_mm_book", "bid_updates")


@through_cffi("update bid")
def test_update_bid_through_cffi(calls: Calls, work: Work) -> None:
    assert calls(work.sets(BID).__next__) == lib.MM_OK
    _is_alive(work.book)


@pytest.mark.benchmark(group="update bid", timer=clock_per_level)
def test_update_bid_in_messages_of_16_through_cffi(calls: Calls, work: Work) -> None:
    assert calls(work.messages(BID).__next__) == lib.MM_OK
    _is_alive(work.book)


@c_loop("update ask")
def test_update_ask_c_loop(loop: CLoop) -> None:
    loop("bench_mm_book", "ask_updates")


@through_cffi("update ask")
def test_update_ask_through_cffi(calls: Calls, work: Work) -> None:
    assert calls(work.sets(ASK).__next__) == lib.MM_OK
    _is_alive(work.book)


@pytest.mark.benchmark(group="update ask", timer=clock_per_level)
def test_update_ask_in_messages_of_16_through_cffi(calls: Calls, work: Work) -> None:
    assert calls(work.messages(ASK).__next__) == lib.MM_OK
    _is_alive(work.book)


# ---- Messages ------------------------------------------------------------------------------------------------


# What a bot in Python would do: parse, then turn each price and quantity from text into an int of 1e-8. The extra_info
# has `decode_ns`, what the loop in C took for the same messages right before, and `ratio`.


def _ints(rows: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """The exchange writes eight decimals, always: without the point it is the number of 1e-8."""
    return [(int(price.replace(".", "")), int(qty.replace(".", ""))) for price, qty in rows]


def _of_a_document(loads: Callable[[bytes], Any]) -> Callable[[bytes], Sides]:
    def sides(text: bytes) -> Sides:
        data = loads(text)["data"]
        return _ints(data["b"]), _ints(data["a"])
    return sides


def _of_msgspec() -> Callable[[bytes], Sides]:
    """With the types said beforehand, which is msgspec's way: nothing is made that is not asked for."""
    import msgspec

    data = msgspec.defstruct("Data", [("U", int), ("u", int), ("b", list[tuple[str, str]]),
                                      ("a", list[tuple[str, str]])])
    decoder: Any = msgspec.json.Decoder(msgspec.defstruct("Message", [("data", data)]))

    def sides(text: bytes) -> Sides:
        found = decoder.decode(text).data
        return _ints(found.b), _ints(found.a)
    return sides


def _decoder(parser: str) -> Callable[[bytes], Sides]:
    if importlib.util.find_spec(parser) is None:
        pytest.skip(f"{parser} is not installed: pip install -e '.[bench]'")
    if parser == "msgspec":
        return _of_msgspec()
    return _of_a_document(json.loads if parser == "json" else importlib.import_module(parser).loads)


def _by_mmcore(text: bytes) -> Sides:
    records = Feed().decode(text)
    header = records[0]["depth"]
    levels = [(int(price), int(qty)) for price, qty in records[1:]["levels"].reshape(-1)]
    split = -(-int(header["bid_count"]) // 3) * 3  # each side begins with a record of its own
    return levels[: header["bid_count"]], levels[split : split + header["ask_count"]]


@pytest.fixture(scope="session")
def texts(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[bytes]]:
    """The messages of bench_mm_feed, by their number of levels."""
    folder = tmp_path_factory.mktemp("texts")
    _run(programs / "bench_mm_feed", "--dump-texts", folder)
    return {levels: (folder / f"{levels}.txt").read_bytes().splitlines() for levels in DIFF_LEVELS}


def _group(levels: int) -> str:
    return f"decode a diff of {levels} levels"


@c_loop("decode a diff")
@pytest.mark.parametrize("levels", DIFF_LEVELS)
def test_decode_a_json_diff_c_loop(loop: CLoop, levels: int) -> None:
    loop.benchmark.group = _group(levels)
    loop("bench_mm_feed", "decode_depth", str(levels))


@pytest.mark.benchmark(timer=clock_per_diff)
@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("levels", DIFF_LEVELS)
def test_decode_a_json_diff_in_python(benchmark: BenchmarkFixture, programs: Path, texts: dict[int, list[bytes]],
                                      levels: int, parser: str, request: pytest.FixtureRequest) -> None:
    decode, messages = _decoder(parser), texts[levels]
    assert len(messages) == DIFFS
    assert [decode(text) for text in messages] == [_by_mmcore(text) for text in messages]
    lines = _run(programs / "bench_mm_feed", "--only", "decode_depth", "--reps", "5").splitlines()
    decode_ns = next(row["ns"] for row in map(json.loads, lines)
                     if (row["figure"], row["workload"]) == ("decode_depth", str(levels)))
    taken_ns: list[float] = []

    def all_messages() -> None:
        begun = perf_counter()
        for text in messages:
            decode(text)
        taken_ns.append((perf_counter() - begun) * 1e9 / DIFFS)

    benchmark.group = _group(levels)
    rounds = 20 * min(5, request.config.getoption("benchmark_min_rounds"))
    benchmark.pedantic(all_messages, rounds=rounds, warmup_rounds=1)  # type: ignore[no-untyped-call]
    benchmark.extra_info.update({"decode_ns": decode_ns, "ratio": round(statistics.median(taken_ns) / decode_ns, 2)})


@c_loop("decode a diff of 20 levels")
def test_decode_a_binary_diff_of_20_levels_c_loop(loop: CLoop) -> None:
    loop("bench_mm_sbe", "sbe_depth", "20")


# ---- Questions to the book -----------------------------------------------------------------------------------


@c_loop("best bid and ask")
def test_best_bid_and_ask_c_loop(loop: CLoop) -> None:
    loop("bench_mm_book", "best_bid_ask")


@through_cffi("best bid and ask")
def test_best_bid_and_ask_through_cffi(calls: Calls, work: Work) -> None:
    """Two calls, one a side."""
    best, book, bid, ask = lib.mm_book_best, work.book, ffi.new("mm_level *"), ffi.new("mm_level *")

    def both() -> Any:
        return best(book, BID, bid) and best(book, ASK, ask)

    assert calls(both)
    assert 0 < bid.price_e8 < ask.price_e8


@c_loop("mid")
def test_mid_c_loop(loop: CLoop) -> None:
    loop("bench_mm_book", "mid")


@through_cffi("mid")
def test_mid_through_cffi(calls: Calls, work: Work) -> None:
    mid_e8 = ffi.new("int64_t *")
    assert calls(lib.mm_book_mid, work.book, mid_e8)
    assert mid_e8[0] > 0


@c_loop("spread")
def test_spread_c_loop(loop: CLoop) -> None:
    loop("bench_mm_book", "spread")


@through_cffi("spread")
def test_spread_through_cffi(calls: Calls, work: Work) -> None:
    spread_e8 = ffi.new("int64_t *")
    assert calls(lib.mm_book_spread, work.book, spread_e8)
    assert spread_e8[0] > 0


@c_loop("imbalance(5)")
def test_imbalance_of_5_c_loop(loop: CLoop) -> None:
    loop("bench_mm_book", "imbalance5")


@through_cffi("imbalance(5)")
def test_imbalance_of_5_through_cffi(calls: Calls, work: Work) -> None:
    imbalance = ffi.new("double *")
    assert calls(lib.mm_book_imbalance, work.book, 5, imbalance)
    assert -1.0 <= imbalance[0] <= 1.0


@c_loop("VWAP of 10 levels")
def test_vwap_of_10_c_loop(loop: CLoop) -> None:
    loop("bench_mm_book", "vwap10_i128")


@through_cffi("VWAP of 10 levels")
def test_vwap_of_10_through_cffi(calls: Calls, work: Work) -> None:
    vwap_e8 = ffi.new("int64_t *")
    assert calls(lib.mm_book_vwap, work.book, ASK, 10, vwap_e8)
    assert vwap_e8[0] > 0


# ---- Quotes --------------------------------------------------------------------------------------------------


@c_loop("quote")
def test_quote_c_loop(loop: CLoop) -> None:
    loop("bench_mm_quote", "quote")


@through_cffi("quote")
def test_quote_through_cffi(calls: Calls, work: Work) -> None:
    """The parameters of bench_mm_quote.c."""
    symbol = ffi.new("mm_symbol *", {"tick_e8": TICK_E8, "step_e8": 1000})
    config = ffi.new("mm_quote_config *", {
        "order_qty_e8": ONE_E8 // 10, "max_position_e8": ONE_E8, "layers": 1, "layer_step_bps": 1.0,
        "min_spread_bps": 1.0, "max_spread_bps": 20.0, "vol_mult": 0.5, "skew": 0.5, "alpha_weight": 0.3,
        "imbalance_weight": 0.2, "allow_negative_edge": 1, "risk_factor": 1.0, "kappa": 1.5, "horizon_s": 60.0})
    assert lib.mm_quote_derive(config, ffi.new("char **")) == lib.MM_OK
    seen = ffi.new("mm_quote_input *", {
        "book": work.book, "symbol": symbol, "top": lib.mm_book_top(work.book)[0], "position_e8": ONE_E8 // 4,
        "signal": {"alpha": 0.1, "volatility": 0.0001, "imbalance": 0.2}})
    assert lib.mm_grid_init(ffi.addressof(seen, "tick"), TICK_E8) == lib.MM_OK
    assert lib.mm_grid_init(ffi.addressof(seen, "lot"), 1000) == lib.MM_OK
    stance, quotes = ffi.new("mm_quote_stance *"), ffi.new("mm_quotes *")
    calls(lib.mm_quote_inventory_skew, config, stance, seen, quotes)
    assert (quotes.bid_count, quotes.ask_count) == (1, 1)
    assert quotes.bids[0].price_e8 < quotes.asks[0].price_e8


# ---- Pool ----------------------------------------------------------------------------------------------------


@c_loop("pool")
def test_take_an_object_and_give_it_back_c_loop(loop: CLoop) -> None:
    """extra_info has `malloc_ns` of the same process, and `ratio` to it."""
    loop("bench_mm_pool", "pool_alloc_free", "128B at once")


# ---- Queue ---------------------------------------------------------------------------------------------------


@c_loop("queue")
def test_queue_throughput_between_two_cores_c_loop(loop: CLoop) -> None:
    loop("bench_mm_spsc", "spsc_throughput", "64B x2 cores, cap 4096")


@c_loop("queue")
def test_queue_push_and_pop_c_loop(loop: CLoop) -> None:
    loop("bench_mm_spsc", "spsc_same_thread_push_pop", "64B")


@c_loop("queue")
def test_queue_round_trip_between_two_cores_c_loop(loop: CLoop) -> None:
    """extra_info has `line_ns`, a bare cache line's round trip in the same process, and `lines`, the ratio."""
    loop("bench_mm_spsc", "spsc_rtt", "64B ping-pong 2 cores")


@through_cffi("queue")
def test_queue_push_and_pop_through_cffi(calls: Calls) -> None:
    """Two calls."""
    raw = lib.mm_spsc_new(4096)
    assert raw != ffi.NULL
    ring = ffi.gc(raw, lib.mm_spsc_free)
    record, out = ffi.new("mm_record *", {"kind": lib.MM_KIND_TIMER, "count": 1}), ffi.new("mm_record *")
    push, pop = lib.mm_spsc_push, lib.mm_spsc_pop

    def there_and_back() -> Any:
        return push(ring, record) and pop(ring, out, 1)

    assert calls(there_and_back) == 1
    assert lib.mm_spsc_empty(ring)


# ---- What a call costs ---------------------------------------------------------------------------------------


@through_cffi("a call that does nothing")
def test_a_call_that_does_nothing_through_cffi(calls: Calls) -> None:
    assert calls(lib.mm_abi_version) == lib.MM_ABI
