"""The table of faults in docs/reference/errors.md, row by row: the first line and the exit code are what it says."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from mmcore.errors import ExitCode
from mmcore.venue.accounts import Account
from mmcore.venue.clock import SystemClock
from mmcore.venue.decimals import UNIT_E8
from mmcore.venue.exchange import Exchange
from mmcore.venue.server import VenueServer
from mmcore.venue.signing import KeyRing, hmac_key
from mmcore.venue.synthetic import SyntheticMarket
from tests.e2e.processes import (
    OWN_ID,
    ROOT,
    Bot,
    Stage,
    Together,
    Venue,
    check_against_audit,
    open_orders,
    own_orders,
    wait_until,
)

TABLE = ROOT / "docs" / "reference" / "errors.md"
STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")
COMPLAINT = re.compile(r"(?:WARNING|ERROR|CRITICAL)\b|mmcore: error: |\S+\.json:\d+:\d+: ")


@dataclass(frozen=True)
class Row:
    """One fault of the table. first_line: None = nothing is complained of."""

    fault: str
    first_line: str | None
    exit_code: int

    def matches(self, line: str | None) -> bool:
        if self.first_line is None or line is None:
            return self.first_line is line
        parts = re.split(r"<[^<=>]+>", self.first_line)
        return re.fullmatch(".+".join(map(re.escape, parts)), line) is not None


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def rows_below(heading: str) -> list[list[str]]:
    text = TABLE.read_text(encoding="utf-8").split(heading, 1)[1].split("\n\n#", 1)[0]
    return [cells(line) for line in text.splitlines() if line.startswith("|")]


def read_table() -> dict[str, Row]:
    head, _, *body = rows_below("## Faults")
    assert head[:3] == ["fault", "first line", "exit code"]
    return {name: Row(name, None if line == "none" else line.strip("`"), int(code)) for name, line, code, *_ in body}


TABLE_ROWS = read_table()


def first_complaint(err: str) -> str | None:
    """The first line on standard error that tells of something wrong, without its time."""
    lines = (re.sub(" +", " ", STAMP.sub("", line)) for line in err.splitlines())
    return next((line for line in lines if COMPLAINT.match(line)), None)


def quoting(venue: Venue) -> None:
    wait_until(lambda: bool(open_orders(venue.audit())), 30, "no orders rest")


def bad_flag(stage: Stage) -> Bot:
    return stage.bot("--simbol", "BTCUSDT")


def missing_file(stage: Stage) -> Bot:
    return stage.bot("-c", "nowhere.json")


def bad_values(stage: Stage) -> Bot:
    (stage.folder / "bad.json").write_text(
        '{\n  "strategy": {"layers": 99, "skew": "much"},\n  "risk": {"position_max": 0},\n  "exchnge": {}\n}\n')
    bot = stage.bot("-c", "bad.json")
    assert bot.wait(60) == 2
    faults = [line for line in bot.err.splitlines() if line.startswith("bad.json:")]
    assert [line.split(":")[1] for line in faults] == ["2", "2", "3", "4"]
    assert 'did you mean "exchange"?' in faults[3]
    assert "mmcore: 4 faults in the settings; nothing was started" in bot.err
    return bot


def a_core_that_is_not_to_be_had(stage: Stage) -> Bot:
    return stage.bot("--host.wait", "spin", "--host.cpu", "900")


def missing_keys(stage: Stage) -> Bot:
    return stage.bot("--testnet")


def unreachable_host(stage: Stage) -> Bot:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    bot = stage.bot("--testnet", "--endpoint", f"http://127.0.0.1:{port}", "--duration", "30",
                    env={"API_KEY": "some-key", "API_SECRET": "some-secret"})
    bot.wait_for("cannot be reached yet", 60)
    begun_s = time.monotonic()
    assert bot.wait(60) == 3
    assert 8 < time.monotonic() - begun_s < 15  # it gets 10 s, and one attempt more; the rest is the process's end
    assert bot.err.count("cannot be reached yet") == 1
    assert bot.err.splitlines()[-1] == (
        "mmcore: error: the exchange cannot be reached: /api/v3/time: connection refused")
    assert bot.summary()["exit_reason"] == "unreachable"
    return bot


def wrong_signature(stage: Stage) -> Bot:
    bot = stage.bot("--duration", "5", venue=stage.venue(), env={"API_SECRET": "not-the-secret"})
    assert bot.wait(60) == 4
    assert "not-the-secret" not in bot.err
    assert (bot.summary()["exit_reason"], bot.summary()["orders_sent"]) == ("credentials", 0)
    return bot


def key_revoked_while_running(stage: Stage) -> Bot:
    venue = stage.venue()
    bot = stage.bot("--duration", "60", venue=venue)
    quoting(venue)
    venue.command("/venue/keys/revoke", {"api_key": venue.api_key})
    bot.wait(60)
    left = {order["client_order_id"] for order in open_orders(venue.audit())}
    (line,) = [line for line in bot.err.splitlines() if "own orders NOT confirmed gone:" in line]
    assert left
    # Without a key no fill is told any more: one that has been filled since is named all the same.
    named = set(OWN_ID.findall(line))
    assert named >= left
    summary = bot.summary()
    assert summary["exit_reason"] == "credentials"
    assert summary["open_orders_at_exit"] == len(named)
    return bot


def clock_6_s_off(stage: Stage) -> Bot:
    venue = stage.venue()
    venue.command("/venue/clock", {"offset_ms": 6000})
    bot = stage.bot("--duration", "8", venue=venue)
    assert bot.wait(60) == 0, bot.err
    assert bot.summary()["orders_acked"] > 0
    check_against_audit(bot.summary(), venue.audit())
    return bot


def symbol_unknown(stage: Stage) -> Bot:
    return stage.bot("--symbol", "NOSUCHUSDT", venue=stage.venue())


def symbol_halted_at_the_start(stage: Stage) -> Bot:
    venue = stage.venue()
    venue.command("/venue/symbol", {"status": "BREAK"})
    return stage.bot("--duration", "5", venue=venue)


def symbol_halted_while_running(stage: Stage) -> Bot:
    venue = stage.venue()
    bot = stage.bot("--duration", "12", venue=venue)
    quoting(venue)
    venue.command("/venue/symbol", {"status": "BREAK"})
    halted_us = venue.audit()["server_time_us"]
    wait_until(lambda: not open_orders(venue.audit()), 6, "quotes still rest on a halted symbol")
    assert bot.wait(60) == 0, bot.err
    assert [order for order in own_orders(venue.audit()) if order["placed_us"] > halted_us] == []
    summary = bot.summary()
    assert summary["no_quote_reasons"]["SYMBOL_HALT"] > 1000
    assert summary["open_orders_at_exit"] == 0
    return bot


def address_banned_before_the_start(stage: Stage) -> Bot:
    venue, state = stage.venue(), stage.folder / "state"
    state.mkdir()
    (state / f"127.0.0.1_{venue.port}.banned_until").write_text(f"{(int(time.time()) + 600) * 1000}\n")
    bot = stage.bot("--host.state_dir", str(state), venue=venue)
    assert bot.wait(60) == 3, bot.err
    assert venue.audit()["traffic"]["requests"] == 0
    return bot


def more_held_than_the_symbol_allows(stage: Stage) -> Bot:
    """The account holds 1 BTC, which is all that MAX_POSITION lets it buy."""
    async def trade() -> Bot:
        account, keys = Account("account-1", "k" * 64), KeyRing()
        account.fund({"BTC": UNIT_E8, "USDT": 100_000 * UNIT_E8})
        keys.add(hmac_key("k" * 64, "account-1", "s" * 64))
        exchange = Exchange(SyntheticMarket(1), SystemClock(), keys, [account], maker_rate_e8=100_000,
                            taker_rate_e8=100_000, rng=random.Random(1))
        exchange.set_rules(max_position_e8=UNIT_E8)
        server = VenueServer(exchange, start_with_depth=False, order_rng=random.Random(1))
        url = await server.start(0)
        try:
            bot = stage.bot("--testnet", "--endpoint", url, "--duration", "5",
                            env={"API_KEY": "k" * 64, "API_SECRET": "s" * 64})
            assert await asyncio.to_thread(bot.wait, 60) == 5, bot.err
        finally:
            await server.stop()
        assert [order for order in account.orders.values() if order.side.value == "BUY"] == []
        assert bot.summary()["no_quote_reasons"]["REJECT_RATE"] > 0
        assert bot.summary()["open_orders_at_exit"] == 0
        return bot

    return asyncio.run(trade())


def money_put_in_while_no_events_come(stage: Stage) -> Bot:
    venue = stage.venue()
    bot = stage.bot(venue=venue)
    quoting(venue)
    venue.command("/venue/faults", {"faults": [
        {"kind": "connect_refused", "sockets": "api", "for_ms": 2000}, {"kind": "reset", "sockets": "api"},
        {"kind": "balance_moved", "at_ms": 1000, "amount_e8": 500}]})
    bot.wait_for("WARNING mmcore.rest: the account holds more or less than trades explain since its events were lost "
                 "for a while: taken for a deposit or a withdrawal, which counts as neither profit nor loss", 60)
    quoting(venue)
    bot.send(signal.SIGTERM)
    assert bot.wait(60) == 0, bot.err
    assert bot.summary()["reconcile_repairs"] >= 1
    return bot


FAULTS: dict[str, Callable[[Stage], Bot]] = {
    "bad flag": bad_flag,
    "missing file": missing_file,
    "bad values": bad_values,
    "a core that is not to be had": a_core_that_is_not_to_be_had,
    "missing keys": missing_keys,
    "unreachable host": unreachable_host,
    "wrong signature": wrong_signature,
    "key revoked while running": key_revoked_while_running,
    "clock 6 s off": clock_6_s_off,
    "symbol unknown": symbol_unknown,
    "symbol halted at the start": symbol_halted_at_the_start,
    "symbol halted while running": symbol_halted_while_running,
    "address banned before the start": address_banned_before_the_start,
    "more held than the symbol allows": more_held_than_the_symbol_allows,
    "money put in while no events come": money_put_in_while_no_events_come,
}


SCENARIOS = tuple(FAULTS.values())


def test_the_table_has_a_row_for_each_fault_here_and_no_other() -> None:
    assert list(TABLE_ROWS) == list(FAULTS)


def test_the_exit_codes_are_the_programs() -> None:
    _, _, *body = rows_below("**Exit codes.**")
    assert {int(code): meaning for code, meaning, *_ in body[: len(ExitCode)]} == {
        code.value: code.meaning for code in ExitCode}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_line_and_the_exit_code_are_those_of_the_table(fault: str, together: Together) -> None:
    row, bot = TABLE_ROWS[fault], together.of(FAULTS[fault])
    code = bot.wait(60)
    said = first_complaint(bot.err)
    assert row.matches(said), f"{fault}: said {said!r}, the table says {row.first_line!r}\n{bot.err[-3000:]}"
    assert code == row.exit_code, bot.err
    assert "Traceback" not in bot.err
    assert bot.out == ""
