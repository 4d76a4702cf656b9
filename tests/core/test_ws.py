"""The WebSocket parser through its Python handle. What it promises byte by byte is tested in C."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.core import ws
from mmcore.core.ws import WsError, WsMessage, WsParser
from mmcore.errors import CoreError


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """As a server sends it."""
    head = bytes([(0x80 if final else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return head + b"\x7e" + len(payload).to_bytes(2, "big") + payload
    return head + b"\x7f" + len(payload).to_bytes(8, "big") + payload


def unmask(data: bytes) -> tuple[int, bytes]:
    """Opcode and payload of a client's frame."""
    assert data[0] & 0xF0 == 0x80
    assert data[1] & 0x80
    count, at = data[1] & 0x7F, 2
    if count >= 126:
        width = 2 if count == 126 else 8
        count, at = int.from_bytes(data[at : at + width], "big"), at + width
    key, payload = data[at : at + 4], data[at + 4 :]
    assert len(payload) == count
    return data[0] & 0x0F, bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def give(parser: WsParser, data: bytes) -> list[WsMessage]:
    """All messages of these bytes, taken in as large pieces as there is space for."""
    messages = []
    while data:
        space = parser.space()
        part = data[: len(space)]
        space[: len(part)] = part
        parser.filled(len(part))
        data = data[len(part) :]
        while (message := parser.next()) is not None:
            messages.append(message)
    return messages


def test_bytes_are_received_from_a_socket_straight_into_the_parser() -> None:
    parser = WsParser(1 << 16)
    near, far = socket.socketpair()
    with near, far:
        far.sendall(frame(ws.TEXT, b'{"id":1}') + frame(ws.PING, b"1770"))
        parser.filled(near.recv_into(parser.space()))
    assert parser.next() == WsMessage(ws.TEXT, b'{"id":1}', 0)
    assert parser.next() == WsMessage(ws.PING, b"1770", 0)
    assert parser.next() is None
    assert parser.close_code == 0


def test_a_close_frame_tells_code_and_reason_and_ends_the_stream() -> None:
    parser = WsParser(1024)
    messages = give(parser, frame(ws.CLOSE, b"\x03\xf0bye") + frame(ws.TEXT, b"late"))
    assert messages == [WsMessage(ws.CLOSE, b"bye", 1008)]


@pytest.mark.parametrize(
    ("data", "close_code"),
    [
        (b"\x81\x80\x00\x00\x00\x00", 1002),
        (frame(ws.TEXT, b"\xff"), 1007),
        (b"\x82\x7f" + (1 << 62).to_bytes(8, "big"), 1009),
    ],
)
def test_a_broken_protocol_is_an_error_until_the_reset(data: bytes, close_code: int) -> None:
    parser = WsParser(1024)
    for _ in range(2):
        with pytest.raises(WsError, match=str(close_code)) as raised:
            give(parser, data)
        assert raised.value.close_code == close_code
        assert parser.close_code == close_code
    parser.reset()
    assert parser.close_code == 0
    assert give(parser, frame(ws.TEXT, b"again")) == [WsMessage(ws.TEXT, b"again", 0)]


@pytest.mark.parametrize("buffer_bytes", [0, 1023, (1 << 28) + 1])
def test_a_buffer_of_unfit_size_is_refused(buffer_bytes: int) -> None:
    with pytest.raises(CoreError):
        WsParser(buffer_bytes)


@given(st.binary(max_size=70_000), st.integers(0, 2**32 - 1), st.sampled_from([ws.TEXT, ws.BINARY]))
def test_an_encoded_frame_decodes_to_its_payload(payload: bytes, mask_key: int, opcode: int) -> None:
    assert unmask(ws.encode(opcode, payload, mask_key)) == (opcode, payload)


def test_a_control_frame_over_125_bytes_is_not_encoded() -> None:
    assert unmask(ws.encode(ws.PONG, b"x" * 125, 7)) == (ws.PONG, b"x" * 125)
    with pytest.raises(ValueError, match="125"):
        ws.encode(ws.PONG, b"x" * 126, 7)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[WsMessage], bytes]:
    """Messages, and the bytes that carry them, in fragments with control frames between."""
    messages, data = [], b""
    for _ in range(draw(st.integers(1, 6))):
        payload = draw(st.text(max_size=120)).encode() * draw(st.sampled_from([1, 1, 20, 500]))
        cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
        parts = [payload[a:b] for a, b in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
        for i, part in enumerate(parts):
            last = i == len(parts) - 1
            data += frame(ws.TEXT if i == 0 else 0, part, final=last)
            if not last and draw(st.booleans()):
                data += frame(ws.PING, b"now")
                messages.append(WsMessage(ws.PING, b"now", 0))
        messages.append(WsMessage(ws.TEXT, payload, 0))
    return messages, data


@given(streams(), st.lists(st.integers(1, 3000), min_size=1, max_size=20))
def test_messages_do_not_depend_on_how_bytes_arrive(sent: tuple[list[WsMessage], bytes], sizes: list[int]) -> None:
    messages, data = sent
    parser = WsParser(1 << 17)
    got, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        got += give(parser, data[at : at + size])
        at, turn = at + size, turn + 1
    assert got == messages
