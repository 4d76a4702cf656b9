"""The one door to the C extension: every other module takes `ffi` and `lib` from here.

Importing this module loads the extension. Only `mmcore.core` may use what it gives; a test scans for that.
"""

from __future__ import annotations

from typing import Any

try:
    from mmcore._core import ffi as _ffi
    from mmcore._core import lib as _lib
except ImportError as error:
    raise ImportError(
        "mmcore's C extension is not built for this Python. Build it with `pip install -e .` in the source tree "
        "(needs gcc or clang; on Debian: apt install gcc libc6-dev), then try again."
    ) from error

ffi: Any = _ffi
lib: Any = _lib

__all__ = ["ffi", "lib"]
