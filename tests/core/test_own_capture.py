"""Book, sync and replay on the small capture of our own venue that lies in the repository."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from mmcore._native import lib
from mmcore.commands import book
from mmcore.config import Settings
from mmcore.core import loop as core_loop
from mmcore.core import record
from mmcore.core.engine import Engine, EngineConfig
from mmcore.core.feed import Feed
from mmcore.core.kinds import Command, Kind, Operation, OrderState
from mmcore.core.log import ActionsDigest, header, replay
from mmcore.core.loop import Loop, new_record
from mmcore.errors import UsageError
from mmcore.exchange.base import CommissionRates
from mmcore.exchange.binance.filters import ExchangeInfo
from mmcore.host import assemble
from tests.model.replay_twin import replay_capture

CAPTURE = Path(__file__).parent.parent / "data" / "venue_btcusdt.gz"
_HOLDER = 1
_EXCHANGE_INFO = {
    "rateLimits": [],
    "symbols": [{
        "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
        "baseCommissionPrecision": 8, "quoteCommissionPrecision": 8, "orderTypes": ["LIMIT_MAKER"],
        "isSpotTradingAllowed": True, "permissionSets": [["SPOT"]],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
            {"filterType": "NOTIONAL", "minNotional": "5", "maxNotional": "9000000"},
        ],
    }],
}


def test_the_book_command_equals_a_slow_replay(capsys: pytest.CaptureFixture[str]) -> None:
    assert book.main([CAPTURE]) == 0
    assert json.loads(capsys.readouterr().out) == replay_capture(CAPTURE)


def _engine_config() -> EngineConfig:
    info = ExchangeInfo(_EXCHANGE_INFO)
    rates = CommissionRates(100_000, 100_000, 100_000, 100_000)
    return assemble.engine_config(Settings(), info.rules("BTCUSDT"), rates, info.rate_limits, utc_offset_ns=0,
                                  accept_reset=False)


class _Bot:
    """One thread, recorded time; the exchange takes every order."""

    def __init__(self) -> None:
        self.config = _engine_config()
        self.loop = Loop(Engine(self.config), assemble.loop_config(Settings(), recorded=True))
        self.decoder = Feed("BTCUSDT", "mA1-0000001-", "mA1-")
        self.log: list[bytes] = []
        self.digest = ActionsDigest()
        self.now_ns = 10_000_000_000
        self.placed = 0
        self._action, self._work = new_record(), new_record()

    def run(self) -> None:
        self.loop.run(_HOLDER, self.now_ns)
        while self.loop.next_action(self._action):
            self._answer(int(self._action.kind), int(self._action.body.action.order_seq))
        while self.loop.next_work(self._work):
            if self._work.kind == Kind.WANT_OPEN:
                self.loop.push(core_loop.RING_REST, record.open_end(int(self._work.body.command.command)))
        self.loop.run(_HOLDER, self.now_ns)
        records = self.loop.drain_log()
        self.digest.add(records)
        self.log.append(records.tobytes())

    def _answer(self, kind: int, seq: int) -> None:
        place = kind == Kind.PLACE
        self.placed += place
        operation = Operation.PLACE if place else Operation.CANCEL
        self.loop.push(core_loop.RING_EXEC, record.outcome(Kind.SENT, seq, operation, self.now_ns))
        reply, status = (Kind.ACK, OrderState.LIVE) if place else (Kind.CANCELED, OrderState.CANCELED)
        self.loop.push(core_loop.RING_EXEC, record.report(reply, seq, exchange_id=1000 + seq, status=status))

    def start(self) -> None:
        for channel in (record.ORDER, record.USER):
            self.loop.push(core_loop.RING_EXEC, record.order_link(channel, True, self.now_ns))
        self.loop.push(core_loop.RING_MARKET, record.market_link(True, self.now_ns))
        self.loop.push(core_loop.RING_REST, record.clock(0, 0, self.now_ns))
        for asset, free in (("BTC", 10**8), ("USDT", 10**13)):
            self.loop.push(core_loop.RING_REST, record.balance(asset, free, 0, 0))
        self.loop.push(core_loop.RING_REST, record.command(Command.START, self.now_ns))
        for _ in range(3):
            self.run()
            self.now_ns += 1_000_000_000

    def play(self) -> None:
        first_ns: int | None = None
        base_ns = self.now_ns
        for line in gzip.decompress(CAPTURE.read_bytes()).splitlines():
            stamp, text = line.split(b" ", 1)
            first_ns = int(stamp) if first_ns is None else first_ns
            self.now_ns = base_ns + int(stamp) - first_ns
            ring = core_loop.RING_MARKET if b'"stream"' in text[:12] else core_loop.RING_REST
            for event in self.decoder.decode_events(text, self.now_ns):
                assert self.loop.push(ring, event)
            self.run()


def _record(path: Path) -> _Bot:
    bot = _Bot()
    bot.start()
    bot.play()
    path.write_bytes(header(bot.config) + b"".join(bot.log))
    return bot


def test_a_recorded_run_replays_to_the_same_actions(tmp_path: Path) -> None:
    bot = _record(tmp_path / "log")
    status = bot.loop.status(_HOLDER)
    assert status.book_updates == replay_capture(CAPTURE)["applied"]
    assert status.gaps == 0
    assert bot.placed > 4
    for _ in range(2):
        again = replay(tmp_path / "log")
        assert again.mismatch is None
        assert again.actions_digest == bot.digest.hexdigest()


def test_two_runs_over_the_same_capture_are_the_same(tmp_path: Path) -> None:
    first, second = _record(tmp_path / "a"), _record(tmp_path / "b")
    assert first.digest.hexdigest() == second.digest.hexdigest()


def test_a_logged_action_that_was_changed_is_found(tmp_path: Path) -> None:
    bot = _record(tmp_path / "log")
    data = bytearray((tmp_path / "log").read_bytes())
    at = data.index(int(Kind.PLACE).to_bytes(2, "little") + b"\0\0\1\0\0\0", len(header(bot.config)))
    data[at + 8 + 16] ^= 1  # the price of a logged order
    (tmp_path / "log").write_bytes(bytes(data))
    assert replay(tmp_path / "log").mismatch is not None


def test_a_log_of_somebody_elses_strategy_is_refused_and_not_run_without_it(tmp_path: Path) -> None:
    config = _engine_config()
    config.raw.strategy = lib.MM_STRATEGY_CUSTOM
    (tmp_path / "log").write_bytes(header(config))
    with pytest.raises(UsageError, match="strategy of the embedding program"):
        replay(tmp_path / "log")
