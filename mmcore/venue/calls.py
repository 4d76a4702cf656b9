"""One request on its way through the exchange, what an entry of the API is, and what is judged before any handler."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from mmcore.venue import errors
from mmcore.venue.accounts import Account
from mmcore.venue.commission import DISCOUNT_ASSET
from mmcore.venue.decimals import format_e8
from mmcore.venue.exchange import Exchange
from mmcore.venue.params import Params
from mmcore.venue.signing import ApiKey

_AHEAD_US = 1_000_000
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way through the exchange: `key` is the authenticated key, None on public requests. What only
    `queries` may read a store that lags behind the matching engine.
    """

    exchange: Exchange
    params: Params
    key: ApiKey | None
    queries: bool = False

    @property
    def account(self) -> Account:
        """The authenticated account."""
        assert self.key is not None, "only signed operations ask for the account"
        if self.queries:
            return self.exchange.account_for_queries(self.key.account_id)
        return self.exchange.accounts[self.key.account_id]


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the API. `weight` is a number or follows from the parameters; `weight_ok`, a number or following
    from the result, replaces it on success. `fault_class` is what faults on requests know it by, empty for those that
    they leave alone.
    """

    handler: Callable[[Call], Any]
    weight: int | Callable[[Params], int]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    signed: bool = False
    weight_ok: int | Callable[[Any], int] | None = None
    places_order: bool = False
    fault_class: str = ""

    def cost(self, params: Params) -> int:
        """The request's weight where it fails."""
        return self.weight if isinstance(self.weight, int) else self.weight(params)

    def cost_of_success(self, params: Params, result: Any) -> int:
        """The request's weight where it succeeds."""
        if self.weight_ok is None:
            return self.cost(params)
        return self.weight_ok if isinstance(self.weight_ok, int) else self.weight_ok(result)


def authenticate(exchange: Exchange, key: ApiKey, params: Params, payloads: Iterable[bytes]) -> None:
    """Judge time (-1021), then signature (-1022), of a signed request whose key has been found.

    It is valid over any of the payloads.
    """
    check_time(exchange, params)
    signature = params.text("signature") or ""
    if not any(key.verify(payload, signature) for payload in payloads):
        raise errors.invalid_signature()


def check_time(exchange: Exchange, params: Params) -> None:
    """-1021 unless the timestamp is less than 1000 ms ahead and no older than recvWindow."""
    timestamp_us = params.timestamp_us("timestamp")
    if timestamp_us is None:
        raise errors.mandatory("timestamp")
    window_us = params.recv_window_us()
    now_us = exchange.server_us()
    if timestamp_us >= now_us + _AHEAD_US:
        raise errors.ahead_of_server()
    if now_us - timestamp_us > window_us:
        raise errors.outside_window()


def check_symbol(call: Call) -> None:
    """-1121 unless `symbol`, where sent, is the venue's."""
    symbol = call.params.text("symbol")
    if symbol is not None and symbol != call.exchange.rules.symbol:
        raise errors.invalid_symbol()


def check_symbol_list(exchange: Exchange, text: str) -> None:
    """-1100 unless the text is a JSON list of symbols, -1121 unless they are the venue's."""
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise errors.illegal_characters("symbols", '^\\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\\]$')
    if any(name != exchange.rules.symbol for name in names):
        raise errors.invalid_symbol()


def check_time_range(params: Params) -> tuple[int | None, int | None]:
    """`startTime` and `endTime` in microseconds; -1127 if more than a day lies between them."""
    start_us, end_us = params.timestamp_us("startTime"), params.timestamp_us("endTime")
    if start_us is not None and end_us is not None and end_us - start_us > _DAY_US:
        raise errors.VenueError(-1127, "More than 24 hours between startTime and endTime.")
    return start_us, end_us


def discount_row(call: Call) -> dict[str, Any]:
    """What paying fees in BNB brings the account."""
    commission = call.account.commission
    return {
        "enabledForAccount": commission.pays_in_bnb,
        "enabledForSymbol": commission.pays_in_bnb,
        "discountAsset": DISCOUNT_ASSET,
        "discount": format_e8(commission.discount_e8),
    }
