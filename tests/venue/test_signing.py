"""Signatures over received bytes, against the exchange's published vectors."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from mmcore.venue.errors import VenueError
from mmcore.venue.rest import handle_rest
from mmcore.venue.signing import KeyRing, ed25519_key, hmac_key, rest_payload, ws_payloads
from mmcore.venue.ws_api import ApiSession

DOC_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
DOC_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
REST_QUERY = (
    "symbol={}&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
)
REST_VECTORS = [
    ("LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
    (
        "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96",
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
]
WS_VECTORS: list[tuple[dict[str, str], str]] = [
    (
        {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "0.01000000",
            "price": "52000.00",
            "recvWindow": "100",
            "timestamp": "1645423376532",
            "apiKey": DOC_KEY,
        },
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    (
        {
            "symbol": "１２３４５６",
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": "1.00000000",
            "price": "0.10000000",
            "recvWindow": "5000",
            "timestamp": "1645423376532",
            "apiKey": DOC_KEY,
        },
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
]


@pytest.mark.parametrize(("symbol", "signature"), REST_VECTORS)
@pytest.mark.parametrize("split", [0, 18, 200])
def test_rest_vectors_hold_however_query_and_body_share_the_parameters(symbol: str, signature: str, split: int) -> None:
    text = REST_QUERY.format(symbol)
    key = hmac_key(DOC_KEY, "a", DOC_SECRET)
    assert key.verify(rest_payload(text[:split], f"{text[split:]}&signature={signature}"), signature)
    assert key.verify(rest_payload(f"signature={signature}&{text}", ""), signature.upper())
    assert not key.verify(rest_payload(text.replace("BUY", "SELL"), ""), signature)


@pytest.mark.parametrize(("params", "signature"), WS_VECTORS)
def test_websocket_vectors_hold_in_any_order_of_the_parameters(params: dict[str, str], signature: str) -> None:
    key = hmac_key(DOC_KEY, "a", DOC_SECRET)
    backwards = {name: params[name] for name in sorted(params, reverse=True)}
    assert key.verify(ws_payloads({**backwards, "signature": signature})[0], signature)
    assert not key.verify(ws_payloads({**params, "recvWindow": "100.0"})[0], signature)


def test_the_ed25519_vector_holds_and_case_matters() -> None:
    private = load_der_private_key(
        base64.b64decode("MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u"), None
    )
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = ed25519_key("x", "a", pem)
    payload = b"A\x01EXAMPLE\x01SPOT\x011\x0120240627-11:17:25.223"
    signature = "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="
    assert key.verify(payload, signature)
    assert key.may_logon
    for wrong in (signature.swapcase(), signature[:-1], "", "not base64 at all", signature + "\n"):
        assert not key.verify(payload, wrong)


@pytest.mark.parametrize("pem", [b"", b"nonsense", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_ed25519_public_key_is_refused(pem: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the text is the library's
        ed25519_key("x", "a", pem)


def test_a_private_key_is_not_taken_for_a_public_one() -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError):  # noqa: PT011  the text is the library's
        ed25519_key("x", "a", pem)


@pytest.mark.parametrize(
    ("name", "code"), [("", -2014), ("short", -2014), ("k" * 63 + "!", -2014), ("u" * 64, -2015), ("known", None)]
)
def test_keys_are_known_unknown_or_malformed(name: str, code: int | None) -> None:
    keys = KeyRing()
    keys.add(hmac_key("known", "a", "s"))
    if code is None:
        assert keys.find(name).account_id == "a"
        return
    with pytest.raises(VenueError) as caught:
        keys.find(name)
    assert caught.value.code == code
    assert caught.value.status == 401


def test_a_revoked_key_is_refused_from_then_on() -> None:
    keys = KeyRing()
    keys.add(hmac_key("known", "a", "s"))
    assert keys.revoke("known")
    assert not keys.revoke("unknown")
    with pytest.raises(VenueError) as caught:
        keys.find("known")
    assert (caught.value.code, caught.value.msg) == (-2015, "Invalid API-key, IP, or permissions for action.")


def test_an_ed25519_signature_travels_percent_encoded_over_rest(desk: Any) -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    desk.exchange.keys.add(ed25519_key("e" * 64, "account-1", pem))
    for stamp in range(1_700_000_000_000, 1_700_000_000_020):
        payload = f"omitZeroBalances=true&timestamp={stamp}"
        signature = quote(base64.b64encode(private.sign(payload.encode())), safe="")
        target = f"/api/v3/account?{payload}&signature={signature}"
        assert handle_rest(desk.exchange, "GET", target, "e" * 64, b"").status == 200
        wrong = handle_rest(desk.exchange, "GET", target.replace("true", "True"), "e" * 64, b"")
        assert '"code":-1022' in wrong.body


def test_a_number_is_signed_as_the_token_that_was_sent(session: Any, signer: Callable[[str], str]) -> None:
    for token in ("1700000000000", "5000.0", "5e3"):
        payload = f"apiKey={'k' * 64}&recvWindow={token}&timestamp=1700000000000"
        text = (
            f'{{"id":7,"method":"account.status","params":{{"timestamp":1700000000000,"recvWindow":{token},'
            f'"apiKey":"{"k" * 64}","signature":"{signer(payload)}"}}}}'
        )
        (reply,) = session.handle(text)
        expected = '"status":200' if token == "5000.0" else '"code":-11'
        assert expected in reply, (token, reply)
        (reply,) = session.handle(text.replace(f'"recvWindow":{token}', '"recvWindow":5000'))
        assert '"code":-1022' in reply


@pytest.mark.parametrize("client_id", ["plain-1", "x y", "\uff11", "a+b"])
def test_a_lenient_venue_takes_percent_encoded_signatures_as_well(
    desk: Any, signer: Callable[[str], str], client_id: str
) -> None:
    params = {"apiKey": "k" * 64, "origClientOrderId": client_id, "symbol": "BTCUSDT", "timestamp": "1700000000000"}
    plain = "&".join(f"{name}={value}" for name, value in params.items())
    for payload, strict_ok in ((plain, True), (urlencode(params), plain == urlencode(params))):
        text = json.dumps({"id": 1, "method": "order.status", "params": {**params, "signature": signer(payload)}})
        for lenient in (False, True):
            (reply,) = ApiSession(desk.exchange, lenient_signatures=lenient).handle(text)
            assert json.loads(reply)["error"]["code"] == (-2013 if strict_ok or lenient else -1022)
    forged = json.dumps({"id": 1, "method": "order.status", "params": {**params, "signature": "0" * 64}})
    (reply,) = ApiSession(desk.exchange, lenient_signatures=True).handle(forged)
    assert json.loads(reply)["error"]["code"] == -1022
