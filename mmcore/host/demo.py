"""The embedded exchange of the demo: the local venue as a child process."""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import requests

from mmcore.config import DemoSettings
from mmcore.errors import UnreachableError
from mmcore.units import format_e8

_START_S: Final = 10.0
_STOP_S: Final = 5.0
_HIDDEN: Final = ("API_", "VENUE_")


def _environment(key: str, secret: str) -> dict[str, str]:
    """The child's environment: nothing of the user's credentials is passed on, only the demo's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)}
    package_parent = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(part for part in (package_parent, kept.get("PYTHONPATH", "")) if part)
    return {**kept, "PYTHONPATH": path, "VENUE_API_KEY": key, "VENUE_API_SECRET": secret}


class DemoVenue:
    """A running venue. `url`, `api_key` and `api_secret` are what a client needs."""

    def __init__(self, settings: DemoSettings) -> None:
        """Raises UnreachableError when it does not come up."""
        self.api_key = secrets.token_hex(16)
        self.api_secret = secrets.token_hex(16)
        command = [sys.executable, "-m", "mmcore.venue", "--port", "0", "--market", "synthetic",
                   "--seed", str(settings.seed), "--maker-fee-bps", _bps(settings.maker_fee_bps),
                   "--taker-fee-bps", _bps(settings.taker_fee_bps), "--until-stdin-closes"]
        # A group of its own: Ctrl-C in the terminal is for the bot, which still has to cancel its orders here.
        environment = _environment(self.api_key, self.api_secret)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
                                         start_new_session=True)
        try:
            self.url = self._read_url()
        except BaseException:
            self.stop()
            raise

    def _read_url(self) -> str:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _START_S)
        line = self._process.stdout.readline() if ready else b""
        try:
            url = json.loads(line)["url"]
        except (ValueError, KeyError, TypeError):
            raise UnreachableError(f"the embedded exchange did not start within {_START_S:.0f} s") from None
        return str(url)

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def audit(self) -> Mapping[str, Any]:
        """The venue's own truth. Raises UnreachableError."""
        try:
            with requests.Session() as session:
                session.trust_env = False
                reply = session.get(f"{self.url}/venue/audit", timeout=3, allow_redirects=False)
                reply.raise_for_status()
                found: Mapping[str, Any] = reply.json()
                return found
        except (requests.RequestException, ValueError) as error:
            raise UnreachableError(f"the embedded exchange gives no audit: {type(error).__name__}") from None

    def stop(self) -> None:
        """Ends it. Idempotent."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(_STOP_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _bps(value: float) -> str:
    """Plain decimal text, without an exponent."""
    return format_e8(round(value * 100_000_000))
