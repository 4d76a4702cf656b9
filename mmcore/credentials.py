"""API credentials: read once from the environment or from files, never shown, never handed to children.

Nothing is judged here but that something was given that can be a key at all: whether it is right is the exchange's to
say.
"""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final, NoReturn

from mmcore.errors import CredentialsError

_FILE_BYTES_MAX: Final = 16 * 1024
_MODE_ALLOWED: Final = 0o600
_KEY_CHARACTERS_MAX: Final = 127

# What is wanted -> the variable that holds it, if there is one, and the variable that names a file with it.
_KEY: Final = ("API_KEY", "API_KEY_FILE")
_SECRET: Final = ("API_SECRET", "API_SECRET_FILE")
_PRIVATE_KEY_FILE: Final = "API_PRIVATE_KEY_FILE"

VARIABLES: Final = (*_KEY, *_SECRET, _PRIVATE_KEY_FILE)
"""Every variable that this module reads and takes out of the environment."""


class Secret:
    """Text that shows itself only when asked to: not in str, repr, format, a log line, a traceback or a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one place that signs or sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(not shown)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, others = (side._value.encode("utf-8", "surrogateescape") for side in (self, other))
        return hmac.compare_digest(mine, others)

    __hash__ = None  # type: ignore[assignment]  # a hash in a log would let a guess be checked

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not written anywhere")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key and what signs for it: either a shared secret (HMAC) or an Ed25519 private key as PEM text."""

    api_key: Secret
    api_secret: Secret | None = None
    private_key_pem: Secret | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Everything a log must never show."""
        return tuple(part for part in (self.api_key, self.api_secret, self.private_key_pem) if part is not None)


def presence(environ: Mapping[str, str]) -> dict[str, bool]:
    """For each of VARIABLES, whether it is set to anything but blanks."""
    return {name: bool(environ.get(name, "").strip()) for name in VARIABLES}


def discard(environ: MutableMapping[str, str]) -> None:
    """Takes all credential variables out of `environ`, so that no child process inherits them. Reads nothing."""
    for name in VARIABLES:
        environ.pop(name, None)


def load(environ: MutableMapping[str, str]) -> Credentials:
    """The credentials that `environ` names, taken out of it whether or not they are complete.

    Raises CredentialsError if one is missing or given in two ways, if a key or secret is not one line of up to 127
    characters of ASCII, or if a file is not the user's own regular file of mode 0600 or stricter. The text names
    variables, paths and modes, never values.
    """
    given = {name: environ[name].strip() for name, is_set in presence(environ).items() if is_set}
    discard(environ)
    _refuse_both(given, *_KEY)
    _refuse_both(given, *_SECRET)
    for name in _SECRET:
        _refuse_both(given, name, _PRIVATE_KEY_FILE)
    missing = []
    if not any(name in given for name in _KEY):
        missing.append("API_KEY (or API_KEY_FILE)")
    if not any(name in given for name in (*_SECRET, _PRIVATE_KEY_FILE)):
        missing.append("API_SECRET (or API_SECRET_FILE, or API_PRIVATE_KEY_FILE for an Ed25519 key)")
    if missing:
        raise CredentialsError(f"no credentials: {' and '.join(missing)} not set in the environment")
    key = _value(given, *_KEY)
    assert key is not None  # one of its two variables is set
    private_key = _read_file(_PRIVATE_KEY_FILE, given[_PRIVATE_KEY_FILE]) if _PRIVATE_KEY_FILE in given else None
    return Credentials(key, _value(given, *_SECRET), private_key)


def _refuse_both(given: Mapping[str, str], one: str, other: str) -> None:
    if one in given and other in given:
        raise CredentialsError(f"{one} and {other} are both set: keep one of them")


def _value(given: Mapping[str, str], plain: str, in_file: str) -> Secret | None:
    if plain in given:
        return _one_line(plain, Secret(given[plain]))
    if in_file in given:
        return _one_line(f"{in_file}: {given[in_file]}", _read_file(in_file, given[in_file]))
    return None


def _one_line(where: str, secret: Secret) -> Secret:
    """What can stand in a header; anything else is no key of the exchange's, but a file of another kind perhaps."""
    text = secret.reveal()
    if not text.isascii() or not text.isprintable():
        raise CredentialsError(f"{where}: is not one line of printable ASCII, which every key of the exchange is")
    if len(text) > _KEY_CHARACTERS_MAX:
        raise CredentialsError(f"{where}: is longer than {_KEY_CHARACTERS_MAX} characters")
    return secret


def _read_file(variable: str, path: str) -> Secret:
    try:
        # Not blocking, so that a FIFO cannot hang the start; what is opened is what is judged.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not a path"
        raise CredentialsError(f"{variable}: {path}: {reason}") from None
    try:
        _judge(variable, path, os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(_FILE_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(data) > _FILE_BYTES_MAX:
        raise CredentialsError(f"{variable}: {path}: larger than {_FILE_BYTES_MAX} bytes")
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        # "from None": the original error carries the bytes of the file.
        raise CredentialsError(f"{variable}: {path}: is not text") from None
    if not text:
        raise CredentialsError(f"{variable}: {path}: is empty")
    return Secret(text)


def _judge(variable: str, path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise CredentialsError(f"{variable}: {path}: is not a regular file")
    if status.st_uid != os.geteuid():
        raise CredentialsError(f"{variable}: {path}: belongs to user {status.st_uid}, not to you ({os.geteuid()})")
    mode = stat.S_IMODE(status.st_mode)
    if mode & ~_MODE_ALLOWED:
        raise CredentialsError(f"{variable}: {path}: mode is {mode:04o}, wider than 0600: run chmod 600 on it")
