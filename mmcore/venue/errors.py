"""What the venue answers when it does not do as asked, in the exchange's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmcore.venue.limits import RateLimit


class VenueError(Exception):
    """A refusal with the exchange's code and text.

    `status` is the HTTP status (the `status` field on the WebSocket API). `retry_at_ms`, in epoch milliseconds of the
    server, goes with 429 and 418 only. `data` is what a failed replacement tells of its two halves.
    """

    def __init__(
        self,
        code: int,
        msg: str,
        *,
        status: int = 400,
        retry_at_ms: int | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.retry_at_ms = retry_at_ms
        self.data = data


def mandatory(name: str) -> VenueError:
    """-1102 for a parameter that is missing, empty or unreadable."""
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def either_mandatory(first: str, second: str) -> VenueError:
    """-1102 where one of two parameters is needed."""
    return VenueError(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def illegal_characters(name: str, legal: str) -> VenueError:
    """-1100: `legal` is the pattern the exchange prints."""
    return VenueError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def not_required(name: str) -> VenueError:
    """-1106 for a parameter that this order type does not take."""
    return VenueError(-1106, f"Parameter '{name}' sent when not required.")


def filter_failure(name: str) -> VenueError:
    """-1013 with the filter's name."""
    return VenueError(-1013, f"Filter failure: {name}")


def insufficient_balance() -> VenueError:
    """-2010: the account cannot pay."""
    return VenueError(-2010, "Account has insufficient balance for requested action.")


def would_match() -> VenueError:
    """-2010: a LIMIT_MAKER that would take."""
    return VenueError(-2010, "Order would immediately match and take.")


def duplicate_order() -> VenueError:
    """-2010: the client order id is that of an open order."""
    return VenueError(-2010, "Duplicate order sent.")


def market_closed() -> VenueError:
    """-2010: the symbol is not trading."""
    return VenueError(-2010, "Market is closed.")


def unknown_order() -> VenueError:
    """-2011: nothing to cancel under that id."""
    return VenueError(-2011, "Unknown order sent.")


def cancel_restricted() -> VenueError:
    """-2011: the order's status is not the one asked for."""
    return VenueError(-2011, "Order was not canceled due to cancel restrictions.")


def no_liquidity(needed: str) -> VenueError:
    """-2010: too little on the book for a MARKET order by quote quantity; `needed` says whose minimum that is."""
    return VenueError(-2010, f"Order book liquidity is less than {needed} minimum quantity.")


def amend_refused(reason: str) -> VenueError:
    """-2038: the order stays as it is."""
    return VenueError(-2038, reason)


def no_such_order() -> VenueError:
    """-2013: a query for an id that was never accepted."""
    return VenueError(-2013, "Order does not exist.")


def wrong_client_id() -> VenueError:
    """-2039: orderId and client order id name different orders."""
    return VenueError(-2039, "Client order ID is not correct for this order ID.")


def invalid_symbol() -> VenueError:
    """-1121."""
    return VenueError(-1121, "Invalid symbol.")


def invalid_signature() -> VenueError:
    """-1022."""
    return VenueError(-1022, "Signature for this request is not valid.")


def bad_key_format() -> VenueError:
    """-2014: the API key is absent or not of a key's form."""
    return VenueError(-2014, "API-key format invalid.", status=401)


def rejected_key() -> VenueError:
    """-2015: a well-formed key that is unknown or revoked."""
    return VenueError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


def outside_window() -> VenueError:
    """-1021: the request is too old."""
    return VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")


def ahead_of_server() -> VenueError:
    """-1021: the request comes from the future."""
    return VenueError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def invalid_time_unit() -> VenueError:
    """-1194: a time unit that is neither of the two."""
    return VenueError(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")


def too_many_requests(limit: RateLimit, what: str, retry_at_ms: int) -> VenueError:
    """-1003 with 429: over a limit until its window ends."""
    return VenueError(
        -1003,
        f"Too much request weight used; current limit is {limit.limit} {what} per {limit.interval_num} "
        f"{limit.interval}. Please use WebSocket Streams for live updates to avoid polling the API.",
        status=429,
        retry_at_ms=retry_at_ms,
    )


def ip_banned(until_ms: int) -> VenueError:
    """-1003 with 418: sent on although told to wait."""
    return VenueError(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
        status=418,
        retry_at_ms=until_ms,
    )


def unsupported_operation(status: int) -> VenueError:
    """-1020: a path or method this venue does not have."""
    return VenueError(-1020, "This operation is not supported.", status=status)


def not_ready() -> VenueError:
    """-1001 with 503: there is no order book yet."""
    return VenueError(-1001, "Internal error; unable to process your request. Please try again.", status=503)


def overloaded() -> VenueError:
    """-1008: refused because the exchange has too much to do."""
    msg = "Server is currently overloaded with other requests. Please try again in a few minutes."
    return VenueError(-1008, msg, status=503)


def blocked() -> VenueError:
    """403 of the firewall before the exchange, which answers with HTML: code and text are never seen."""
    return VenueError(-1000, "Forbidden", status=403)


_UNKNOWN = {
    "503": (503, -1000, "Unknown error, please check your request or try again later."),
    "-1000": (500, -1000, "An unknown error occurred while processing the request."),
    "-1001": (500, -1001, "Internal error; unable to process your request. Please try again."),
    "-1006": (500, -1006, "An unexpected response was received from the message bus. Execution status unknown."),
    "-1007": (
        504,
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    ),
}


def status_unknown(name: str) -> VenueError:
    """An error after which nobody knows whether the request was carried out: "503", "-1000", "-1001", "-1006",
    "-1007".
    """
    status, code, msg = _UNKNOWN[name]
    return VenueError(code, msg, status=status)
