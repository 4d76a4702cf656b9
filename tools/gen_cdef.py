"""Cuts the declarations that Python sees out of the public C header.

    gen_cdef.py HEADER OUTPUT

Everything between `/* cffi:begin */` and `/* cffi:end */` is kept, in order, without comments and without MM_API. A
`#define` of an integer literal stays, for cffi compares it with the compiler's value; any other `#define NAME value`
becomes `#define NAME ...`, whose value cffi then asks of the compiler. So no declaration is ever typed twice.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_BLOCK = re.compile(r"/\* cffi:begin \*/(.*?)/\* cffi:end \*/", re.DOTALL)
_MARKER = re.compile(r"/\* cffi:(begin|end) \*/")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DEFINE = re.compile(r"^#define[ \t]+(\w+)[ \t]+(.*\S)[ \t]*$", re.MULTILINE)
_INTEGER = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)[uUlL]*")


def _define(match: re.Match[str]) -> str:
    name, value = match.groups()
    return f"#define {name} {value if _INTEGER.fullmatch(value) else '...'}"


def cdef_of(header: str) -> str:
    """The cdef text of a header; ValueError when its markers do not pair up, or none are there."""
    markers = _MARKER.findall(header)
    if not markers or markers != ["begin", "end"] * (len(markers) // 2):
        raise ValueError("the cffi:begin and cffi:end markers do not pair up")
    text = "\n".join(_BLOCK.findall(header))
    text = _COMMENT.sub("", text)
    text = _DEFINE.sub(_define, text)
    text = re.sub(r"\bMM_API[ \t]+", "", text)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(f"usage: {Path(sys.argv[0]).name} HEADER OUTPUT", file=sys.stderr)
        return 2
    header, output = map(Path, arguments)
    try:
        output.write_text(cdef_of(header.read_text(encoding="utf-8")), encoding="utf-8")
    except ValueError as error:
        print(f"{header}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
