"""The REST API without sockets: a request's bytes in, a reply's status, headers and body out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mmcore.venue import jsontext
from mmcore.venue.errors import VenueError, invalid_signature, invalid_time_unit, unsupported_operation
from mmcore.venue.exchange import Exchange
from mmcore.venue.gateway import Credentials, Extras, Outcome, perform, refuse
from mmcore.venue.jsontext import TimeUnit, compact_json
from mmcore.venue.limits import LOCAL, Visitor
from mmcore.venue.operations import REST_ROUTES
from mmcore.venue.params import Params, parse_encoded
from mmcore.venue.signing import rest_payload

_PAGES = {
    200: "<!DOCTYPE html><html><head><title>Please wait</title></head><body>Checking your browser.</body></html>",
    403: "<html><head><title>403 Forbidden</title></head><body><center><h1>403 Forbidden</h1></center></body></html>",
}
_PUBLIC = Extras()
_SIGNED = Extras(required=("timestamp", "signature"), optional=("recvWindow",))


@dataclass(frozen=True, slots=True)
class RestReply:
    """An HTTP reply; the body is JSON text, but for pages of HTML that a fault sends.

    A fault may have it come `delay_us` late, or never (`lost`).
    """

    status: int
    headers: dict[str, str]
    body: str
    content_type: str = "application/json"
    delay_us: int = 0
    lost: bool = False


def handle_rest(
    exchange: Exchange,
    method: str,
    raw_target: str,
    api_key: str | None,
    raw_body: bytes,
    *,
    time_unit: str | None = None,
    address: str = LOCAL,
) -> RestReply:
    """Answer one request under `/api/`.

    `raw_target` is path and query as received, `api_key` the X-MBX-APIKEY header, `time_unit` the X-MBX-TIME-UNIT one.
    `address` is whom the IP limits hold for.
    """
    visitor = exchange.visitors.of(address)
    path, _, raw_query = raw_target.partition("?")
    operation = REST_ROUTES.get((method, path))
    if operation is None:
        return _refused(exchange, visitor, unsupported_operation(404))
    unit = TimeUnit.MILLISECOND if time_unit is None else jsontext.time_unit(time_unit)
    if unit is None:
        return _refused(exchange, visitor, invalid_time_unit())
    try:
        body = "" if method == "GET" else raw_body.decode()
        params = Params(parse_encoded(raw_query, body))
    except UnicodeDecodeError:
        return _refused(exchange, visitor, invalid_signature())
    except VenueError as error:
        return _refused(exchange, visitor, error)
    credentials = Credentials(api_key, (rest_payload(raw_query, body),)) if api_key is not None else None
    extras = _SIGNED if operation.signed else _PUBLIC
    outcome = perform(exchange, operation, params, credentials, extras, visitor, via="rest")
    delivery = outcome.delivery
    if delivery.html_status:
        return RestReply(delivery.html_status, {}, _PAGES[delivery.html_status], "text/html")
    return replace(_reply(exchange, visitor, outcome, unit), delay_us=delivery.delay_us, lost=delivery.lost)


def _refused(exchange: Exchange, visitor: Visitor, error: VenueError) -> RestReply:
    return _reply(exchange, visitor, refuse(exchange, error, visitor), TimeUnit.MILLISECOND)


def _reply(exchange: Exchange, visitor: Visitor, outcome: Outcome, unit: TimeUnit) -> RestReply:
    now_us = exchange.server_us()
    headers = {f"X-MBX-USED-WEIGHT-{visitor.weight.limit.suffix}": str(visitor.weight.count(now_us))}
    error = outcome.error
    if error is None:
        for counter in outcome.order_counts:
            headers[f"X-MBX-ORDER-COUNT-{counter.limit.suffix}"] = str(counter.count(now_us))
        return RestReply(200, headers, compact_json(outcome.result, unit))
    return error_reply(error, headers, now_us, unit)


def error_reply(
    error: VenueError, headers: dict[str, str], now_us: int, unit: TimeUnit = TimeUnit.MILLISECOND
) -> RestReply:
    """A refusal over HTTP; Retry-After tells how many seconds to wait, where there is a wait."""
    if error.retry_at_ms is not None:
        headers["Retry-After"] = str(max(1, -(-(error.retry_at_ms - now_us // 1000) // 1000)))
    body: dict[str, Any] = {"code": error.code, "msg": error.msg}
    if error.data is not None:
        body["data"] = error.data
    return RestReply(error.status, headers, compact_json(body, unit))
