"""The way every request takes, REST or WebSocket API: counted, read, authenticated, carried out, charged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmcore.venue.calls import Call, Operation, authenticate, check_time
from mmcore.venue.errors import VenueError, bad_key_format, ip_banned, too_many_requests
from mmcore.venue.exchange import Exchange
from mmcore.venue.limits import Visitor, WindowCounter
from mmcore.venue.params import Params
from mmcore.venue.signing import ApiKey


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs a request, and over what: one of `payloads`, or none where a logged-on session stands for it."""

    api_key: str
    payloads: tuple[bytes, ...]


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
    exchange: Exchange,
    operation: Operation,
    params: Params,
    credentials: Credentials | None,
    extras: Extras,
    visitor: Visitor,
) -> Outcome:
    """Carry one request of a visitor out and charge its weight. A signed operation without credentials is -2014."""
    now_us = exchange.server_us()
    visitor.raw_requests.add(now_us, 1)
    weight, malformed = _cost(operation, params)
    unheard = refusal(visitor, now_us, weight) or malformed
    if unheard is not None:
        visitor.weight.add(now_us, weight)
        return Outcome(None, unheard)
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
        visitor.weight.add(now_us, weight)
        if error.retry_at_ms is not None:
            visitor.penalty.refuse(now_us, error.retry_at_ms * 1000)
        return Outcome(None, error, order_counts)
    visitor.weight.add(now_us, operation.cost_of_success(params, result))
    return Outcome(result, None, order_counts)


def refuse(exchange: Exchange, error: VenueError, visitor: Visitor) -> Outcome:
    """A request that is no operation at all: counted, weight 1."""
    now_us = exchange.server_us()
    visitor.raw_requests.add(now_us, 1)
    over = refusal(visitor, now_us, 1)
    visitor.weight.add(now_us, 1)
    return Outcome(None, over or error)


def refusal(visitor: Visitor, now_us: int, weight: int) -> VenueError | None:
    """Why a request of a visitor is not even looked at: 418 while it is banned, 429 if it is over a limit."""
    banned_until_us = visitor.penalty.banned_until_us(now_us)
    if banned_until_us is not None:
        visitor.penalty.refuse(now_us, banned_until_us)
        return ip_banned((visitor.penalty.banned_until_us(now_us) or banned_until_us) // 1000)
    for counter, what, more in (
        (visitor.raw_requests, "raw requests", 0),
        (visitor.weight, "request weight", weight),
    ):
        if counter.exceeded_by(now_us, more):
            return _too_many(visitor, counter, what, now_us)
    return None


def admit_connection(exchange: Exchange, visitor: Visitor, attempts: WindowCounter, weight: int) -> None:
    """Count an attempt to open a WebSocket; raises `VenueError` if it may not be opened."""
    now_us = exchange.server_us()
    attempts.add(now_us, 1)
    error = refusal(visitor, now_us, weight)
    if error is None and attempts.exceeded_by(now_us, 0):
        error = _too_many(visitor, attempts, "connection attempts", now_us)
    if error is not None:
        raise error


def _cost(operation: Operation, params: Params) -> tuple[int, VenueError | None]:
    """The weight of a request that fails; 1 and the error if its parameters cannot tell."""
    try:
        return operation.cost(params), None
    except VenueError as error:
        return 1, error


def _find_key(exchange: Exchange, credentials: Credentials | None) -> ApiKey:
    if credentials is None:
        raise bad_key_format()
    return exchange.keys.find(credentials.api_key)


def _authenticate(exchange: Exchange, key: ApiKey, params: Params, credentials: Credentials) -> None:
    if credentials.payloads:
        authenticate(exchange, key, params, credentials.payloads)
    else:
        check_time(exchange, params)


def _too_many(visitor: Visitor, counter: WindowCounter, what: str, now_us: int) -> VenueError:
    resets_at_us = counter.resets_at_us(now_us)
    visitor.penalty.refuse(now_us, resets_at_us)
    return too_many_requests(counter.limit, what, resets_at_us // 1000)
