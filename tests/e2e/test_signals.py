"""How a run is stopped, and the other ways of order entry and of signing."""

from __future__ import annotations

import signal
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.e2e.processes import (
    OWN_ID,
    Bot,
    Scenario,
    Stage,
    Together,
    Venue,
    check_against_audit,
    open_orders,
    own_orders,
    wait_until,
)

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup a bot would inherit that it is to be ignored


def stopped_by(stage: Stage, number: signal.Signals, *, again: bool) -> tuple[Bot, Venue, int]:
    """Stopped by a signal while orders rest; `again`: a second one while it confirms that none is left."""
    venue = stage.venue()
    bot = stage.bot(venue=venue)
    venue.wait_for_quotes()
    asked_us = venue.audit()["server_time_us"]
    bot.send(number)
    wait_until(lambda: not open_orders(venue.audit()), 30, "orders still rest")
    if again:
        assert bot.running
        bot.send(number)
    bot.wait(80)
    return bot, venue, asked_us


def sigterm_twice(stage: Stage) -> tuple[Bot, Venue, int]:
    return stopped_by(stage, signal.SIGTERM, again=True)


def sigint(stage: Stage) -> tuple[Bot, Venue, int]:
    return stopped_by(stage, signal.SIGINT, again=False)


def sighup(stage: Stage) -> tuple[Bot, Venue, int]:
    return stopped_by(stage, signal.SIGHUP, again=False)


def three_signals_to_a_bot_whose_exchange_hangs(stage: Stage) -> tuple[Bot, Venue]:
    venue = stage.venue()
    bot = stage.bot(venue=venue)
    venue.wait_for_quotes()
    with venue.frozen():
        for _ in range(3):
            assert bot.running
            bot.send(signal.SIGTERM)
            time.sleep(0.3)
        bot.wait(30)
    return bot, venue


def sigint_while_others_have_used_the_weight(stage: Stage) -> tuple[Bot, Venue]:
    """87 % of what the address may use in a minute: beyond what we let our own reads use."""
    venue = stage.venue("--weight-1m", "3000")
    venue.begin_minute()
    bot = stage.bot(venue=venue)
    venue.wait_for_quotes()
    venue.use_weight(2610)
    bot.send(signal.SIGINT)
    bot.wait(80)
    return bot, venue


def sigterm_before_the_first_contact(stage: Stage) -> int:
    venue = stage.venue()
    venue.kill()
    bot = stage.bot(venue=venue)
    bot.wait_for("cannot be reached yet", 30)
    bot.send(signal.SIGTERM)
    return bot.wait(30)


# Whatever the main thread calls to pause is interrupted at its every line.
_INTERRUPTED = """
import signal, sys
from mmcore.cli import main

def interrupt(frame, event, arg):
    if event == "line" and frame.f_lineno not in seen:
        seen.add(frame.f_lineno)
        signal.raise_signal(signal.SIGTERM)
    return interrupt

def look(frame, event, arg):
    back, file = frame.f_back, frame.f_code.co_filename
    if file.endswith(("threading.py", "clock.py")) and back.f_code.co_name == "run" and \\
            back.f_code.co_filename.endswith("supervisor.py") and frame.f_code.co_name != "mono_ns":
        return interrupt

seen = set()
sys.settrace(look)
code = main()
sys.exit(code if seen else "never paused")
"""


def sigterm_at_every_line_of_the_pause(stage: Stage) -> int:
    return stage.bot("--duration", "30", program=_INTERRUPTED).wait(60)


def orders_over_rest(stage: Stage) -> tuple[Bot, Venue]:
    venue = stage.venue()
    bot = stage.bot("--duration", "10", "--exchange.order_entry", "rest", venue=venue)
    bot.wait(80)
    return bot, venue


def with_an_ed25519_key(stage: Stage, entry: str) -> tuple[Bot, Venue]:
    key = Ed25519PrivateKey.generate()
    public, private = stage.folder / "public.pem", stage.folder / "private.pem"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    venue = stage.venue("--ed25519-public-key", str(public))
    bot = stage.bot("--testnet", "--endpoint", venue.url, "--duration", "7", "--exchange.order_entry", entry,
                    env={"API_KEY": venue.ed25519_api_key, "API_PRIVATE_KEY_FILE": str(private)})
    bot.wait(80)
    secret_lines = [line for line in private.read_text().splitlines() if "-----" not in line]
    assert not any(line in bot.err for line in secret_lines)
    return bot, venue


def ed25519_over_ws_api(stage: Stage) -> tuple[Bot, Venue]:
    return with_an_ed25519_key(stage, "ws_api")


def ed25519_over_rest(stage: Stage) -> tuple[Bot, Venue]:
    return with_an_ed25519_key(stage, "rest")


SCENARIOS = (sigterm_twice, sigint, sighup, three_signals_to_a_bot_whose_exchange_hangs,
             sigint_while_others_have_used_the_weight, sigterm_before_the_first_contact,
             sigterm_at_every_line_of_the_pause, orders_over_rest,
             ed25519_over_ws_api, ed25519_over_rest)


def check_clean(bot: Bot, venue: Venue, exit_reason: str) -> None:
    assert bot.wait(0) == 0, bot.err
    summary, audit = bot.summary(), venue.audit()
    assert summary["exit_reason"] == exit_reason
    assert summary["orders_acked"] > 0
    assert [summary[name] for name in ("gaps", "unknown_orders", "open_orders_at_exit")] == [0, 0, 0]
    assert open_orders(audit) == []
    check_against_audit(summary, audit)


@pytest.mark.parametrize("scenario", [sigterm_twice, sigint, sighup])
def test_a_signal_stops_the_run_with_nothing_open_and_a_second_changes_nothing(
    together: Together, scenario: Scenario
) -> None:
    bot, venue, asked_us = together.of(scenario)
    check_clean(bot, venue, "signal")
    assert [order for order in own_orders(venue.audit()) if order["placed_us"] > asked_us + 200_000] == []


def test_a_third_signal_gives_up_waiting_and_names_what_may_still_rest(together: Together) -> None:
    bot, _ = together.of(three_signals_to_a_bot_whose_exchange_hangs)
    assert bot.wait(0) == 6
    (line,) = [line for line in bot.err.splitlines() if "own orders NOT confirmed gone:" in line]
    summary = bot.summary()
    assert summary["open_orders_at_exit"] == len(set(OWN_ID.findall(line))) > 0
    assert summary["exit_reason"] == "signal"


def test_a_run_stops_clean_while_others_have_used_the_weight_of_the_address(together: Together) -> None:
    check_clean(*together.of(sigint_while_others_have_used_the_weight), "signal")


def test_a_signal_before_the_first_contact_ends_the_run_at_once(together: Together) -> None:
    assert together.of(sigterm_before_the_first_contact) == 3


def test_a_signal_may_come_at_any_moment_of_the_main_threads_pause(together: Together) -> None:
    assert together.of(sigterm_at_every_line_of_the_pause) == 0


def test_orders_over_rest_trade_as_those_over_the_websocket_api(together: Together) -> None:
    check_clean(*together.of(orders_over_rest), "duration")


@pytest.mark.parametrize("scenario", [ed25519_over_ws_api, ed25519_over_rest])
def test_an_ed25519_key_trades_on_either_channel(together: Together, scenario: Scenario) -> None:
    check_clean(*together.of(scenario), "duration")
