"""The supervisor: the main thread of a run. It checks, starts the threads, watches them, stops them, and says how
it ended."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import secrets
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mmcore.config import MarketData, Mode, RunOptions, Settings
from mmcore.core import loop as core_loop
from mmcore.core.engine import EngineStatus, first_reason, reason_text, state_name
from mmcore.credentials import Credentials, Secret
from mmcore.errors import CredentialsError, ExitCode, MmcoreError, UnreachableError
from mmcore.exchange.binance.protocol import TESTNET, ClockOffset, Endpoints, LimitState, endpoints_at
from mmcore.exchange.binance.rest import RestClient
from mmcore.exchange.binance.signing import Ed25519Signer, HmacSigner
from mmcore.host import assemble
from mmcore.host.bot import HOLDER, TICK_S, Access, Bot, Keys, Reach, World
from mmcore.host.clock import Clock, SystemClock
from mmcore.host.connector import over_sockets
from mmcore.host.demo import DemoVenue
from mmcore.host.feed import check_cpu
from mmcore.host.recorder import check_recordable
from mmcore.host.state import BanMemory, RunState, ban_file, state_folder
from mmcore.host.stop import Stop
from mmcore.host.watch import End, Watch
from mmcore.strategy.loading import load_strategy
from mmcore.telemetry import summary as summaries
from mmcore.telemetry.log import Log, Redactor
from mmcore.telemetry.screen import Screen
from mmcore.telemetry.summary import ExitReason

_log = logging.getLogger("mmcore.run")

_NS_PER_S: Final = 1_000_000_000
_NEVER_NS: Final = 2**63 - 1
_STATUS_EVERY_NS: Final = 2 * _NS_PER_S
_STATUS_TERMINAL_NS: Final = 500_000_000
# cffi gives the GIL up at every call and has to get it back: a shorter turn for others keeps that wait short.
_SWITCH_INTERVAL_S: Final = 1e-4


def run(settings: Settings, options: RunOptions) -> ExitCode:
    """One run, from the first check to the summary. Raises MmcoreError for what stops it before trading."""
    redactor = Redactor()
    with _signals() as stop, Log(settings.log.level, settings.log.format == "json", settings.log.file, redactor):
        return _run(settings, options, redactor, stop, SystemClock())


@contextlib.contextmanager
def _signals() -> Iterator[Stop]:
    stop = Stop()
    # Whoever has SIGHUP ignored (nohup) wants the run to outlive its terminal.
    hangup = (signal.SIGHUP,) if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else ()
    numbers = (signal.SIGINT, signal.SIGTERM, *hangup)
    before = {number: signal.signal(number, stop.on_signal) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ---- before trading ------------------------------------------------------------------------------------------


def _keys_of(credentials: Credentials | None) -> Keys:
    """Only emptiness is judged here: what a key is good for, the exchange says."""
    if credentials is None or not credentials.api_key:
        raise CredentialsError("API_KEY is not set: testnet needs a key (API_KEY or API_KEY_FILE in the environment)")
    key = credentials.api_key.reveal()
    if credentials.private_key_pem:
        return Keys(key, Ed25519Signer(credentials.private_key_pem.reveal()), True)
    if credentials.api_secret:
        return Keys(key, HmacSigner(credentials.api_secret.reveal()), False)
    raise CredentialsError("API_SECRET is not set: give API_SECRET, API_SECRET_FILE or API_PRIVATE_KEY_FILE")


def _access(settings: Settings, credentials: Credentials | None, endpoints: Endpoints, clock: Clock) -> Access:
    keys = _keys_of(credentials)
    if settings.exchange.market_data is MarketData.SBE and not keys.ed25519:
        raise CredentialsError("exchange.market_data sbe needs an Ed25519 key: give API_PRIVATE_KEY_FILE"
                               + (", with mode testnet" if settings.exchange.mode is Mode.DEMO else ""))
    offset, limits = ClockOffset(), LimitState()
    rest = RestClient(endpoints, tag=settings.account.tag, now_ns=clock.mono_ns, clock=offset, limits=limits,
                      api_key=keys.api_key, signer=keys.signer)
    return Access(endpoints, keys, rest, offset, limits)


def _state(settings: Settings, endpoints: Endpoints,
           venue: DemoVenue | None) -> AbstractContextManager[RunState | None]:
    """What is kept between runs; nothing of the demo, whose exchange ends with the run."""
    if venue is not None:
        return contextlib.nullcontext()
    return RunState(state_folder(settings.host.state_dir, endpoints.rest, settings.exchange.symbol,
                                 settings.account.tag, os.environ))


def _world(clock: Clock) -> World:
    """The machine's own."""
    return World(clock, over_sockets(clock.mono_ns), random.Random(secrets.randbits(64)))


# ---- a run ---------------------------------------------------------------------------------------------------


def _run(settings: Settings, options: RunOptions, redactor: Redactor, stop: Stop, clock: Clock) -> ExitCode:
    started_ns = clock.mono_ns()
    if settings.host.record is not None:
        check_recordable(settings.host.record)
    check_cpu(settings.host.cpu)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    maker = None if settings.strategy.name in assemble.BUILT_IN else load_strategy(settings.strategy)
    venue = DemoVenue(settings.demo) if settings.exchange.mode is Mode.DEMO else None
    try:
        if venue is not None:
            credentials: Credentials | None = Credentials(Secret(venue.api_key), Secret(venue.api_secret))
            endpoints = endpoints_at(venue.url)
        else:
            credentials = options.credentials
            endpoints = endpoints_at(settings.exchange.endpoint) if settings.exchange.endpoint else TESTNET
        if credentials is not None:
            redactor.add(*credentials.secrets)
        access = _access(settings, credentials, endpoints, clock)
        with _state(settings, endpoints, venue) as state:
            if state is not None:
                file = ban_file(settings.host.state_dir, endpoints.rest, os.environ)
                access = replace(access, bans=BanMemory(file, access.limits, access.offset, clock))
            try:
                known = Reach(access, settings, clock, stop, state).ask()
            except MmcoreError as error:
                if options.summary is not None:
                    _write_summary(options.summary, _never_began(settings, error))
                raise
            bot = Bot(settings, options, access, _world(clock), known, maker)
            return _Show(bot, options, venue).run(stop, started_ns)
    finally:
        if venue is not None:
            venue.stop()


def _write_summary(path: Path, summary: summaries.RunSummary) -> bool:
    """False: the disk did not take it. How the run ended is told all the same."""
    try:
        summaries.write(path, summary)
    except OSError as error:
        _log.critical("--summary %s: %s", path, error.strerror or error)
        return False
    return True


def _never_began(settings: Settings, error: MmcoreError) -> summaries.RunSummary:
    """The summary of a run that the exchange did not let begin."""
    reason = {ExitCode.UNREACHABLE: ExitReason.UNREACHABLE,
              ExitCode.CREDENTIALS: ExitReason.CREDENTIALS}.get(error.exit_code, ExitReason.ERROR)
    return summaries.RunSummary(
        mode=str(settings.exchange.mode), symbol=settings.exchange.symbol, exit_reason=reason, events=0,
        book_updates=0, gaps=0, resyncs=0, book_audits=0, book_audit_failures=0, market_duplicates=0, quotes=0,
        quoted_share=summaries.QuotedShare(0.0, 0.0), orders_sent=0, orders_acked=0, orders_rejected=0,
        orders_refused=0, orders_canceled=0, fills=0, open_orders_at_exit=0, unknown_orders=0, reconciles=0,
        reconcile_repairs=0, moves=summaries.Moves(0, 0, 0, 0, 0, 0), position_e8=0, balances={},
        pnl=summaries.Pnl(0, 0, 0), fees_paid_e8={}, unpriced_fees=0, no_quote_reasons={},
        latency_ns={stage: summaries.Latency(0, 0, 0, 0, 0) for stage in summaries.Stage})


class _Show:
    """A run from its first thread to its summary, and what the person watching is told of it."""

    def __init__(self, bot: Bot, options: RunOptions, venue: DemoVenue | None) -> None:
        self._bot = bot
        self._options = options
        self._venue = venue
        self._clock = bot.clock
        self._status_due_ns = 0
        self._audit: Mapping[str, Any] | None = None
        self._terminal = sys.stderr.isatty()
        self._screen = Screen(sys.stderr.fileno())

    def run(self, stop: Stop, started_ns: int) -> ExitCode:
        duration_s, venue = self._options.duration_s, self._venue
        until_ns = None if duration_s is None else started_ns + int(duration_s * _NS_PER_S)
        watch = Watch(self._bot, stop, until_ns, lambda: venue is None or venue.running)
        self._screen.start()
        self._bot.start()
        while not watch.look():
            if not stop.count:
                self._show_status(self._clock.mono_ns())
            self._clock.sleep(TICK_S)
        return self._tell_how_it_went(watch.finish())

    def _tell_how_it_went(self, end: End) -> ExitCode:
        status, codes = self._bot.loop.status(HOLDER), [*end.codes]
        try:
            written = self._write_summary(end, status)
        except Exception as error:  # whatever it is: it may not hide how the run ended
            _log.critical("the summary: %s: %s", type(error).__name__, error, exc_info=error)
            written = False
        if not written:
            codes.append(ExitCode.INTERNAL)
        code = ExitCode.worst(codes)
        self._say_end(end.reason, code, status, end.left)
        return code

    def _write_summary(self, end: End, status: EngineStatus) -> bool:
        if self._venue is not None:
            self._read_audit(self._venue)
        path = self._options.summary
        return path is None or _write_summary(path, self._summary(end.reason, status, end.left))

    def _show_status(self, now_ns: int) -> None:
        """Once it has failed, no more: the run goes on without."""
        if now_ns < self._status_due_ns:
            return
        self._status_due_ns = now_ns + (_STATUS_TERMINAL_NS if self._terminal else _STATUS_EVERY_NS)
        try:
            line = self._status_line(self._bot.loop.status(HOLDER))
            self._screen.show(line if self._terminal else line + "\n")
        except Exception as error:  # whatever it is: no order may be left behind for it
            self._status_due_ns = _NEVER_NS
            _log.error("no status line any more: %s: %s", type(error).__name__, error, exc_info=error)

    def _status_line(self, status: EngineStatus) -> str:
        verdict = status.bid_verdict or status.ask_verdict
        p50, p99 = self._bot.loop.latency(core_loop.STAGES.index("tick_to_order"))[:2]
        bid, bid_qty, ask, ask_qty = status.best
        shown = summaries.Status(
            mode=str(self._bot.settings.exchange.mode), symbol=self._bot.known.rules.symbol,
            state=state_name(status.state), reason=reason_text(first_reason(verdict)) if verdict else None,
            best_bid_e8=bid if bid_qty else None, best_ask_e8=ask if ask_qty else None,
            own_bid_e8=status.wanted_bid_e8, own_ask_e8=status.wanted_ask_e8, position_e8=status.position_e8,
            pnl_e8=status.pnl[0] + status.pnl[1] - status.pnl[2], quote_asset=self._bot.known.rules.quote_asset,
            orders=status.orders_sent, fills=status.fills, tick_to_order_p50_ns=p50, tick_to_order_p99_ns=p99)
        width = shutil.get_terminal_size().columns if self._terminal else 0
        return summaries.format_status(shown, terminal=self._terminal, colour="NO_COLOR" not in os.environ, width=width)

    def _read_audit(self, venue: DemoVenue) -> None:
        try:
            self._audit = venue.audit()
        except UnreachableError as error:
            _log.warning("%s", error)

    def _summary(self, reason: ExitReason, status: EngineStatus, left: tuple[str, ...]) -> summaries.RunSummary:
        bot = self._bot
        balances = {asset: summaries.Balance(free, locked) for asset, (free, locked) in bot.engine.balances().items()}
        latency = {stage: summaries.Latency(*bot.loop.latency(core_loop.STAGES.index(stage)))
                   for stage in summaries.Stage}
        return summaries.RunSummary(
            mode=str(bot.settings.exchange.mode), symbol=bot.known.rules.symbol, exit_reason=reason,
            events=status.events, book_updates=status.book_updates, gaps=status.gaps, resyncs=status.resyncs,
            book_audits=status.book_audits, book_audit_failures=status.book_audit_failures,
            market_duplicates=bot.loop.duplicates(),
            quotes=status.quotes,
            quoted_share=summaries.QuotedShare.of_times(status.quoted_bid_ns, status.quoted_ask_ns,
                                                        status.synced_time_ns),
            orders_sent=status.orders_sent, orders_acked=status.orders_acked, orders_rejected=status.orders_rejected,
            orders_refused=status.orders_refused, orders_canceled=status.orders_canceled, fills=status.fills,
            open_orders_at_exit=max(status.open_orders, len(left)) if left else 0, unknown_orders=status.unknown_orders,
            reconciles=status.reconciles, reconcile_repairs=status.reconcile_repairs,
            moves=summaries.Moves(status.moves_wanted, status.moves_made, status.moves_merged, status.moves_withheld,
                                  status.replaces, status.amends),
            position_e8=status.position_e8, balances=balances,
            pnl=summaries.Pnl(*status.pnl), fees_paid_e8=bot.engine.fees(), unpriced_fees=status.unpriced_fees,
            no_quote_reasons={name: spent_ns // 1_000_000 for name, spent_ns in status.reason_ns.items()},
            latency_ns=latency,
            actions_digest=bot.recorder.actions_digest() if bot.recorder is not None else None,
            venue_audit=self._audit)

    def _say_end(self, reason: ExitReason, code: ExitCode, status: EngineStatus, left: tuple[str, ...]) -> None:
        gone = "own orders NOT confirmed gone" if left else "all own orders confirmed gone"
        self._screen.close(f"{chr(10) if self._terminal else ''}mmcore: stopped ({reason}): {gone}; "
                           f"{status.orders_sent} orders, {status.fills} fills; exit {code.value}\n")
