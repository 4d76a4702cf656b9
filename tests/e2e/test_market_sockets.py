"""Market data over two connections, and in SBE: what one connection suffers, the quotes do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.e2e.processes import (
    Bot,
    Scenario,
    Stage,
    Together,
    Venue,
    check_against_audit,
    open_orders,
    own_orders,
    resting_share,
)


@dataclass(frozen=True)
class Ended:
    """A run that is over, and the exchange's truth at its end."""

    bot: Bot
    audit: Any


def faults(venue: Venue, *plan: Mapping[str, Any]) -> None:
    venue.command("/venue/faults", {"faults": list(plan)})


def under(stage: Stage, seconds: str, plan: Iterable[Mapping[str, Any]], *arguments: str) -> Ended:
    """A run that quotes, then meets the faults of the plan."""
    venue = stage.venue("--seed", "11")
    bot = stage.bot("--duration", seconds, *arguments, venue=venue)
    venue.wait_for_quotes()
    faults(venue, *plan)
    assert bot.wait(80) == 0, bot.err
    return Ended(bot, venue.audit())


def one_of_two_is_reset_again_and_again(stage: Stage) -> Ended:
    return under(stage, "14", [{"kind": "reset", "sockets": "streams", "which": "one", "every_ms": 3000, "times": 3}])


def one_of_two_goes_silent(stage: Stage) -> Ended:
    return under(stage, "14", [{"kind": "half_open", "sockets": "streams", "which": "one", "for_ms": 8000}])


def one_of_two_loses_messages(stage: Stage) -> Ended:
    return under(stage, "12", [{"kind": "message_dropped", "stream": "depth", "which": "one", "probability": 0.3,
                                "times": 20}])


def a_shutdown_is_announced(stage: Stage) -> Ended:
    return under(stage, "12", [{"kind": "shutdown", "sockets": "streams", "close_ms": 3000}])


def a_shutdown_is_announced_on_the_only_one(stage: Stage) -> Ended:
    return under(stage, "12", [{"kind": "shutdown", "sockets": "streams", "close_ms": 3000}],
                 "--exchange.market_sockets", "1")


def key_files(stage: Stage) -> tuple[str, str]:
    """Public and private half of a new Ed25519 key."""
    key = Ed25519PrivateKey.generate()
    public, private = stage.folder / "public.pem", stage.folder / "private.pem"
    public.write_bytes(key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    private.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    private.chmod(0o600)
    return str(public), str(private)


def sbe(stage: Stage) -> Ended:
    public, private = key_files(stage)
    venue = stage.venue("--seed", "12", "--ed25519-public-key", public)
    bot = stage.bot("--duration", "12", "--exchange.market_data", "sbe", "--book.audit_s", "2",
                    "--book.snapshot_levels", "1000", venue=venue,
                    env={"API_KEY": venue.ed25519_api_key, "API_SECRET": "", "API_PRIVATE_KEY_FILE": private})
    assert bot.wait(80) == 0, bot.err
    return Ended(bot, venue.audit())


def sbe_without_an_ed25519_key(stage: Stage) -> Ended:
    venue = stage.venue()
    bot = stage.bot("--duration", "5", "--exchange.market_data", "sbe", venue=venue)
    assert bot.wait(60) == 4, bot.err
    return Ended(bot, venue.audit())


UNHARMED = (
    one_of_two_is_reset_again_and_again,
    one_of_two_goes_silent,
    one_of_two_loses_messages,
    a_shutdown_is_announced,
    a_shutdown_is_announced_on_the_only_one,
)
SCENARIOS = (*UNHARMED, sbe, sbe_without_an_ed25519_key)


@pytest.mark.parametrize("scenario", UNHARMED)
def test_what_happens_to_one_market_connection_makes_no_gap_no_resync_and_no_pause(
    together: Together, scenario: Scenario
) -> None:
    ended: Ended = together.of(scenario)
    summary, orders = ended.bot.summary(), own_orders(ended.audit)
    assert (summary["gaps"], summary["resyncs"]) == (0, 0), ended.bot.err
    struck = [strike["kind"] for strike in ended.audit["strikes"]]
    assert struck
    assert not {"GAP", "DISCONNECTED", "BOOK_MISMATCH"} & set(summary["no_quote_reasons"])
    assert summary["no_quote_reasons"].get("STALE_BOOK", 0) < 200
    begin_us = max(min(order["placed_us"] for order in orders if order["side"] == side) for side in ("BUY", "SELL"))
    end_us = ended.bot.state_at_us("STOPPING")
    for side in ("BUY", "SELL"):
        assert resting_share(orders, side, begin_us, end_us) > 0.9
    assert open_orders(ended.audit) == []
    check_against_audit(summary, ended.audit)


def test_a_second_connection_brings_what_the_first_has_brought(together: Together) -> None:
    two = together.of(one_of_two_loses_messages).bot.summary()
    one = together.of(a_shutdown_is_announced_on_the_only_one).bot.summary()
    assert two["market_duplicates"] > 300
    assert one["market_duplicates"] < two["market_duplicates"]


def test_the_binary_streams_make_an_exact_book_every_20_ms(together: Together) -> None:
    ended: Ended = together.of(sbe)
    summary = ended.bot.summary()
    assert (summary["gaps"], summary["resyncs"], summary["book_audit_failures"]) == (0, 0, 0)
    assert summary["book_audits"] >= 3
    assert summary["book_updates"] > 250
    assert all(share > 0.7 for share in summary["quoted_share"].values())
    check_against_audit(summary, ended.audit)


def test_the_binary_streams_without_an_ed25519_key_are_refused_before_anything_is_sent(together: Together) -> None:
    ended: Ended = together.of(sbe_without_an_ed25519_key)
    assert ended.bot.err.splitlines()[-1] == (
        "mmcore: error: exchange.market_data sbe needs an Ed25519 key: give API_PRIVATE_KEY_FILE")
    assert own_orders(ended.audit) == []
