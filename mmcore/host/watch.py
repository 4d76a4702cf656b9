"""What the main thread does while a bot runs: it looks around every few milliseconds, ends the run when something calls
for it, and sees every own order off the exchange. It never waits: whoever has a clock calls `look` again and again."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mmcore.core import loop as core_loop
from mmcore.core.engine import EngineStatus, reasons
from mmcore.core.kinds import Command, EngineState
from mmcore.errors import ExchangeError, ExitCode, MmcoreError
from mmcore.host.bot import HOLDER, REACH_S, Bot, refused
from mmcore.host.stop import Stop
from mmcore.telemetry.summary import ExitReason

_log = logging.getLogger("mmcore.run")

_NS_PER_S: Final = 1_000_000_000
_STUCK_NS: Final = 2 * _NS_PER_S
_SETTLE_NS: Final = 5 * _NS_PER_S
_SETTLE_UNKNOWN_NS: Final = 15 * _NS_PER_S
_EMERGENCY_NS: Final = _SETTLE_UNKNOWN_NS + 3 * _NS_PER_S
_NOBODY_ANSWERED: Final = "own orders: the REST worker did not answer"


class _Phase(enum.Enum):
    TRADING = "trading"
    SETTLING = "settling"
    EMERGENCY = "emergency"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended. left: own orders not confirmed gone."""

    reason: ExitReason
    codes: tuple[ExitCode, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(slots=True)
class _Seen:
    """Progress of a role when it was last looked at."""

    progress: int
    since_ns: int


class Watch:
    """From the first look to the last; one thread."""

    def __init__(self, bot: Bot, stop: Stop, until_ns: int | None, venue_running: Callable[[], bool]) -> None:
        """until_ns: when the run's duration is over. venue_running: whether the embedded exchange, if any, lives."""
        self._bot = bot
        self._stop = stop
        self._until_ns = until_ns
        self._venue_running = venue_running
        self._clock = bot.clock
        self._phase = _Phase.TRADING
        self._end = End(ExitReason.ERROR)
        self._left: list[str] | None = None
        self._watched_ns = bot.clock.mono_ns()
        self._synced = False
        self._began = False
        self._seen: dict[int, _Seen] = {}
        self._outage_since_ns = 0
        self._faulted_ns = 0
        self._settle_since_ns = 0
        self._clear_since_ns = 0
        self._emergency_until_ns = 0

    @property
    def began(self) -> bool:
        """Whether the engine was told to start."""
        return self._began

    def look(self) -> bool:
        """Looks around once. True: there is nothing more to see to; call `finish`."""
        try:
            self._look(self._clock.mono_ns())
        except Exception as error:  # whatever it is: no order may be left behind for it
            _log.critical("internal error: %s: %s", type(error).__name__, error, exc_info=error)
            if self._phase is not _Phase.EMERGENCY:
                self._fail(self._clock.mono_ns())
            else:
                self._phase = _Phase.OVER
        return self._phase is _Phase.OVER

    def finish(self) -> End:
        """Ends the bot's threads and says how it went."""
        bot = self._bot
        bot.stop_threads()
        left = self._left
        if left is None:  # the engine's orders may be read only while nothing runs it
            left = [bot.order_name(order) for order in bot.engine.orders()] or ["openOrders could not be read twice"]
        codes = [*self._end.codes]
        if left:
            codes.append(ExitCode.ORDERS_LEFT)
            _log.critical("own orders NOT confirmed gone: %s", "; ".join(left))
        return End(self._end.reason, tuple(codes), tuple(left))

    def _look(self, now_ns: int) -> None:
        if self._phase is _Phase.TRADING:
            if self._broken(now_ns):
                self._fail(now_ns)
            elif (end := self._trade(now_ns)) is not None:
                self._end = end
                self._begin_settling(now_ns)
        if self._phase is _Phase.SETTLING:
            self._settle(now_ns)
        elif self._phase is _Phase.EMERGENCY and (
            now_ns >= self._emergency_until_ns or self._stop.count >= 3 or not self._bot.works(self._bot.rest)
        ):
            self._phase = _Phase.OVER

    def _over(self, left: list[str] | None) -> None:
        """left: own orders that are not confirmed gone; None = ask the engine which, once nothing runs it."""
        self._left = left
        self._phase = _Phase.OVER

    # ---- trading

    def _trade(self, now_ns: int) -> End | None:
        """Whether something ends the run."""
        if self._stop.count:
            return self._halted() or End(ExitReason.SIGNAL)
        if self._until_ns is not None and now_ns >= self._until_ns:
            return self._end_of_duration()
        end = self._ended(now_ns)
        if end is None:
            self._begin()
            self._watch_strategy(now_ns)
        return end

    def _end_of_duration(self) -> End:
        halted = self._halted()
        if halted is not None:
            return halted
        if not self._began or self._status().synced_ns == 0:
            _log.critical("the duration is over before the first sync with the exchange")
            return End(ExitReason.UNREACHABLE, (ExitCode.UNREACHABLE,))
        return End(ExitReason.DURATION)

    def _halted(self) -> End | None:
        """Whoever ends a run that a limit has halted is told of the limit: it stopped trading before."""
        return End(ExitReason.RISK, (ExitCode.RISK,)) if self._bot.state is EngineState.HALTED else None

    def _begin(self) -> None:
        """Once orders and account events flow, the engine may start."""
        if not self._began and self._bot.orders.ready:
            self._began = True
            self._bot.rest.submit(self._bot.start_engine, True)

    def _ended(self, now_ns: int) -> End | None:
        bot = self._bot
        if bot.failure is not None:
            return _failed(bot.failure)
        halting = reasons(bot.state_verdict) if bot.state in (EngineState.HALTED, EngineState.KILLED) else []
        if "CREDENTIALS" in halting:
            _log.critical("the exchange refuses the credentials: the key was revoked or may not trade")
            return End(ExitReason.CREDENTIALS, (ExitCode.CREDENTIALS,))
        if bot.state is EngineState.KILLED:
            bot.gate.kill()
            _log.critical("killed: %s", ", ".join(halting))
            return End(ExitReason.KILL, (ExitCode.RISK,))
        if not self._venue_running():
            _log.critical("the embedded exchange has died")
            return End(ExitReason.UNREACHABLE, (ExitCode.UNREACHABLE,))
        return self._never_reached(now_ns) or self._outage(now_ns)

    def _never_reached(self, now_ns: int) -> End | None:
        """Until the first sync the exchange gets 10 s; after it, reconnecting goes on until somebody stops it."""
        self._synced = self._synced or self._status().synced_ns != 0
        if self._synced or now_ns - self._watched_ns < REACH_S * _NS_PER_S or self._bot.state is EngineState.HALTED:
            return None
        what = "the market data" if self._began else "the order channel"
        _log.critical("the exchange cannot be reached: no first sync within %d s, %s is missing", int(REACH_S), what)
        return End(ExitReason.UNREACHABLE, (ExitCode.UNREACHABLE,))

    def _outage(self, now_ns: int) -> End | None:
        """With nothing reachable and own orders whose end nobody can confirm, waiting any longer helps nobody: 15 s of
        trying is what a stop would give them too."""
        bot = self._bot
        if bot.orders.ready or not self._began:
            self._outage_since_ns = 0
            return None
        self._outage_since_ns = self._outage_since_ns or now_ns
        if now_ns - self._outage_since_ns < _SETTLE_UNKNOWN_NS or self._status().open_orders == 0:
            return None
        _log.critical("the exchange has been unreachable for 15 s with own orders open")
        return End(ExitReason.UNREACHABLE, (ExitCode.UNREACHABLE,))

    def _broken(self, now_ns: int) -> bool:
        """Whether there is a thread that died, or a role that stands still for 2 s with input waiting."""
        dead = self._bot.dead_thread()
        if dead is not None:
            _log.critical("thread %s has died", dead.name)
            return True
        for role, name in ((core_loop.ENGINE, "engine"), (core_loop.ORDERS, "orders")):
            progress = self._bot.loop.progress(role)
            seen = self._seen.get(role)
            if seen is None or seen.progress != progress or not self._bot.loop.pending(role):
                self._seen[role] = _Seen(progress, now_ns)
            elif now_ns - seen.since_ns >= _STUCK_NS:
                _log.critical("the %s role has been stuck for 2 s with input waiting", name)
                return True
        return False

    def _watch_strategy(self, now_ns: int) -> None:
        """A strategy that is still thinking cannot say so itself: its quotes are pulled meanwhile."""
        thinking = self._bot.strategy
        since_ns = thinking.thinking_since_ns
        if since_ns and since_ns != self._faulted_ns and now_ns - since_ns > thinking.timeout_ns:
            self._faulted_ns = since_ns
            self._bot.command(Command.STRATEGY_FAULT, 1)
            self._bot.after_run(HOLDER, self._bot.loop.run(HOLDER, now_ns))

    # ---- stopping: no new orders, every own order cancelled and confirmed gone

    def _begin_settling(self, now_ns: int) -> None:
        self._bot.command(Command.STOP)
        self._settle_since_ns = self._clear_since_ns = now_ns
        self._phase = _Phase.SETTLING

    def _settle(self, now_ns: int) -> None:
        bot = self._bot
        if not self._began:  # this run has no orders
            self._begin_emergency(now_ns) if bot.known.leftovers else self._over([])
            return
        if bot.state is EngineState.STOPPED:
            self._over([])
            return
        if self._broken(now_ns):
            self._fail(now_ns)
            return
        if bot.orders.ready:
            self._outage_since_ns = 0  # it is back: cancels get their full time
        if not bot.orders.ready or self._status().unknown_orders:
            self._clear_since_ns = now_ns
        tried_ns = now_ns - (self._outage_since_ns or self._settle_since_ns)
        if now_ns - self._clear_since_ns >= _SETTLE_NS or tried_ns >= _SETTLE_UNKNOWN_NS or self._stop.count >= 3:
            self._over(None)

    def _fail(self, now_ns: int) -> None:
        """The bot itself is at fault, in whatever it did: that goes with the reason there was to stop."""
        self._end = End(self._end.reason, (*self._end.codes, ExitCode.INTERNAL))
        self._begin_emergency(now_ns)

    def _begin_emergency(self, now_ns: int) -> None:
        """The engine or a thread is gone: nothing new may leave, and the REST worker cancels alone."""
        rest = self._bot.rest
        self._bot.gate.kill()
        self._left = [_NOBODY_ANSWERED]
        self._phase = _Phase.EMERGENCY
        self._emergency_until_ns = now_ns + _EMERGENCY_NS

        def cancel() -> None:
            left = rest.cancel_everything(now_ns + _SETTLE_UNKNOWN_NS)
            self._over(left)

        if not self._bot.works(rest):
            try:
                cancel()
            except Exception as error:  # what killed the worker may come again: it is told what may rest
                _log.critical("own orders: %s: %s", type(error).__name__, error, exc_info=error)
                self._phase = _Phase.OVER
        elif not rest.submit(cancel, True):
            self._phase = _Phase.OVER

    def _status(self) -> EngineStatus:
        return self._bot.loop.status(HOLDER)


def _failed(failure: Exception) -> End:
    told = refused(failure) if isinstance(failure, ExchangeError) else failure
    _log.critical("%s", told)
    code = told.exit_code if isinstance(told, MmcoreError) else ExitCode.INTERNAL
    return End(ExitReason.CREDENTIALS if code is ExitCode.CREDENTIALS else ExitReason.ERROR, (code,))
