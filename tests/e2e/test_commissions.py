"""Commissions in BNB: counted by asset to the atom, valued in quote, and gone on with when the BNB runs out."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any

from tests.e2e.processes import Bot, Stage, Together, account

PRICE = Decimal("612.34")
ATOM = Decimal("1e-8")
# Quotes near the touch and fees that leave an edge: many fills in a few seconds.
EAGER = ("--strategy.min_spread_bps", "4", "--strategy.allow_negative_edge", "true", "--duration", "14",
         "--reconcile.account_s", "3", "--reconcile.trades_s", "3", "--reconcile.open_orders_s", "2")


def paying_in_bnb(stage: Stage, bnb: str) -> tuple[Bot, Any]:
    venue = stage.venue("--bnb-price", str(PRICE), "--balance", f"BNB={bnb}")
    bot = stage.bot(*EAGER, venue=venue)
    assert bot.wait(80) == 0, bot.err
    return bot, account(venue.audit())


def enough(stage: Stage) -> tuple[Bot, Any]:
    return paying_in_bnb(stage, "5")


def runs_out(stage: Stage) -> tuple[Bot, Any]:
    return paying_in_bnb(stage, "0.00015")  # one or two fills' worth


SCENARIOS = [enough, runs_out]


def paid(found: Any) -> dict[str, Decimal]:
    """Commissions by asset, as the venue took them."""
    sums: dict[str, Decimal] = {}
    for fill in found["fills"]:
        asset = fill["commission_asset"]
        sums[asset] = sums.get(asset, Decimal(0)) + Decimal(fill["commission"])
    return {asset: amount for asset, amount in sums.items() if amount}


def worth(fill: Any) -> Decimal:
    """A commission in quote, rounded down to the atom."""
    unit = {"BNB": PRICE, "USDT": Decimal(1), "BTC": Decimal(fill["price"])}[fill["commission_asset"]]
    return (Decimal(fill["commission"]) * unit).quantize(ATOM, ROUND_DOWN)


def check(bot: Bot, found: Any) -> None:
    summary = bot.summary()
    assert len(found["fills"]) > 2, "nothing was traded"
    assert summary["fills"] == len(found["fills"])
    assert {asset: Decimal(amount) for asset, amount in summary["fees_paid"].items()} == paid(found)
    assert summary["unpriced_fees"] == 0
    assert Decimal(summary["pnl"]["fees"]) == sum(map(worth, found["fills"]))
    for asset in ("BTC", "USDT", "BNB"):
        ours, theirs = summary["balances"][asset], found["balances"][asset]
        assert Decimal(ours["free"]) + Decimal(ours["locked"]) == Decimal(theirs["free"]) + Decimal(theirs["locked"])
    assert "LEDGER_MISMATCH" not in bot.err
    assert summary["reconciles"] >= 8
    assert summary["reconcile_repairs"] == 0


def test_fees_in_bnb_are_counted_to_the_atom_and_valued_at_its_price(together: Together) -> None:
    bot, found = together.of(enough)
    check(bot, found)
    assert set(paid(found)) == {"BNB"}
    assert "commissions are at the discount for paying in BNB" in bot.err


def test_when_the_bnb_runs_out_fees_go_on_in_what_is_received_and_nothing_is_lost(together: Together) -> None:
    bot, found = together.of(runs_out)
    check(bot, found)
    assert len(paid(found)) > 1
    assert "commissions are at the discount" not in bot.err
