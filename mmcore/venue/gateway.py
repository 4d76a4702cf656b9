"""The way every request takes, REST or WebSocket API: counted, read, authenticated, carried out, charged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mmcore.venue import errors
from mmcore.venue.calls import Call, Operation, authenticate, check_time
from mmcore.venue.errors import VenueError, bad_key_format, ip_banned, too_many_requests
from mmcore.venue.exchange import Exchange
from mmcore.venue.faults import Fault
from mmcore.venue.limits import Penalty, Visitor, WindowCounter
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
class Delivery:
    """How an answer travels where a fault has struck: not at all, late, with a page of HTML in its place.

    `events_first` says whether the user events of the request go out before its reply; None leaves it to chance.
    """

    lost: bool = False
    delay_us: int = 0
    html_status: int = 0
    events_first: bool | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request came to: a result, or the error in its place. `order_counts` are those it may have changed."""

    result: Any
    error: VenueError | None
    order_counts: tuple[WindowCounter, ...] = ()
    delivery: Delivery = Delivery()

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
    *,
    via: str,
) -> Outcome:
    """Carry one request of a visitor out and charge its weight. A signed operation without credentials is -2014.

    `via` is "rest" or "ws". Here the faults on requests strike.
    """
    request = _Request(exchange, operation, params, credentials, extras, visitor)
    fault = exchange.faults.on_request(operation.fault_class, via, exchange.clock.now_us())
    outcome = _carry_out(request) if fault is None else _suffer(request, fault)
    exchange.traffic.note(operation.fault_class, outcome.error, exchange.clock.now_us(), exchange.server_us())
    return outcome


@dataclass(frozen=True, slots=True)
class _Request:
    exchange: Exchange
    operation: Operation
    params: Params
    credentials: Credentials | None
    extras: Extras
    visitor: Visitor


def _suffer(request: _Request, fault: Fault) -> Outcome:
    """What a request comes to that a fault has struck."""
    kind, values = fault.kind, fault.values
    if kind == "rate_limited":
        until_us = request.exchange.server_us() + 1000 * fault.whole("retry_after_ms")
        request.visitor.penalty.impose(until_us, is_ban=fault.word("status") == "418")
        return _carry_out(request)
    if kind == "replace_partial":
        with request.exchange.failing_leg(fault.word("leg")):
            return _carry_out(request)
    if kind == "reply_delayed":
        return replace(_carry_out(request), delivery=Delivery(delay_us=1000 * fault.whole("delay_ms")))
    if kind == "reply_order":
        return replace(_carry_out(request), delivery=Delivery(events_first=values["first"] == "events"))
    if kind == "late_timestamp":
        return _too_late(request)
    if kind == "overloaded":
        return refuse(request.exchange, errors.overloaded(), request.visitor)
    if kind == "blocked":
        return replace(refuse(request.exchange, errors.blocked(), request.visitor), delivery=Delivery(html_status=403))
    error = errors.status_unknown(values.get("error", "503"))
    outcome = _carry_out_or_not(request, fault.word("executed"), 1000 * fault.whole("late_ms"), error)
    if kind == "reply_lost":
        return replace(outcome, delivery=Delivery(lost=True))
    if kind == "html_ok":
        return replace(outcome, delivery=Delivery(html_status=200))
    assert kind == "status_unknown", f"{kind} is a fault on requests"
    return replace(outcome, result=None, error=error)


def _carry_out_or_not(request: _Request, executed: str, late_us: int, error: VenueError) -> Outcome:
    """The outcome where the request is carried out at once; else `error`, and perhaps it is carried out later."""
    if executed == "yes":
        return _carry_out(request)
    if executed == "late":
        exchange = request.exchange
        exchange.agenda.at(exchange.clock.now_us() + late_us, lambda: _carry_out(request))
    return refuse(request.exchange, error, request.visitor)


def _too_late(request: _Request) -> Outcome:
    """-1021 from the last check of the time: an order that comes so far counts."""
    exchange, credentials = request.exchange, request.credentials
    order_counts: tuple[WindowCounter, ...] = ()
    if request.operation.places_order:
        try:
            order_counts = exchange.accounts[_find_key(exchange, credentials).account_id].order_counts
        except VenueError as error:
            return refuse(exchange, error, request.visitor)
        for counter in order_counts:
            counter.add(exchange.server_us(), 1)
    return replace(refuse(exchange, errors.outside_window(), request.visitor), order_counts=order_counts)


def _carry_out(request: _Request) -> Outcome:
    exchange, operation, params = request.exchange, request.operation, request.params
    credentials, extras, visitor = request.credentials, request.extras, request.visitor
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
        result = operation.handler(Call(exchange, params, key, operation.fault_class == "query"))
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
    unheard = _sent_away(visitor.penalty, now_us)
    if unheard is not None:
        return unheard
    held_until_us = visitor.penalty.held_until_us(now_us)
    if held_until_us is not None:
        visitor.penalty.refuse(now_us, held_until_us)
        return too_many_requests(visitor.weight.limit, "request weight", held_until_us // 1000)
    for counter, what, more in (
        (visitor.raw_requests, "raw requests", 0),
        (visitor.weight, "request weight", weight),
    ):
        if counter.exceeded_by(now_us, more):
            return _too_many(visitor.penalty, counter, what, now_us)
    return None


def admit_api(exchange: Exchange, visitor: Visitor, weight: int) -> None:
    """Count an attempt to open a WebSocket of the API; raises `VenueError` if it may not be opened."""
    now_us = exchange.server_us()
    visitor.api_connections.add(now_us, 1)
    error = refusal(visitor, now_us, weight)
    if error is None:
        error = _over_attempts(visitor.penalty, visitor.api_connections, now_us)
    if error is not None:
        raise error


def admit_stream(exchange: Exchange, visitor: Visitor) -> None:
    """The same for market streams. They stay open to who is over a limit of the API or banned from it."""
    now_us = exchange.server_us()
    visitor.stream_connections.add(now_us, 1)
    error = _sent_away(visitor.stream_penalty, now_us)
    if error is None:
        error = _over_attempts(visitor.stream_penalty, visitor.stream_connections, now_us)
    if error is not None:
        raise error


def _sent_away(penalty: Penalty, now_us: int) -> VenueError | None:
    banned_until_us = penalty.banned_until_us(now_us)
    if banned_until_us is None:
        return None
    penalty.refuse(now_us, banned_until_us)
    return ip_banned((penalty.banned_until_us(now_us) or banned_until_us) // 1000)


def _over_attempts(penalty: Penalty, attempts: WindowCounter, now_us: int) -> VenueError | None:
    return _too_many(penalty, attempts, "connection attempts", now_us) if attempts.exceeded_by(now_us, 0) else None


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


def _too_many(penalty: Penalty, counter: WindowCounter, what: str, now_us: int) -> VenueError:
    resets_at_us = counter.resets_at_us(now_us)
    penalty.refuse(now_us, resets_at_us)
    return too_many_requests(counter.limit, what, resets_at_us // 1000)
