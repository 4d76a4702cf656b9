"""What a test asks of the venue itself, under `/venue/`: no signature, because the server listens on loopback only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmcore.venue.audit import audit
from mmcore.venue.faults import FaultError, parse_rows
from mmcore.venue.front import STREAMS, Front
from mmcore.venue.jsontext import compact_json
from mmcore.venue.rest import RestReply
from mmcore.venue.symbol import STATUSES

_DROP_MAX_MS = 3_600_000
_OFFSET_MAX_MS = 86_400_000


class _Bad(ValueError):
    """A body that is not what the command takes."""


@dataclass(frozen=True, slots=True)
class Admin:
    """Commands on a running venue. `queue_log` is a recorded market's."""

    front: Front
    queue_log: Sequence[dict[str, Any]] | None

    def handle(self, method: str, path: str, raw_body: bytes) -> RestReply:
        """Answer one request under `/venue/`."""
        if (method, path) == ("GET", "/venue/audit"):
            return _reply(200, audit(self.front.exchange, self.queue_log))
        commands: Mapping[str, Callable[[dict[str, Any]], None]] = {
            "/venue/streams/drop": self._drop,
            "/venue/keys/revoke": self._revoke,
            "/venue/symbol": self._set_symbol,
            "/venue/clock": self._shift_clock,
            "/venue/faults": self._add_faults,
        }
        if method != "POST" or path not in commands:
            return _reply(404, {"error": f"there is no {method} {path}"})
        try:
            commands[path](_object(raw_body))
        except _Bad as bad:
            return _reply(400, {"error": str(bad)})
        return _reply(200, {})

    def _add_faults(self, body: dict[str, Any]) -> None:
        rows = _only(body, "faults")
        if not isinstance(rows, list):
            raise _Bad("faults: not a list")
        try:
            self.front.exchange.faults.add(parse_rows(rows), self.front.exchange.clock.now_us())
        except FaultError as error:
            raise _Bad(str(error)) from None

    def _drop(self, body: dict[str, Any]) -> None:
        self.front.drop((STREAMS,), 1000 * _whole(body, "for_ms", 0, _DROP_MAX_MS))

    def _revoke(self, body: dict[str, Any]) -> None:
        api_key = _only(body, "api_key")
        if not isinstance(api_key, str) or not self.front.revoke(api_key):
            raise _Bad("api_key is not a key of this venue")

    def _set_symbol(self, body: dict[str, Any]) -> None:
        status = _only(body, "status")
        if not isinstance(status, str) or not self.front.exchange.set_status(status):
            raise _Bad(f"status is one of {', '.join(STATUSES)}")

    def _shift_clock(self, body: dict[str, Any]) -> None:
        self.front.exchange.offset_us = _whole(body, "offset_ms", -_OFFSET_MAX_MS, _OFFSET_MAX_MS) * 1000


def _reply(status: int, body: dict[str, Any]) -> RestReply:
    return RestReply(status, {}, compact_json(body))


def _object(raw_body: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw_body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise _Bad("the body is not a JSON object")
    return body


def _only(body: dict[str, Any], name: str) -> Any:
    if list(body) != [name]:
        raise _Bad(f'the body is {{"{name}": ..}}')
    return body[name]


def _whole(body: dict[str, Any], name: str, lowest: int, highest: int) -> int:
    value = _only(body, name)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise _Bad(f"{name} is a whole number from {lowest} to {highest}")
    return value
