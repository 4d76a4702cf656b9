"""Strategies in Python: what they see, what they may answer, how they are found; and the built-in ones as classes."""

from __future__ import annotations

import dataclasses
import itertools
import random
import sys
import textwrap
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmcore
from mmcore.config import StrategySettings
from mmcore.core.loop import QuoteQuestion
from mmcore.core.quote import QuoteInput, fit
from mmcore.errors import CoreError, StrategyError
from mmcore.strategy.base import BookView, MarketMaker, QuoteDecision, Side, Signal
from mmcore.strategy.builtin import AvellanedaStoikov, InventorySkew
from mmcore.strategy.loading import load_strategy
from mmcore.strategy.view import SnapshotView
from tests.model import quote_twin as twin

E8 = 10**8
TICK, STEP = 10**6, 10**3
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "py" / "simple_mm.py"
QUIET = Signal(alpha=0.0, volatility=0.0, imbalance=0.0, trade_flow=0.0, ofi=0.0, microprice_e8=0.0)

side_levels = st.lists(st.tuples(st.integers(1, 10**13), st.integers(1, 10**12)), min_size=1, max_size=64,
                       unique_by=lambda level: level[0])


def question(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> QuoteQuestion:
    return QuoteQuestion(bids=tuple(bids), asks=tuple(asks), position_e8=0, tick_e8=TICK, step_e8=STEP,
                         maker_fee_e8=100_000, alpha=0.1, volatility=1e-4, imbalance=-0.2, trade_flow=0.3, ofi=0.4,
                         microprice_e8=1.0, now_ns=1)


def view(bid_e8: int = 50_000 * E8, ask_e8: int = 50_001 * E8) -> SnapshotView:
    return SnapshotView.of(question([(bid_e8, E8), (bid_e8 - TICK, 3 * E8)], [(ask_e8, 2 * E8)]))


# ---- what a strategy sees


@given(side_levels, side_levels, st.integers(1, 70))
def test_the_view_counts_as_exactly_as_the_book(bids: list[tuple[int, int]], asks: list[tuple[int, int]],
                                                levels: int) -> None:
    bids, asks = sorted(bids, reverse=True), sorted(asks)
    book: BookView = SnapshotView.of(question(bids, asks))
    assert (book.best_bid, book.best_ask) == (bids[0], asks[0])
    assert book.mid_e8 == (bids[0][0] + asks[0][0]) // 2
    assert book.spread_e8 == asks[0][0] - bids[0][0]
    assert book.depth(levels) == (tuple(bids[:levels]), tuple(asks[:levels]))
    bid_qty, ask_qty = (sum(qty for _, qty in side[:levels]) for side in (bids, asks))
    assert book.imbalance(levels) == pytest.approx(float(Fraction(bid_qty - ask_qty, bid_qty + ask_qty)), rel=1e-15)
    for side, shown in ((Side.BID, bids), (Side.ASK, asks)):
        total = sum(qty for _, qty in shown[:levels])
        assert book.vwap(side, levels) == sum(price * qty for price, qty in shown[:levels]) // total


def test_an_empty_side_is_none_and_not_zero() -> None:
    book = SnapshotView.of(question([], [(10, 1)]))
    assert (book.best_bid, book.mid_e8, book.spread_e8) == (None, None, None)
    assert book.best_ask == (10, 1)
    assert (book.vwap(Side.BID, 5), book.vwap(Side.ASK, 0), book.imbalance(0), book.imbalance(5)) == (None, None, 0, -1)
    assert book.depth(-1) == ((), ())


# ---- what it may answer


def test_a_decision_has_at_most_one_quote_a_side_or_as_many_as_given() -> None:
    assert QuoteDecision.of() == QuoteDecision((), ())
    assert QuoteDecision.of(bid=(1, 2)) == QuoteDecision(((1, 2),), ())
    assert QuoteDecision.of(ask=(3, 4)) == QuoteDecision((), ((3, 4),))
    with pytest.raises(dataclasses.FrozenInstanceError):
        QuoteDecision().bids = ()  # type: ignore[misc]


def test_the_names_a_strategy_needs_are_those_of_the_package() -> None:
    assert (mmcore.MarketMaker, mmcore.QuoteDecision, mmcore.Signal) == (MarketMaker, QuoteDecision, Signal)


# ---- the built-in ones


def test_the_built_in_classes_give_the_numbers_of_the_formulas() -> None:
    rng = random.Random(3)
    for _ in range(300):
        settings = StrategySettings(layers=rng.randint(1, 8), skew=rng.uniform(0, 3), min_spread_bps=rng.uniform(1, 50),
                                    order_amount_shape_factor=rng.uniform(0, 5), min_spread=rng.uniform(0, 0.5))
        parameters = twin.Parameters(
            min_spread_pct=settings.min_spread, allow_negative_edge=int(settings.allow_negative_edge),
            **{name: getattr(settings, name) for name in twin.Parameters.__dataclass_fields__
               if name not in ("min_spread_pct", "allow_negative_edge")})
        bid = rng.randint(100, 10**7) * TICK
        book = view(bid, bid + TICK * rng.randint(1, 50))
        position = rng.randint(-2 * settings.max_position_e8, 2 * settings.max_position_e8)
        signal = dataclasses.replace(QUIET, alpha=rng.uniform(-1, 1), volatility=rng.uniform(1e-9, 1e-4),
                                     imbalance=rng.uniform(-1, 1))
        best_bid, best_ask = book.bids[0][0], book.asks[0][0]
        market = twin.Market(best_bid, best_ask, TICK, STEP, 100_000, position, signal.alpha, signal.volatility,
                             signal.imbalance)
        for kind, model in ((InventorySkew, twin.inventory_skew), (AvellanedaStoikov, twin.avellaneda_stoikov)):
            decision = kind(settings=settings).compute_quotes(book, position, signal)
            assert [list(decision.bids), list(decision.asks)] == [side.levels for side in model(parameters, market)]


def test_the_built_in_classes_pass_without_a_book_and_the_model_without_volatility() -> None:
    maker = AvellanedaStoikov(settings=StrategySettings())
    assert maker.compute_quotes(view(), 0, QUIET) == QuoteDecision()
    empty = SnapshotView.of(question([], []))
    assert InventorySkew(settings=StrategySettings()).compute_quotes(empty, 0, QUIET) == QuoteDecision()


UPON_A_BUILT_IN_ONE = """
from mmcore.strategy.base import QuoteDecision
from mmcore.strategy.builtin import InventorySkew


class BidsOnly(InventorySkew):
    def compute_quotes(self, book, position, signal):
        return QuoteDecision(bids=super().compute_quotes(book, position, signal).bids)
"""


def test_a_strategy_of_ones_own_may_build_upon_a_built_in_class(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(UPON_A_BUILT_IN_ONE)
    made = load_strategy(StrategySettings(name=f"{tmp_path / 'mine.py'}:BidsOnly"))
    whole = InventorySkew(settings=StrategySettings()).compute_quotes(view(), 0, QUIET)
    assert whole.bids
    assert made.compute_quotes(view(), 0, QUIET) == QuoteDecision(bids=whole.bids)


@pytest.mark.parametrize("fee_e8", [0, 400_000])
def test_a_built_in_class_quotes_no_closer_than_the_fees_of_the_run(fee_e8: int) -> None:
    book = dataclasses.replace(view(), maker_fee_e8=fee_e8)
    decision = InventorySkew(settings=StrategySettings()).compute_quotes(book, 0, QUIET)
    width = decision.asks[0][0] - decision.bids[0][0]
    assert width >= 2 * fee_e8 * decision.bids[0][0] // E8
    assert (width > 300 * E8) is (fee_e8 > 0)


def test_a_built_in_class_names_a_setting_outside_its_range() -> None:
    with pytest.raises(CoreError, match=r"strategy\.layers"):
        InventorySkew(settings=StrategySettings(layers=9))


# ---- loading


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("mmcore_strategy_"):
            del sys.modules[name]


numbers = itertools.count()


def written(folder: Path, text: str) -> Path:
    path = folder / f"mine{next(numbers)}.py"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def load(name: str) -> MarketMaker:
    return load_strategy(StrategySettings(name=name))


def fault(name: str) -> str:
    with pytest.raises(StrategyError) as caught:
        load(name)
    assert str(caught.value).startswith(f"strategy {name}: ")
    return str(caught.value).removeprefix(f"strategy {name}: ")


GOOD = """
    from __future__ import annotations
    from dataclasses import dataclass
    from mmcore import MarketMaker, QuoteDecision

    @dataclass(frozen=True)
    class Width:
        ticks: int

    class Mine(MarketMaker):
        def compute_quotes(self, book, position, signal):
            return QuoteDecision.of(bid=(book.best_bid[0] - Width(2).ticks, self.settings.order_qty_e8))

    class Unfinished(MarketMaker):
        pass

    class Own(MarketMaker):
        def __init__(self, settings, size):
            pass
        def compute_quotes(self, book, position, signal):
            return QuoteDecision()

    class Breaking(Mine):
        def __init__(self, *, settings):
            raise ValueError("no luck today")

    something = 5
"""


def test_a_class_of_a_file_is_made_with_the_settings(folder: Path) -> None:
    maker = load(f"{written(folder, GOOD)}:Mine")
    assert maker.compute_quotes(view(), 0, QUIET) == QuoteDecision(((50_000 * E8 - 2, 100_000),), ())


def test_a_class_of_a_module_is_made_with_the_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(folder, GOOD)
    monkeypatch.syspath_prepend(str(folder))
    maker = load(f"{path.stem}:Mine")
    assert maker.settings.layers == StrategySettings().layers
    monkeypatch.delitem(sys.modules, path.stem)


def test_what_cannot_be_loaded_is_named_with_its_fault(folder: Path) -> None:
    good = written(folder, GOOD)
    assert fault(f"{folder}/none.py:Mine") == "there is no such file"
    assert fault(f"{good}:Mime") == 'it has no such class: did you mean "Mine"?'
    assert fault(f"{good}:Qqqqqq").startswith("it has no such class: its strategies are Mine, ")
    assert fault(f"{good}:something") == "is not a class derived from mmcore.MarketMaker"
    assert fault(f"{good}:Width") == "is not a class derived from mmcore.MarketMaker"
    assert fault(f"{good}:Unfinished") == "does not define compute_quotes"
    assert fault(f"{good}:Own").startswith("could not be made with settings=...: TypeError: ")
    assert fault(f"{good}:Breaking").endswith(f": ValueError: no luck today ({good.name}:25)")
    syntax = written(folder, "x = 1\nclass Mine(:\n")
    assert fault(f"{syntax}:Mine").startswith("could not be read: line 2: ")
    raising = written(folder, "\n\nimport no_such_module_anywhere\n")
    assert fault(f"{raising}:Mine") == (
        f"could not be read: ModuleNotFoundError: No module named 'no_such_module_anywhere' ({raising.name}:3)")
    assert fault("no.such.module:Mine").startswith("could not be imported: ModuleNotFoundError: ")
    with pytest.raises(StrategyError, match="neither built in nor"):
        load("inventory")


def test_a_file_that_failed_leaves_nothing_behind(folder: Path) -> None:
    broken = written(folder, "1 / 0\n")
    fault(f"{broken}:Mine")
    assert f"mmcore_strategy_{broken.stem}" not in sys.modules


# ---- the example


def test_the_example_quotes_both_sides_around_mid_and_against_its_position(folder: Path) -> None:
    settings = StrategySettings(name=f"{EXAMPLE}:SimpleMarketMaker")
    maker = load_strategy(settings)
    book = view()
    mid, size = 5_000_050_000_000, settings.order_qty_e8
    half = mid * settings.min_spread_bps * 1e-4 / 2
    flat = maker.compute_quotes(book, 0, QUIET)
    assert flat.bids[0][0] == pytest.approx(mid - half, abs=2)
    assert flat.asks[0][0] == pytest.approx(mid + half, abs=2)
    assert (flat.bids[0][1], flat.asks[0][1]) == (size, size)
    long = maker.compute_quotes(book, settings.max_position_e8 // 2, QUIET)
    assert long.bids[0][0] < flat.bids[0][0]
    assert long.asks[0][0] < flat.asks[0][0]
    assert maker.compute_quotes(book, settings.max_position_e8, QUIET).bids == ()
    assert maker.compute_quotes(book, -settings.max_position_e8, QUIET).asks == ()
    shown = QuoteInput(bid=book.bids[0], ask=book.asks[0], tick_e8=TICK, step_e8=STEP)
    fitted = fit(shown, 1, flat.bids, flat.asks)
    assert fitted.bids[0][0] % TICK == 0
    assert fitted.asks[0][0] % TICK == 0
