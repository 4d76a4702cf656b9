"""Signatures: the documented vectors, the two payload forms, and that nothing shows a secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import traceback
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from mmcore.errors import CredentialsError
from mmcore.exchange.binance.signing import Ed25519Signer, HmacSigner, Value, rest_payload, rest_signed, ws_payload

API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
ED25519_BASE64 = "MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u"
ED25519_PEM = f"-----BEGIN PRIVATE KEY-----\n{ED25519_BASE64}\n-----END PRIVATE KEY-----\n"


def order_params(symbol: str) -> list[tuple[str, Value]]:
    return [
        ("symbol", symbol),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "1"),
        ("price", "0.1"),
        ("recvWindow", 5000),
        ("timestamp", 1499827319559),
    ]


@pytest.mark.parametrize(
    ("symbol", "signature"),
    [
        ("LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        ("１２３４５６", "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"),
    ],
)
def test_rest_vectors_of_the_documentation_are_met(symbol: str, signature: str) -> None:
    assert HmacSigner(SECRET).sign(rest_payload(order_params(symbol))) == signature


def test_a_rest_symbol_outside_ascii_is_percent_encoded_before_it_is_signed() -> None:
    payload = rest_payload(order_params("１２３４５６"))
    assert payload.startswith(b"symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY")


@pytest.mark.parametrize(
    ("params", "signature"),
    [
        (
            {
                "symbol": "BTCUSDT",
                "side": "SELL",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "0.01000000",
                "price": "52000.00",
                "recvWindow": 100,
                "timestamp": 1645423376532,
                "apiKey": API_KEY,
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
                "recvWindow": 5000,
                "timestamp": 1645423376532,
                "apiKey": API_KEY,
            },
            "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
        ),
    ],
)
def test_websocket_api_vectors_of_the_documentation_are_met(params: dict[str, Value], signature: str) -> None:
    assert HmacSigner(SECRET).sign(ws_payload(params)) == signature


@pytest.mark.parametrize("pem", [ED25519_PEM, ED25519_PEM.encode(), ED25519_BASE64])
def test_the_ed25519_vector_of_the_documentation_is_met(pem: str | bytes) -> None:
    payload = b"\x01".join([b"A", b"EXAMPLE", b"SPOT", b"1", b"20240627-11:17:25.223"])
    expected = "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="
    assert Ed25519Signer(pem).sign(payload) == expected


def test_an_ed25519_signature_in_a_url_is_percent_encoded() -> None:
    signer = Ed25519Signer(ED25519_PEM)
    payload = b"\x01".join([b"A", b"EXAMPLE", b"SPOT", b"1", b"20240627-11:17:25.223"])
    assert rest_signed(payload, signer).endswith(b"&signature=4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM%2B"
                                                 b"5UdlGPrQHrgtS3CvsRURC1oj73j8gCA%3D%3D")


def test_a_signed_request_without_parameters_is_the_signature_alone() -> None:
    signature = hmac.new(SECRET.encode(), b"", hashlib.sha256).hexdigest()
    assert rest_signed(b"", HmacSigner(SECRET)) == b"signature=" + signature.encode()


@given(st.binary(max_size=300), st.binary(min_size=1, max_size=150))
def test_the_pre_keyed_hmac_equals_the_plain_one(payload: bytes, secret: bytes) -> None:
    signer = HmacSigner(secret)
    expected = hmac.new(secret, payload, hashlib.sha256).hexdigest()
    assert signer.sign(payload) == expected
    assert signer.sign(payload) == expected, "signing must not change the keyed state"


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=6))
def test_the_websocket_payload_is_sorted_and_the_order_of_a_mapping_does_not_matter(params: dict[str, str]) -> None:
    params.pop("signature", None)
    backwards: dict[str, Value] = dict(reversed(list(params.items())))
    assert ws_payload(backwards) == ws_payload({**params})
    assert ws_payload({**params}) == "&".join(f"{k}={v}" for k, v in sorted(params.items())).encode()


def test_numbers_and_booleans_are_spelled_as_json_spells_them() -> None:
    assert ws_payload({"b": True, "a": 5000, "c": False}) == b"a=5000&b=true&c=false"
    assert rest_payload([("b", True), ("a", 5000)]) == b"b=true&a=5000"


@pytest.mark.parametrize("build", [lambda v: rest_payload([("a", v)]), lambda v: ws_payload({"a": v})])
@pytest.mark.parametrize("value", [1.5, None, b"x"])
def test_a_value_without_one_spelling_is_refused(build: Callable[[object], bytes], value: object) -> None:
    with pytest.raises(TypeError, match="whole number"):
        build(value)


def test_a_signature_cannot_become_part_of_what_is_signed() -> None:
    with pytest.raises(ValueError, match="not part"):
        ws_payload({"signature": "x", "symbol": "BTCUSDT"})


def test_only_ed25519_keys_can_log_on() -> None:
    assert Ed25519Signer(ED25519_PEM).can_log_on
    assert not HmacSigner(SECRET).can_log_on


def ec_pem() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def encrypted_pem() -> bytes:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass"))


def public_pem() -> bytes:
    from cryptography.hazmat.primitives.serialization import PublicFormat

    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "pem",
    [ec_pem(), encrypted_pem(), public_pem(), b"", b"hunter2-canary", base64.b64encode(b"hunter2-canary"),
     b"-----BEGIN PRIVATE KEY-----\nhunter2-canary\n-----END PRIVATE KEY-----\n"],
    ids=["other curve", "encrypted", "public", "empty", "no key", "base64 of no key", "broken PEM"],
)
def test_anything_but_a_plain_ed25519_key_is_refused_without_quoting_it(pem: bytes) -> None:
    with pytest.raises(CredentialsError, match="Ed25519 key in PEM form") as caught:
        Ed25519Signer(pem)
    text = "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    assert "canary" not in str(caught.value)
    assert base64.b64encode(b"hunter2").decode()[:8] not in text


@pytest.mark.parametrize("secret", ["", b""])
def test_an_empty_secret_is_refused(secret: str | bytes) -> None:
    with pytest.raises(CredentialsError, match="empty"):
        HmacSigner(secret)


def test_no_signer_shows_its_secret() -> None:
    for signer in (HmacSigner(SECRET), Ed25519Signer(ED25519_PEM)):
        assert "hidden" in repr(signer)
        for secret in (SECRET, ED25519_BASE64):
            assert secret not in repr(signer)
            assert secret not in str(signer)
            assert secret not in str({slot: getattr(signer, slot) for slot in signer.__slots__})
