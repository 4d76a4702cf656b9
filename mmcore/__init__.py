"""mmcore: a high-frequency market-making engine for Binance Spot.

Importing the package loads nothing else: the names below are looked up where they are defined when they are first
used, so that the local exchange and the command line do not load the C library.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

# name -> the module that defines it
_PUBLIC: Final = {
    "ConfigError": "mmcore.errors",
    "CoreError": "mmcore.errors",
    "CredentialsError": "mmcore.errors",
    "ExchangeClient": "mmcore.exchange.base",
    "ExchangeError": "mmcore.errors",
    "ExitCode": "mmcore.errors",
    "MarketMaker": "mmcore.strategy.base",
    "MmcoreError": "mmcore.errors",
    "OrderRequest": "mmcore.exchange.base",
    "OrderResponse": "mmcore.exchange.base",
    "QuoteDecision": "mmcore.strategy.base",
    "RunOptions": "mmcore.config",
    "Settings": "mmcore.config",
    "Signal": "mmcore.strategy.base",
    "StrategyError": "mmcore.errors",
    "UnreachableError": "mmcore.errors",
    "UsageError": "mmcore.errors",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'mmcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), "__version__", *_PUBLIC])


def _version() -> str:
    """The installed version, or that of the source tree this package is imported from without an installation."""
    import re
    from importlib import metadata
    from pathlib import Path

    try:
        return metadata.version("mmcore")
    except metadata.PackageNotFoundError:
        header = Path(__file__).resolve().parent.parent / "csrc" / "include" / "mmcore.h"
        text = header.read_text(encoding="utf-8")
        return ".".join(re.findall(r"#define MM_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", text))
