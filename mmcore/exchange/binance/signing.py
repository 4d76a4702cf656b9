"""Signatures of Binance Spot: HMAC-SHA256 and Ed25519, and the byte strings they are made over.

Two payload forms exist and must not be mixed up:
  REST           name=value pairs in the order sent, percent-encoded, joined with "&"; signed as sent.
  WebSocket API  all parameters but the signature, sorted by name, raw UTF-8, never percent-encoded.
Values are text or whole numbers: a float has no single spelling, so it is refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, TypeAlias
from urllib.parse import quote

from mmcore.errors import CredentialsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Value: TypeAlias = str | int | bool
"""A parameter. Whole numbers and booleans are spelled as JSON spells them."""


class Signer(Protocol):
    """Makes signatures with one secret. Safe to use from any thread; shows nothing of the secret."""

    @property
    def can_log_on(self) -> bool:
        """Whether the exchange accepts `session.logon` with this kind of key."""

    def sign(self, payload: bytes) -> str:
        """The signature over exactly these bytes, as the exchange spells it."""


class HmacSigner:
    """HMAC-SHA256, lower-case hex. About 1 µs: the keyed state is made once and copied."""

    __slots__ = ("_keyed",)

    def __init__(self, secret: str | bytes) -> None:
        """secret: the API secret as the exchange gave it. Raises CredentialsError if it is empty."""
        key = secret.encode() if isinstance(secret, str) else bytes(secret)
        if not key:
            raise CredentialsError("the API secret is empty")
        self._keyed = hmac.new(key, digestmod=hashlib.sha256)

    @property
    def can_log_on(self) -> bool:
        return False

    def sign(self, payload: bytes) -> str:
        state = self._keyed.copy()
        state.update(payload)
        return state.hexdigest()

    def __repr__(self) -> str:
        return "HmacSigner(secret hidden)"


class Ed25519Signer:
    """Ed25519, base64. About 30 µs."""

    __slots__ = ("_key",)

    def __init__(self, pem: str | bytes) -> None:
        """pem: an unencrypted PKCS#8 private key in PEM form, or that form's base64 text without the two PEM lines.

        Raises CredentialsError, which never quotes the key, if it is anything else.
        """
        self._key = _ed25519_key(pem.encode() if isinstance(pem, str) else bytes(pem))

    @property
    def can_log_on(self) -> bool:
        return True

    def sign(self, payload: bytes) -> str:
        return base64.b64encode(self._key.sign(payload)).decode("ascii")

    def __repr__(self) -> str:
        return "Ed25519Signer(key hidden)"


def _ed25519_key(pem: bytes) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

    key = None
    try:
        if b"-----BEGIN" in pem:
            key = load_pem_private_key(pem, password=None)
        else:
            key = load_der_private_key(base64.b64decode(pem, validate=False), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass  # told below, outside the handler, so that no text of the library about the key goes along
    if not isinstance(key, Ed25519PrivateKey):
        raise CredentialsError("the private key is not an unencrypted Ed25519 key in PEM form (PKCS#8)")
    return key


def spell(value: Value) -> str:
    """A parameter's text, the same in the signed payload and in the request. TypeError for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise TypeError(f"a parameter must be text, a whole number or a boolean, not {type(value).__name__}")


def rest_payload(params: Iterable[tuple[str, Value]]) -> bytes:
    """The REST payload of these parameters, in this order, percent-encoded as it is signed and sent."""
    pairs = (f"{quote(name, safe='')}={quote(spell(value), safe='')}" for name, value in params)
    return "&".join(pairs).encode("ascii")


def rest_signed(payload: bytes, signer: Signer) -> bytes:
    """The REST payload with its signature behind it, ready to be a query string or a form body."""
    signature = quote(signer.sign(payload), safe="").encode("ascii")
    return payload + b"&signature=" + signature if payload else b"signature=" + signature


def ws_payload(params: Mapping[str, Value]) -> bytes:
    """The WebSocket API payload of these parameters (without a signature among them)."""
    if "signature" in params:
        raise ValueError("a signature is not part of what is signed")
    return "&".join(f"{name}={spell(params[name])}" for name in sorted(params)).encode("utf-8")
