"""Market-data sockets without sockets: subscriptions, control messages, each message framed once for all takers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Any

from mmcore.venue.frames import binary_frame, text_frame
from mmcore.venue.jsontext import TimeUnit, compact_json
from mmcore.venue.market import Feed, StreamMessage, Wire
from mmcore.venue.tamper import NO_TAMPERING, Tamperer, Tampering, spoil

_METHODS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
STREAMS_PER_CONNECTION = 1024
_CULLED = "@bestBidAsk"


class StreamHub:
    """Which session takes which feed. `want` is told the feeds that have takers whenever they change; a `tamperer` may
    strike each message that is taken.
    """

    def __init__(self, want: Callable[[Set[Feed]], None], tamperer: Tamperer | None = None) -> None:
        self._want = want
        self._tamperer = tamperer
        self._swapped: dict[StreamSession, list[bytes]] = {}
        self._takers: dict[Feed, dict[StreamSession, None]] = {}
        self._holding: dict[StreamSession, None] = {}
        self.depth_wanted = False

    def add(self, names: Iterable[str], session: StreamSession) -> None:
        """Subscribe a session to streams."""
        for name in names:
            self._takers.setdefault(Feed(name, session.wire), {})[session] = None
            self.depth_wanted = self.depth_wanted or "@depth" in name
        self._want(self._takers.keys())

    def remove(self, names: Iterable[str], session: StreamSession) -> None:
        """Unsubscribe a session from streams it takes."""
        for name in names:
            feed = Feed(name, session.wire)
            takers = self._takers[feed]
            del takers[session]
            if not takers:
                del self._takers[feed]
        self._want(self._takers.keys())

    def publish(self, messages: Iterable[StreamMessage]) -> None:
        """Send the messages in order; each is framed at most once raw and once combined, each session written once.

        What sessions held back goes first, where it can.
        """
        outgoing: dict[StreamSession, list[bytes]] = {}
        for session in tuple(self._holding):
            if not session.congested():
                del self._holding[session]
                outgoing[session] = session.release()
        for message in messages:
            takers = self._takers.get(Feed(message.stream, message.wire))
            if takers is None:
                continue
            tampering = self._tamperer.strike(message, len(takers)) if self._tamperer is not None else None
            if tampering is None and not self._swapped:
                self._frame(message, takers, outgoing)
            else:
                self._frame_struck(message, takers, tampering or NO_TAMPERING, outgoing)
        for session, frames in outgoing.items():
            session.write(b"".join(frames))

    def drop(self, session: StreamSession) -> None:
        """The session is gone, with what it held back."""
        self._holding.pop(session, None)
        self._swapped.pop(session, None)

    def _frame_struck(
        self,
        message: StreamMessage,
        takers: Iterable[StreamSession],
        tampering: Tampering,
        outgoing: dict[StreamSession, list[bytes]],
    ) -> None:
        """As `_frame`, with what a fault makes of the message for some of its takers."""
        numbered = list(enumerate(takers))
        spared = [session for number, session in numbered if number not in tampering.hit]
        struck = [session for number, session in numbered if number in tampering.hit]
        self._frame(message, spared, outgoing)
        for one in tampering.instead:
            self._frame(one, struck, outgoing)
        if tampering.spoiled:
            for session in struck:
                outgoing[session][-1] = spoil(outgoing[session][-1])
        freed = [(session, self._swapped.pop(session)) for _, session in numbered if session in self._swapped]
        if tampering.held:
            self._frame(message, struck, self._swapped)
        for session, frames in freed:
            outgoing.setdefault(session, []).extend(frames)

    def _frame(
        self, message: StreamMessage, takers: Iterable[StreamSession], outgoing: dict[StreamSession, list[bytes]]
    ) -> None:
        data = message.data
        if isinstance(data, bytes):
            frame = binary_frame(data)
            for session in takers:
                if message.stream.endswith(_CULLED) and not session.admits(message.stream, frame):
                    self._holding[session] = None
                else:
                    outgoing.setdefault(session, []).append(frame)
            return
        raw = combined = b""
        for session in takers:
            if session.combined:
                combined = combined or text_frame(f'{{"stream":"{message.stream}","data":{data}}}')
                outgoing.setdefault(session, []).append(combined)
            else:
                raw = raw or text_frame(data)
                outgoing.setdefault(session, []).append(raw)


class StreamSession:
    """One market-data connection: `combined` wraps JSON payloads with the stream's name; `write` takes framed bytes.

    While `congested` an SBE session is not sent best prices: the newest of each symbol is held back and the others are
    dropped, so that a slow reader gets few that are fresh and not all of them late.
    """

    def __init__(
        self,
        hub: StreamHub,
        names: Iterable[str],
        *,
        combined: bool,
        write: Callable[[bytes], None],
        wire: Wire = Wire.JSON,
        congested: Callable[[], bool] = lambda: False,
    ) -> None:
        self.combined = combined
        self.write = write
        self.wire = wire
        self.congested = congested
        self._hub = hub
        self._names: dict[str, None] = {}
        self._held: dict[str, bytes] = {}
        self._subscribe(list(names))

    def admits(self, stream: str, frame: bytes) -> bool:
        """Whether a frame of best prices may go out now; else it takes the place of the one held back."""
        self._held.pop(stream, None)
        if not self.congested():
            return True
        self._held[stream] = frame
        return False

    def release(self) -> list[bytes]:
        """The frames held back."""
        frames = list(self._held.values())
        self._held.clear()
        return frames

    def close(self) -> None:
        """The connection is gone."""
        self._unsubscribe(list(self._names))
        self._hub.drop(self)

    def announce(self, name: str, event: Mapping[str, Any]) -> str:
        """An event that comes without a subscription, such as `!serverShutdown`: JSON on every wire."""
        text = compact_json(event, TimeUnit.MILLISECOND if self.wire is Wire.JSON else TimeUnit.MICROSECOND)
        return f'{{"stream":"{name}","data":{text}}}' if self.combined else text

    def handle(self, text: str) -> str:
        """Answer one control message."""
        try:
            request = json.loads(text)
        except (ValueError, RecursionError) as error:
            line, column = (error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else (1, 1)
            return _error(3, f"Invalid JSON: expected value at line {line} column {column}")
        if not isinstance(request, dict) or "method" not in request:
            return _error(2, f"Invalid request: missing field `method` at line 1 column {len(text)}")
        request_id = request.get("id")
        if not _is_id(request_id):
            return _error(2, "Invalid request: request ID must be an unsigned integer")
        return self._control(request["method"], request.get("params", []), request_id)

    def _control(self, method: Any, params: Any, request_id: Any) -> str:
        if method == "LIST_SUBSCRIPTIONS":
            return _result(list(self._names), request_id)
        if not isinstance(params, list):
            return _error(2, "Invalid request: params must be an array", request_id)
        if method in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return self._change(method, params, request_id)
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(method, params, request_id)
        return _error(2, f"Invalid request: unknown variant `{method}`, expected one of {_METHODS}", request_id)

    def _change(self, method: str, names: list[Any], request_id: Any) -> str:
        if not all(isinstance(name, str) for name in names):
            return _error(2, "Invalid request: stream names must be strings", request_id)
        if method == "UNSUBSCRIBE":
            self._unsubscribe(names)
        elif len({*self._names, *names}) > STREAMS_PER_CONNECTION:
            return _error(2, "Invalid request: too many parameters", request_id)
        else:
            self._subscribe(names)
        return _result(None, request_id)

    def _property(self, method: str, params: list[Any], request_id: Any) -> str:
        if not params or not isinstance(params[0], str):
            return _error(2, "Invalid request: property name must be a string", request_id)
        if len(params) > (1 if method == "GET_PROPERTY" else 2):
            return _error(2, "Invalid request: too many parameters", request_id)
        if params[0] != "combined":
            return _error(0, "Unknown property", request_id)
        if method == "GET_PROPERTY":
            return _result(self.combined, request_id)
        if len(params) != 2 or not isinstance(params[1], bool):
            return _error(1, "Invalid value type: expected Boolean", request_id)
        self.combined = params[1]
        return _result(None, request_id)

    def _subscribe(self, names: list[str]) -> None:
        new = [name for name in dict.fromkeys(names) if name not in self._names]
        self._names.update(dict.fromkeys(new))
        self._hub.add(new, self)

    def _unsubscribe(self, names: list[str]) -> None:
        gone = [name for name in dict.fromkeys(names) if name in self._names]
        for name in gone:
            del self._names[name]
        self._hub.remove(gone, self)


def _is_id(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return len(value) <= 36
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _result(value: Any, request_id: Any) -> str:
    return compact_json({"result": value, "id": request_id})


def _error(code: int, msg: str, request_id: Any = None) -> str:
    return compact_json({"code": code, "msg": msg, "id": request_id})
