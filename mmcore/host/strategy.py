"""The strategy thread: runs the engine when nobody else does (timers, commands), and asks Python strategies."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from mmcore.core import loop as core_loop
from mmcore.core.loop import Loop, QuoteQuestion, Ran
from mmcore.errors import StrategyError
from mmcore.host.clock import Clock
from mmcore.host.worker import PartThread
from mmcore.strategy.base import MarketMaker, QuoteDecision, Signal
from mmcore.strategy.view import SnapshotView

_log = logging.getLogger("mmcore.strategy")

HOLDER: Final = 2
# The engine's next deadline may have moved closer while this thread slept: another thread ran it.
_PARK_MAX_NS: Final = 20_000_000
_LEVELS: Final = 64
_LAYERS_MAX: Final = 8
_NS_PER_MS: Final = 1_000_000


class StrategyThread(PartThread):
    """Holder of the ENGINE role when no other thread is."""

    def __init__(self, loop: Loop, clock: Clock, after_run: Callable[[int, Ran], None],
                 maker: MarketMaker | None, timeout_ms: int) -> None:
        """maker: a Python strategy, None when the engine has its own in C. timeout_ms: longest it may think."""
        super().__init__("strategy")
        self._loop = loop
        self._clock = clock
        self._after_run = after_run
        self._maker = maker
        self._timeout_ns = timeout_ms * _NS_PER_MS
        self._asked = False
        self._faulty = False
        self.thinking_since_ns = 0

    def wake(self) -> None:
        """Any thread."""
        self._loop.signal(core_loop.ENGINE)

    def ask(self) -> None:
        """The engine needs a Python strategy's decision. Any thread."""
        self._asked = True
        self.wake()

    @property
    def timeout_ns(self) -> int:
        """How long one decision may take."""
        return self._timeout_ns

    def step(self) -> None:
        now_ns = self._clock.mono_ns()
        timeout_ns = max(0, min(self.deadline_ns() - now_ns, _PARK_MAX_NS))
        self._loop.wait(core_loop.ENGINE, self._has_work, timeout_ns)
        self.serve()

    def serve(self) -> None:
        self._after_run(HOLDER, self._loop.run(HOLDER, self._clock.mono_ns()))
        if self._asked:
            self._asked = False
            self._decide()

    def deadline_ns(self) -> int:
        return 0 if self._has_work() else self._loop.deadline_ns()

    def _has_work(self) -> bool:
        return self.stopping or self._asked or self._loop.pending(core_loop.ENGINE)

    def _decide(self) -> None:
        question = self._loop.question(HOLDER, _LEVELS) if self._maker is not None else None
        if question is None or self._maker is None:
            return
        started_ns = self.thinking_since_ns = self._clock.mono_ns()
        fault: str | None = None
        decision = None
        try:
            decision = _checked(self._maker.compute_quotes(SnapshotView.of(question), question.position_e8,
                                                           _signal(question)))
        except Exception as error:  # a user's code may raise anything
            fault = f"{type(error).__name__}: {error}"
        took_ns = self._clock.mono_ns() - started_ns
        self.thinking_since_ns = 0
        if fault is None and took_ns > self._timeout_ns:
            fault = f"took {took_ns / 1e6:.0f} ms, {self._timeout_ns / 1e6:.0f} are allowed"
        self._tell(decision, fault)

    def _tell(self, decision: QuoteDecision | None, fault: str | None) -> None:
        now_ns = self._clock.mono_ns()
        if fault is None and decision is not None:
            self._faulty = False
            ran = self._loop.answer(HOLDER, decision.bids, decision.asks, now_ns)
        else:
            if not self._faulty:
                _log.error("STRATEGY_FAULT: %s; its quotes are pulled until it answers well again", fault)
            self._faulty = True
            ran = self._loop.strategy_fault(HOLDER, now_ns)
        self._after_run(HOLDER, ran)


def _signal(question: QuoteQuestion) -> Signal:
    return Signal(alpha=question.alpha, volatility=question.volatility, imbalance=question.imbalance,
                  trade_flow=question.trade_flow, ofi=question.ofi, microprice_e8=question.microprice_e8)


def _checked(decision: object) -> QuoteDecision:
    """Raises StrategyError unless this is a decision the engine can take."""
    if not isinstance(decision, QuoteDecision):
        raise StrategyError(f"compute_quotes gave {type(decision).__name__}, not a QuoteDecision")
    for name, levels in (("bids", decision.bids), ("asks", decision.asks)):
        if len(levels) > _LAYERS_MAX:
            raise StrategyError(f"{name} has {len(levels)} levels, at most {_LAYERS_MAX} are allowed")
        for price_e8, qty_e8 in levels:
            for what, value in (("price", price_e8), ("quantity", qty_e8)):
                if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**62:
                    raise StrategyError(f"{name}: {what} {value!r} is not a whole number of 1e-8 in 1 .. 2^62 - 1")
    return decision
