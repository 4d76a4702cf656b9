"""API keys, and signatures checked over the bytes that were received."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from mmcore.venue.errors import bad_key_format, rejected_key

_KEY_FORM = re.compile(r"[A-Za-z0-9]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One API key of an account. `verify(payload, signature)` judges; only keys that `may_logon` open a session."""

    api_key: str
    account_id: str
    verify: Callable[[bytes, str], bool]
    may_logon: bool


def hmac_key(api_key: str, account_id: str, secret: str) -> ApiKey:
    """A key with a shared secret: HMAC-SHA256, hex, either case."""
    secret_bytes = secret.encode()

    def verify(payload: bytes, signature: str) -> bool:
        wanted = hmac.new(secret_bytes, payload, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted.encode(), signature.lower().encode())

    return ApiKey(api_key, account_id, verify, may_logon=False)


def ed25519_key(api_key: str, account_id: str, public_key_pem: bytes) -> ApiKey:
    """A key with an Ed25519 public key in PEM: signatures in base64, case-sensitive. ValueError for other PEM."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        public_key = load_pem_public_key(public_key_pem)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from error
    if not isinstance(public_key, Ed25519PublicKey):
        raise ValueError("it holds a public key, but not an Ed25519 one")

    def verify(payload: bytes, signature: str) -> bool:
        try:
            public_key.verify(base64.b64decode(signature, validate=True), payload)
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True

    return ApiKey(api_key, account_id, verify, may_logon=True)


class KeyRing:
    """All keys the venue knows, revoked ones apart."""

    def __init__(self) -> None:
        self._keys: dict[str, ApiKey] = {}
        self._revoked: set[str] = set()

    def add(self, key: ApiKey) -> None:
        """Register a key; its name must be new."""
        assert key.api_key not in self._keys, "an API key is registered once"
        self._keys[key.api_key] = key

    def revoke(self, api_key: str) -> bool:
        """From now on -2015 for this key. False if it is not known."""
        if api_key not in self._keys:
            return False
        self._revoked.add(api_key)
        return True

    def find(self, api_key: str) -> ApiKey:
        """The key, or -2014 for text that has not the form of a key, -2015 for one that is unknown or revoked."""
        key = self._keys.get(api_key)
        if key is None:
            raise rejected_key() if _KEY_FORM.fullmatch(api_key) else bad_key_format()
        if api_key in self._revoked:
            raise rejected_key()
        return key


def _without_signature(encoded: str) -> str:
    return "&".join(pair for pair in encoded.split("&") if pair.partition("=")[0] != "signature")


def rest_payload(raw_query: str, raw_body: str) -> bytes:
    """What a REST signature covers: query and body as received, end to end, without their `signature`."""
    return (_without_signature(raw_query) + _without_signature(raw_body)).encode()


def ws_payloads(params: Mapping[str, str]) -> tuple[bytes, ...]:
    """What a WebSocket API signature covers: `name=value` by name, joined with `&`, without percent-encoding.

    A value is a string's text or a number's literal token, so 1 and 1.0 differ.
    """
    pairs = (f"{name}={value}" for name, value in _signed(params))
    return ("&".join(pairs).encode("utf-8", "surrogatepass"),)


def lenient_ws_payloads(params: Mapping[str, str]) -> tuple[bytes, ...]:
    """What a lenient venue lets a WebSocket API signature cover: the same plain, or percent-encoded as in a query."""
    encoded = urlencode(_signed(params), errors="surrogatepass").encode()
    return (*ws_payloads(params), encoded)


def _signed(params: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, params[name]) for name in sorted(params) if name != "signature"]
