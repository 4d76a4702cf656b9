"""The way every request takes, REST or WebSocket API: counted, read, authenticated, carried out, charged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmcore.venue.errors import VenueError, bad_key_format
from mmcore.venue.exchange import Exchange
from mmcore.venue.limits import WindowCounter
from mmcore.venue.operations import Call, Operation, authenticate, check_time
from mmcore.venue.params import Params
from mmcore.venue.signing import ApiKey


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs a request, and over what: `payload` is None where a logged-on session stands for the signature."""

    api_key: str
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class Extras:
    """Parameter names that the transport adds to an operation's own."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request came to: a result, or the error in its place. `order_counts` are those it may have changed."""

    result: Any
    error: VenueError | None
    order_counts: tuple[WindowCounter, ...] = ()

    @property
    def status(self) -> int:
        """HTTP status."""
        return 200 if self.error is None else self.error.status


def perform(
    exchange: Exchange, operation: Operation, params: Params, credentials: Credentials | None, extras: Extras
) -> Outcome:
    """Carry one request out and charge its weight. A signed operation without credentials is -2014."""
    now_us = exchange.server_us()
    exchange.raw_requests.add(now_us, 1)
    try:
        weight = operation.cost(params, succeeded=False)
    except VenueError as error:
        exchange.weight.add(now_us, 1)
        return Outcome(None, error)
    refusal = _over_limit(exchange, weight, now_us)
    if refusal is not None:
        exchange.weight.add(now_us, weight)
        return Outcome(None, refusal)
    order_counts: tuple[WindowCounter, ...] = ()
    try:
        key = _find_key(exchange, credentials) if operation.signed else None
        params.require((*operation.required, *extras.required), (*operation.optional, *extras.optional))
        if key is not None and credentials is not None:
            _authenticate(exchange, key, params, credentials)
            if operation.places_order:
                order_counts = exchange.accounts[key.account_id].order_counts
        result = operation.handler(Call(exchange, params, key))
    except VenueError as error:
        exchange.weight.add(now_us, weight)
        return Outcome(None, error, order_counts)
    exchange.weight.add(now_us, operation.cost(params, succeeded=True))
    return Outcome(result, None, order_counts)


def refuse(exchange: Exchange, error: VenueError) -> Outcome:
    """A request that is no operation at all: counted, weight 1."""
    now_us = exchange.server_us()
    exchange.raw_requests.add(now_us, 1)
    exchange.weight.add(now_us, 1)
    return Outcome(None, error)


def _find_key(exchange: Exchange, credentials: Credentials | None) -> ApiKey:
    if credentials is None:
        raise bad_key_format()
    return exchange.keys.find(credentials.api_key)


def _authenticate(exchange: Exchange, key: ApiKey, params: Params, credentials: Credentials) -> None:
    if credentials.payload is None:
        check_time(exchange, params)
    else:
        authenticate(exchange, key, params, credentials.payload)


def _over_limit(exchange: Exchange, weight: int, now_us: int) -> VenueError | None:
    if exchange.raw_requests.exceeded_by(now_us, 0):
        return _too_many(exchange.raw_requests, "raw requests", now_us)
    if exchange.weight.exceeded_by(now_us, weight):
        return _too_many(exchange.weight, "request weight", now_us)
    return None


def _too_many(counter: WindowCounter, what: str, now_us: int) -> VenueError:
    limit = counter.limit
    return VenueError(
        -1003,
        f"Too much request weight used; current limit is {limit.limit} {what} per {limit.interval_num} "
        f"{limit.interval}. Please use WebSocket Streams for live updates to avoid polling the API.",
        status=429,
        retry_at_ms=counter.resets_at_us(now_us) // 1000,
    )
