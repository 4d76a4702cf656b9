"""The REST worker against a real venue over real sockets, with a real loop beside it."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from mmcore._native import ffi, lib
from mmcore.config import Settings
from mmcore.core import record
from mmcore.core.engine import Engine
from mmcore.core.feed import Feed
from mmcore.core.kinds import Command, EngineState, Kind, Operation, OrderState, RecordFlag
from mmcore.core.loop import RING_CONTROL, Loop, new_record
from mmcore.exchange.base import CommissionRates, OrderRequest, Outcome, Side
from mmcore.exchange.binance.protocol import ClockOffset, LimitedError, LimitState, Verdict, endpoints_at
from mmcore.exchange.binance.rest import RestClient
from mmcore.exchange.binance.signing import HmacSigner
from mmcore.host.assemble import engine_config, loop_config
from mmcore.host.clock import SystemClock
from mmcore.host.rest_worker import RestWorker, Run
from mmcore.units import E8, format_e8
from tests.e2e.processes import SYMBOL, Stage, Venue, account, wait_until

EPOCH = 36**3
OURS = "mA1-0001000-000000{}-{}"
OLDER = "mA1-0000001-0000001-b0"
FOREIGN = "somebody-else"
HOLDER = 9


class Worker(RestWorker):
    """The worker, and a copy of everything it tells the engine."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.told: list[Any] = []

    def push(self, records: Any) -> None:
        count = records[0].count
        kept = ffi.new("mm_record[]", count)
        ffi.memmove(kept, records, count * ffi.sizeof("mm_record"))
        self.told.append(kept)
        super().push(records)

    def of(self, kind: int) -> list[Any]:
        """The events of one kind so far."""
        return [event for event in self.told if event[0].kind == kind]


class Desk:
    """A worker with what it needs, not started."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.clock = SystemClock()
        self.offset = ClockOffset()
        self.client = RestClient(endpoints_at(venue.url), tag="A1", now_ns=self.clock.mono_ns, clock=self.offset,
                                 limits=LimitState(), api_key=venue.api_key, signer=HmacSigner(venue.api_secret))
        info = self.client.exchange_info(SYMBOL)
        config = engine_config(Settings(), info.rules(SYMBOL), CommissionRates(100_000, 100_000, 100_000, 100_000),
                               info.rate_limits, utc_offset_ns=0, accept_reset=False, fee_asset="BNB")
        self.engine = Engine(config)
        self.loop = Loop(self.engine, loop_config(Settings(), recorded=False))
        self.states: list[tuple[int, int]] = []
        decoder = Feed(symbol=SYMBOL, order_prefix="mA1-0001000-", account_prefix="mA1-")
        self.worker = Worker(self.loop, self.client, decoder, self.offset, self.clock, Run(SYMBOL, "A1", EPOCH),
                             lambda state, verdict: self.states.append((state, verdict)))

    def run_engine(self) -> None:
        self.loop.run(HOLDER, self.clock.mono_ns())

    def orders(self) -> dict[str, str]:
        """Client id -> status, as the venue has it."""
        return {order["client_order_id"]: order["status"] for order in account(self.venue.audit())["orders"]}


@pytest.fixture
def desk(tmp_path: Any) -> Iterator[Desk]:
    stage = Stage(tmp_path)
    try:
        made = Desk(stage.venue("--balance", "DOGE=5", "--balance", "BNB=2"))
        yield made
        made.client.close()
    finally:
        stage.clear()


@pytest.fixture
def running(desk: Desk) -> Iterator[Desk]:
    """The worker's thread at work."""
    desk.worker.start()
    yield desk
    desk.worker.stop()
    desk.worker.join(10)
    assert not desk.worker.is_alive()
    assert desk.worker.died is None


def request(client_id: str, side: Side = Side.BUY) -> OrderRequest:
    return OrderRequest(client_id, SYMBOL, side, E8, E8)


def rest_three(desk: Desk) -> None:
    """An order of this run, one of an earlier one and somebody else's, none of which trades."""
    bid, ask = desk.venue.best()
    desk.venue.place(OURS.format(5, "a1"), "SELL", ask + 400, "0.002")
    desk.venue.place(OLDER, "BUY", bid - 400)
    desk.venue.place(FOREIGN, "BUY", bid - 410)


def trade(desk: Desk, client_id: str) -> None:
    """Buys 0.001 at once."""
    desk.venue.signed("POST", "/api/v3/order", symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC",
                      price=f"{desk.venue.best()[1] + 50:.2f}", quantity="0.001", newClientOrderId=client_id)


# ---- jobs ----------------------------------------------------------------------------------------------------


def test_jobs_run_on_the_workers_thread_urgent_ones_first(desk: Desk) -> None:
    done: list[str] = []
    threads: set[str] = set()

    def job(name: str) -> Callable[[], None]:
        return lambda: (done.append(name), threads.add(threading.current_thread().name))[0]

    for name, urgent in (("a", False), ("b", False), ("cancel", True), ("c", False), ("cancel2", True)):
        assert desk.worker.submit(job(name), urgent)
    assert done == []
    desk.worker.start()
    wait_until(lambda: len(done) == 5, 60, "jobs were not done")
    desk.worker.stop()
    desk.worker.join(10)
    assert done == ["cancel", "cancel2", "a", "b", "c"]
    assert threads == {"rest"}


def test_the_queues_are_bounded_and_say_so(desk: Desk) -> None:
    accepted = sum(desk.worker.submit(lambda: None, False) for _ in range(3000))
    assert accepted == 1024
    assert desk.worker.submit(lambda: None, True)  # there is still room for cancels


# ---- reads ---------------------------------------------------------------------------------------------------


def test_the_account_is_told_whole_and_nothing_of_other_assets(desk: Desk) -> None:
    desk.worker.read_account(77)
    rows = {ffi.string(event[0].body.balance.asset).decode(): event[0].body.balance
            for event in desk.worker.of(lib.MM_KIND_BALANCE)}
    assert {asset: (row.free_e8, row.locked_e8) for asset, row in rows.items()} == {
        "BTC": (E8, 0), "USDT": (100_000 * E8, 0), "BNB": (2 * E8, 0)}
    assert desk.worker.told[-1][0].kind == lib.MM_KIND_ACCOUNT_END
    assert desk.worker.told[-1][0].body.balance.token == 77
    desk.run_engine()
    assert desk.engine.balances()["USDT"] == (100_000 * E8, 0)


def test_open_orders_are_told_with_whose_they_are(desk: Desk) -> None:
    rest_three(desk)
    desk.worker.read_open_orders(5)
    rows = [event[0] for event in desk.worker.of(Kind.OPEN_ROW)]
    whose = {(row.body.report.order_seq, row.flags & (RecordFlag.FOREIGN | RecordFlag.OLD_RUN)) for row in rows}
    assert whose == {(5, 0), (0, RecordFlag.OLD_RUN), (0, RecordFlag.FOREIGN)}
    (own,) = [row.body.report for row in rows if row.body.report.order_seq]
    assert (own.side, own.qty_e8, own.executed_e8, own.status) == (1, 200_000, 0, OrderState.LIVE)
    assert desk.worker.told[-1][0].body.balance.token == 5
    names = {desk.worker.leftover_name(row.body.report.exchange_id) for row in rows}
    assert names == {OURS.format(5, "a1"), OLDER, None}  # somebody else's has no name to cancel it by


def test_trades_are_told_from_this_runs_first_on_with_their_order(desk: Desk) -> None:
    trade(desk, "before-this-run")
    desk.worker.read_start()
    trade(desk, OURS.format(7, "b0"))
    trade(desk, FOREIGN)
    desk.worker.read_trades(3, 0)
    fills = account(desk.venue.audit())["fills"]
    mine = [fill for fill in fills if fill["client_order_id"] != "before-this-run"]
    rows = desk.worker.of(lib.MM_KIND_TRADE_ROW)
    assert [row[1].body.fill.trade_id for row in rows] == [fill["trade_id"] for fill in mine]
    for row, fill in zip(rows, mine, strict=True):
        ours = fill["client_order_id"] != FOREIGN
        assert row[0].count == 2
        assert row[0].body.report.order_seq == (7 if ours else 0)
        assert bool(row[0].flags & RecordFlag.FOREIGN) is not ours
        assert not row[0].flags & RecordFlag.MAKER
        assert Decimal(format_e8(row[0].body.report.price_e8)) == Decimal(fill["price"])
        assert Decimal(format_e8(row[0].body.report.qty_e8)) == Decimal(fill["qty"])
        assert Decimal(format_e8(row[1].body.fill.quote_e8)) == Decimal(fill["quote"])
        assert Decimal(format_e8(row[1].body.fill.fee_e8)) == Decimal(fill["commission"])
        assert ffi.string(row[1].body.fill.fee_asset).decode() == fill["commission_asset"]
    assert desk.worker.told[-1][0].kind == lib.MM_KIND_TRADES_END
    assert desk.worker.told[-1][0].body.balance.token == 3


def test_after_a_reset_trades_and_names_of_the_old_account_are_history(desk: Desk) -> None:
    desk.worker.read_start()
    for number in (7, 8):
        trade(desk, OURS.format(number, "b0"))
    desk.worker.read_trades(3, 0)
    assert [row[0].body.report.order_seq for row in desk.worker.of(lib.MM_KIND_TRADE_ROW)] == [7, 8]
    desk.venue.command("/venue/faults", {"faults": [{"kind": "wipe"}]})
    wait_until(lambda: not account(desk.venue.audit())["fills"], 20, "nothing was wiped")
    trade(desk, OURS.format(9, "b0"))  # before anybody has noticed; its order has the number that 7 had
    desk.worker.read_start(4)
    assert desk.worker.told[-1][0].body.balance.token == 4
    trade(desk, OURS.format(5, "b0"))
    desk.worker.told.clear()
    desk.worker.read_trades(5, 0)
    assert [row[0].body.report.order_seq for row in desk.worker.of(lib.MM_KIND_TRADE_ROW)] == [5]


def test_trades_already_known_are_not_read_again(desk: Desk) -> None:
    for number in (1, 2, 3):
        trade(desk, OURS.format(number, "b0"))
    last = account(desk.venue.audit())["fills"][-1]["trade_id"]
    desk.worker.read_trades(0, last)
    assert [row[1].body.fill.trade_id for row in desk.worker.of(lib.MM_KIND_TRADE_ROW)] == [last]


def test_rows_that_no_exchange_sends_cost_the_read_and_not_the_thread(running: Desk) -> None:
    """A foreign order with a number beyond 64 bits among the open ones, and an asset nobody can name among the
    balances; then the venue answers as ever."""
    desk = running
    call = desk.client._http.request
    bodies = {
        "openOrders": [{"symbol": SYMBOL, "clientOrderId": "x", "orderId": 2**63, "side": "BUY", "price": "1",
                        "origQty": "1", "executedQty": "0", "time": 1}],
        "account": {"canTrade": True, "updateTime": 1, "balances": [
            {"asset": "A_NAME_FAR_TOO_LONG", "free": "1", "locked": "0"}, {"asset": "币", "free": "1", "locked": "0"},
            {"asset": "BTC", "free": "1", "locked": "0"}]},
    }

    def twisted(method: str, path: str, *more: Any) -> Any:
        reply = call(method, path, *more)
        body = bodies.pop(path.rpartition("/")[2], None)
        return reply if body is None else dataclasses.replace(reply, body=json.dumps(body).encode())

    desk.client._http.request = twisted  # type: ignore[method-assign]
    work = new_record()
    for kind in (Kind.WANT_OPEN, Kind.WANT_ACCOUNT):
        work.kind, work.count, work.body.command.command = kind, 1, 7
        assert lib.mm_spsc_push(lib.mm_loop_ring(desk.loop._raw, lib.MM_RING_WORK), work)
    desk.worker.wake()
    wait_until(lambda: bool(desk.worker.of(lib.MM_KIND_ACCOUNT_END) and desk.worker.of(lib.MM_KIND_OPEN_END)), 60,
               "the reads were not done")
    assert bodies == {}
    (row,) = desk.worker.of(lib.MM_KIND_BALANCE)
    assert ffi.string(row[0].body.balance.asset) == b"BTC"


def test_a_fee_in_an_asset_of_any_letters_is_asked_for_and_not_found(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    work = ffi.new("mm_record *")
    work.kind = lib.MM_KIND_WANT_PRICE
    work.body.balance.asset = "币安人生".encode()
    desk.worker._take_work(work)
    assert len(caplog.records) == 1
    assert desk.worker.of(lib.MM_KIND_PRICE) == []


# ---- the clock and the symbol --------------------------------------------------------------------------------


def test_a_time_the_exchange_refused_is_not_kept_for_having_been_measured_quickly(desk: Desk) -> None:
    now_ns = desk.clock.mono_ns()
    desk.offset.add(now_ns, now_ns, 5)  # no round trip is quicker, and none is more wrong
    work = new_record()
    work.kind, work.count = Kind.WANT_CLOCK, 1
    assert lib.mm_spsc_push(lib.mm_loop_ring(desk.loop._raw, lib.MM_RING_WORK), work)
    desk.worker.serve()
    here_ns = desk.clock.epoch_ns() - desk.clock.mono_ns()
    assert abs(desk.offset.offset_ns - here_ns) < 2_000_000_000
    told = desk.worker.of(lib.MM_KIND_CLOCK)[-1]
    assert abs(told[0].body.command.value - here_ns) < 2_000_000_000


def test_the_exchanges_clock_is_measured_at_once_and_told(desk: Desk) -> None:
    desk.venue.command("/venue/clock", {"offset_ms": 6000})
    desk.worker.start()
    wait_until(lambda: bool(desk.worker.of(lib.MM_KIND_CLOCK)), 60, "no clock")
    desk.worker.stop()
    desk.worker.join(10)
    (told,) = desk.worker.of(lib.MM_KIND_CLOCK)
    here_ns = desk.clock.epoch_ns() - desk.clock.mono_ns()
    assert abs(told[0].body.command.value - here_ns - 6_000_000_000) < 500_000_000
    assert 0 < told[0].body.command.value2 < 1_000_000_000
    assert desk.offset.known


def test_a_symbol_that_stops_and_starts_is_told_each_time(running: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk = running

    def trading() -> list[int]:
        told = [event[0].body.command for event in desk.worker.of(lib.MM_KIND_COMMAND)]
        return [command.value for command in told if command.command == Command.SYMBOL]

    wait_until(lambda: trading() == [1], 60, "the symbol was not looked at")
    for status, expected in (("BREAK", [1, 0]), ("TRADING", [1, 0, 1])):
        desk.venue.command("/venue/symbol", {"status": status})
        desk.worker.resync_clock()
        wait_until(lambda wanted=expected: trading() == wanted, 60, f"{status} was not told")
    assert [line.message for line in caplog.records] == ["BTCUSDT is BREAK", "BTCUSDT is trading again"]


def ask_price(desk: Desk, asset: str) -> None:
    """As the engine does when a fee was paid in `asset`."""
    work = ffi.new("mm_record *")
    work.kind = lib.MM_KIND_WANT_PRICE
    work.body.balance.asset = asset.encode()
    desk.worker._take_work(work)


def test_what_a_fee_asset_costs_is_told_and_its_balance_is_read_from_then_on(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    ask_price(desk, "BTC")  # the one asset this venue has a price of
    (told,) = desk.worker.of(lib.MM_KIND_PRICE)
    bid, ask = desk.venue.best()
    assert bytes(ffi.string(told[0].body.balance.asset)) == b"BTC"
    assert abs(Decimal(format_e8(told[0].body.balance.free_e8)) - (bid + ask) / 2) < 100
    for _ in range(2):
        ask_price(desk, "DOGE")
    assert len(desk.worker.of(lib.MM_KIND_PRICE)) == 1
    assert [line.message for line in caplog.records] == [
        "fees paid in DOGE count 0 in profit and loss: DOGEUSDT is not listed by the exchange"]
    desk.worker.read_account(7)
    read = {bytes(ffi.string(event[0].body.balance.asset)) for event in desk.worker.of(lib.MM_KIND_BALANCE)}
    assert read == {b"BTC", b"USDT", b"BNB", b"DOGE"}


def test_a_clock_the_exchange_calls_wrong_is_measured_anew_from_nothing(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    now_ns = desk.clock.mono_ns()
    desk.offset.add(now_ns, now_ns, 1_000_000)  # decades off, and with no round trip at all
    work = ffi.new("mm_record *")
    work.kind = lib.MM_KIND_WANT_CLOCK
    with caplog.at_level("INFO", "mmcore"):
        desk.worker._take_work(work)
    here_ns = desk.clock.epoch_ns() - desk.clock.mono_ns()
    assert abs(desk.offset.offset_ns - here_ns) < 100_000_000
    assert "the exchange's clock is" in caplog.text
    told = desk.worker.of(lib.MM_KIND_CLOCK)[-1]
    assert told[0].body.command.value == desk.offset.offset_ns
    assert told[0].body.command.value2 == desk.offset.round_trip_ns


def test_a_symbol_that_is_no_longer_listed_does_not_trade(
    desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.worker, "_run_names", Run("GONEUSDT", "A1", EPOCH))
    desk.worker._measure_clock()
    assert not desk.worker.trading
    assert [line.message for line in caplog.records] == ["GONEUSDT is not listed by the exchange"]
    told = [event[0].body.command for event in desk.worker.of(lib.MM_KIND_COMMAND)]
    assert [(command.command, command.value) for command in told] == [(Command.SYMBOL, 0)]


def test_during_a_ban_the_engine_knows_of_it_and_the_clock_is_not_asked_for(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever was told of the ban: here it is nobody's request of this thread."""
    until_ns = desk.client._limits.on_refusal(Verdict.BANNED, -1003, "", 600_000_000_000, desk.clock.mono_ns(), None)
    for _ in range(3):
        desk.worker.serve()
    assert len(caplog.records) == 1
    assert desk.worker.deadline_ns() == until_ns
    (told,) = desk.worker.of(lib.MM_KIND_LIMIT)
    assert told[0].body.outcome.until_ns == until_ns


# ---- the engine's requests -----------------------------------------------------------------------------------


def test_the_engine_gets_what_it_asks_for(running: Desk) -> None:
    """START makes the engine look for open orders twice; then it is asked what it knows."""
    desk = running
    desk.worker.submit(lambda: desk.worker.read_account(0), True)
    wait_until(lambda: bool(desk.worker.of(lib.MM_KIND_ACCOUNT_END)), 60, "no account")
    assert desk.loop.push(RING_CONTROL, record.command(Command.START, desk.clock.mono_ns()))

    def confirmed() -> bool:
        desk.run_engine()
        return len(desk.worker.of(lib.MM_KIND_OPEN_END)) >= 2

    wait_until(confirmed, 60, "open orders were not read twice")
    desk.run_engine()
    wait_until(lambda: bool(desk.states) and desk.states[-1][0] == EngineState.SYNCING, 60, "no state was told")
    assert desk.states[0][0] == EngineState.INIT


def test_no_answer_is_never_taken_for_an_empty_one(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.venue.kill()
    work = ffi.new("mm_record *")
    for kind in (Kind.WANT_OPEN, Kind.WANT_TRADES, Kind.WANT_ACCOUNT, Kind.WANT_SNAPSHOT):
        work.kind, work.count = kind, 1
        desk.worker._take_work(work)
    assert desk.worker.told == []
    assert [line.message.partition(":")[0] for line in caplog.records] == ["open", "trades", "account", "snapshot"]


def test_a_snapshot_is_told_as_one_event_with_all_its_levels(desk: Desk) -> None:
    work = ffi.new("mm_record *")
    work.kind, work.count = Kind.WANT_SNAPSHOT, 1
    work.body.command.value2 = 100
    desk.worker._take_work(work)
    (event,) = desk.worker.of(lib.MM_KIND_SNAPSHOT)
    depth = event[0].body.depth
    assert (depth.bid_count, depth.ask_count) == (100, 100)
    assert depth.last_id > 0
    best = event[1].body.levels[0]
    assert abs(Decimal(format_e8(best.price_e8)) - desk.venue.best()[0]) < 500


# ---- jobs ----------------------------------------------------------------------------------------------------


def test_a_job_that_puts_itself_back_keeps_neither_the_engine_nor_the_end_waiting(running: Desk) -> None:
    desk = running
    runs: list[int] = []

    def again() -> None:
        runs.append(1)
        desk.clock.sleep(0.01)
        desk.worker.submit(again, False)

    assert desk.worker.submit(again, False)
    wait_until(lambda: len(runs) > 3, 60, "the job does not run")
    desk.run_engine()  # its state is among its first words
    wait_until(lambda: bool(desk.states), 60, "the engine's word was not taken")


def test_an_order_that_waits_is_forgotten_when_everything_is_cancelled(desk: Desk) -> None:
    ran: list[str] = []
    assert desk.worker.submit(lambda: ran.append("order"), False)
    assert desk.worker.submit(lambda: ran.extend(desk.worker.cancel_everything(desk.clock.mono_ns() + 10**10)), True)
    assert desk.worker.submit(lambda: ran.append("cancel"), True)
    desk.worker.start()
    wait_until(lambda: ran == ["cancel"], 60, f"ran {ran}")
    desk.worker.stop()
    desk.worker.join(10)
    assert ran == ["cancel"]


# ---- cancels -------------------------------------------------------------------------------------------------


def test_a_cancel_goes_out_and_its_answer_comes_back(running: Desk) -> None:
    desk = running
    rest_three(desk)
    assert desk.worker.cancel(request(OURS.format(5, "a1"), Side.SELL), Operation.CANCEL, 5)
    wait_until(lambda: bool(desk.worker.of(Kind.CANCELED)), 60, "no answer")
    (answer,) = desk.worker.of(Kind.CANCELED)
    assert (answer[0].body.report.order_seq, answer[0].body.report.status) == (5, OrderState.CANCELED)
    assert desk.orders() == {OURS.format(5, "a1"): "CANCELED", OLDER: "NEW", FOREIGN: "NEW"}


def test_a_query_says_what_the_exchange_knows(running: Desk) -> None:
    desk = running
    rest_three(desk)
    desk.worker.cancel(request(OURS.format(5, "a1")), Operation.QUERY, 5)
    desk.worker.cancel(request(OURS.format(6, "b0")), Operation.QUERY, 6)
    wait_until(lambda: len(desk.worker.of(Kind.STATUS)) == 2, 60, "no answers")
    found, missing = (event[0] for event in desk.worker.of(Kind.STATUS))
    assert (found.body.report.order_seq, found.flags & RecordFlag.FOUND) == (5, RecordFlag.FOUND)
    assert (missing.body.report.order_seq, missing.flags & RecordFlag.FOUND) == (6, 0)


def test_a_cancel_of_what_is_not_there_proves_nothing_and_says_so(running: Desk) -> None:
    desk = running
    desk.worker.cancel(request(OURS.format(6, "b0")), Operation.CANCEL, 6)
    wait_until(lambda: bool(desk.worker.of(Kind.CANCEL_REJECT)), 60, "no answer")
    told = desk.worker.of(Kind.CANCEL_REJECT)[0][0].body.outcome
    assert (told.order_seq, told.code, told.detail) == (6, -2011, lib.MM_REJECT_UNKNOWN_ORDER)


def test_everything_of_ours_is_cancelled_and_confirmed_and_nothing_else(desk: Desk) -> None:
    rest_three(desk)
    begun_ns = desk.clock.mono_ns()
    assert desk.worker.cancel_everything(begun_ns + 15_000_000_000) == []
    assert desk.orders() == {OURS.format(5, "a1"): "CANCELED", OLDER: "CANCELED", FOREIGN: "NEW"}
    assert desk.clock.mono_ns() - begun_ns > 2_000_000_000  # found empty twice, a second apart


def test_our_own_share_of_the_weight_keeps_back_neither_cancels_nor_what_there_is_to_cancel(tmp_path: Any) -> None:
    """Another program on this address has used 87 % of it."""
    stage = Stage(tmp_path)
    try:
        venue = stage.venue("--weight-1m", "1000")
        venue.begin_minute()
        desk = Desk(venue)
        rest_three(desk)
        venue.use_weight(870)
        desk.client.server_time()
        with pytest.raises(LimitedError):
            desk.client.account()
        desk.worker.read_open_orders(5)  # as a run begins, and as it stops
        assert len(desk.worker.of(Kind.OPEN_ROW)) == 3
        assert desk.client.query_order(request(OURS.format(5, "a1"))).outcome is Outcome.ACKED
        assert desk.worker.cancel_everything(desk.clock.mono_ns() + 15_000_000_000) == []
        assert desk.orders() == {OURS.format(5, "a1"): "CANCELED", OLDER: "CANCELED", FOREIGN: "NEW"}
        desk.worker._say_state(EngineState.ACTIVE, 0)
        with pytest.raises(LimitedError):
            desk.worker.read_open_orders(6)  # while trading it is a comparison
        desk.client.close()
    finally:
        stage.clear()


def test_what_cannot_be_confirmed_gone_is_named(desk: Desk) -> None:
    rest_three(desk)
    desk.venue.command("/venue/keys/revoke", {"api_key": desk.venue.api_key})
    left = desk.worker.cancel_everything(desk.clock.mono_ns() + 1_000_000_000)
    assert left == ["unknown: the exchange did not answer"]


def test_what_was_seen_last_is_named_when_the_exchange_goes_away(desk: Desk) -> None:
    rest_three(desk)
    cancel = desk.client.cancel_order

    def dies_then(asked: OrderRequest) -> Any:
        desk.venue.kill()
        return cancel(asked)

    desk.client.cancel_order = dies_then  # type: ignore[method-assign]
    left = desk.worker.cancel_everything(desk.clock.mono_ns() + 3_000_000_000)
    assert sorted(left) == sorted([OURS.format(5, "a1"), OLDER])
