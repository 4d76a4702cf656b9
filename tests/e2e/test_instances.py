"""Two bots with one tag, and a bot that comes back: ids are never used twice, and only one of them trades."""

from __future__ import annotations

import re
import shutil
import signal
from typing import Any

from mmcore.exchange.binance.protocol import ClientId
from tests.e2e.processes import Bot, Stage, Together, Venue, open_orders, own_orders, wait_until


def quoting(venue: Venue, more_than: int = 0) -> None:
    wait_until(lambda: len(own_orders(venue.audit())) > more_than, 90, "no orders rest")


def epochs(audit: Any) -> list[int]:
    """Of all own orders, in the order they were placed."""
    parsed = [ClientId.parse(order["client_order_id"]) for order in own_orders(audit)]
    return [one.epoch for one in parsed if one is not None]


def two_on_one_machine(stage: Stage) -> tuple[Bot, Bot]:
    venue = stage.venue()
    first = stage.bot(venue=venue)
    quoting(venue)
    second = stage.bot(venue=venue)
    assert second.wait(60) == 2, second.err
    first.send(signal.SIGTERM)
    assert first.wait(60) == 0, first.err
    return first, second


def two_on_two_machines(stage: Stage) -> tuple[Bot, Bot, Any]:
    venue = stage.venue()
    older = stage.bot(venue=venue, env={"XDG_STATE_HOME": str(stage.folder / "one")})
    quoting(venue)
    newer = stage.bot(venue=venue, env={"XDG_STATE_HOME": str(stage.folder / "other")})
    assert older.wait(60) == 5, older.err
    wait_until(lambda: len(set(epochs(venue.audit()))) == 2, 60, "the newer one does not trade")
    newer.send(signal.SIGTERM)
    assert newer.wait(60) == 0, newer.err
    return older, newer, venue.audit()


def killed_and_back(stage: Stage) -> Any:
    """Three runs: the second has the first one's state, the third has lost its disk."""
    venue = stage.venue()
    kept = stage.folder / "kept"
    for run in range(3):
        if run == 2:
            shutil.rmtree(kept)
        before = len(own_orders(venue.audit()))
        bot = stage.bot(venue=venue, env={"XDG_STATE_HOME": str(kept)})
        quoting(venue, before)
        bot.send(signal.SIGKILL if run < 2 else signal.SIGTERM)
        if run < 2:
            bot.wait(60)
    assert bot.wait(60) == 0, bot.err
    return venue.audit()


def banned_and_back(stage: Stage) -> tuple[Bot, Any, Any]:
    """A bot is killed in a ban of ten minutes, and another one started; the audits are from before and after that."""
    venue = stage.venue()
    kept = stage.folder / "kept"
    first = stage.bot(venue=venue, env={"XDG_STATE_HOME": str(kept)})
    quoting(venue)
    venue.command("/venue/faults", {"faults": [{"kind": "rate_limited", "status": "418", "retry_after_ms": 600_000}]})
    wait_until(lambda: any(kept.rglob("*.banned_until")), 20, "the ban is not kept")
    first.send(signal.SIGKILL)
    first.wait(60)
    before = venue.audit()
    second = stage.bot("--account.tag", "B2", venue=venue, env={"XDG_STATE_HOME": str(kept)})
    assert second.wait(60) == 3, second.err
    return second, before, venue.audit()


def no_place_for_the_state(stage: Stage) -> Bot:
    (stage.folder / "file").write_text("")
    bot = stage.bot("--duration", "5", "--host.state_dir", str(stage.folder / "file" / "below"), venue=stage.venue())
    assert bot.wait(60) == 2, bot.err
    return bot


SCENARIOS = [two_on_one_machine, two_on_two_machines, killed_and_back, banned_and_back, no_place_for_the_state]


def test_a_second_bot_of_one_tag_on_one_machine_is_refused_and_the_first_goes_on(together: Together) -> None:
    first, second = together.of(two_on_one_machine)
    assert "another bot with this account.tag, symbol and exchange runs on this machine" in second.err
    assert f"(process {first.process.pid})" in second.err
    assert first.summary()["orders_sent"] > 0


def test_of_two_machines_the_older_bot_ends_and_the_newer_one_trades(together: Together) -> None:
    older, newer, audit = together.of(two_on_two_machines)
    assert "killed: OTHER_INSTANCE" in older.err
    assert older.summary()["exit_reason"] == "kill"
    assert newer.summary()["orders_sent"] > 0
    assert open_orders(audit) == []
    assert epochs(audit) == sorted(epochs(audit))
    assert len(set(epochs(audit))) == 2


def test_no_id_comes_back_after_a_kill_or_a_lost_disk(together: Together) -> None:
    audit = together.of(killed_and_back)
    names = [order["client_order_id"] for order in own_orders(audit)]
    assert len(names) == len(set(names))
    assert epochs(audit) == sorted(epochs(audit))
    assert len(set(epochs(audit))) == 3
    assert open_orders(audit) == []


def test_a_bot_that_starts_during_a_ban_of_its_address_sends_nothing_and_says_why(together: Together) -> None:
    second, before, after = together.of(banned_and_back)
    assert before["traffic"]["by_status"]["418"] >= 1
    told = r"an earlier run or another bot of this machine to send nothing until 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    assert re.search(told, second.err), second.err
    assert "the exchange cannot be reached" in second.err
    assert after["traffic"]["requests"] == before["traffic"]["requests"]


def test_a_state_directory_that_cannot_be_written_is_told_before_anything_is_sent(together: Together) -> None:
    bot = together.of(no_place_for_the_state)
    assert "mmcore: error: state directory" in bot.err
    assert "Not a directory" in bot.err
    assert "host.state_dir" in bot.err
