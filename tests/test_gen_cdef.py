"""tools/gen_cdef.py: what Python sees is the header's own text."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "csrc" / "include" / "mmcore.h"

BEFORE = """\
#include <stdint.h>
/* cffi:begin */
#define MM_COUNT 3
#define MM_MASK 0x10u
#define MM_TOTAL (MM_COUNT + 1)
/* about f:
 * more */
MM_API int32_t mm_f(int32_t a,
                    int32_t b);
/* cffi:end */
MM_API int32_t mm_hidden(void);
/* cffi:begin */
typedef struct mm_pair { int64_t a; int64_t b[MM_COUNT]; } mm_pair; /* two */
/* cffi:end */
"""

AFTER = """\
#define MM_COUNT 3
#define MM_MASK 0x10u
#define MM_TOTAL ...

int32_t mm_f(int32_t a,
                    int32_t b);

typedef struct mm_pair { int64_t a; int64_t b[MM_COUNT]; } mm_pair;
"""


def generate(header: Path, output: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "gen_cdef.py"), str(header), str(output)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_marked_blocks_are_kept_without_comments_and_export_marks(tmp_path: Path) -> None:
    header, output = tmp_path / "header.h", tmp_path / "cdef.txt"
    header.write_text(BEFORE)
    assert generate(header, output).returncode == 0
    assert output.read_text() == AFTER


@pytest.mark.parametrize(
    "text",
    ["int f(void);", "/* cffi:begin */ int f(void);", "/* cffi:end */ int f(void); /* cffi:begin */"],
    ids=["no markers", "no end", "wrong order"],
)
def test_markers_that_do_not_pair_up_are_refused(text: str, tmp_path: Path) -> None:
    header, output = tmp_path / "header.h", tmp_path / "cdef.txt"
    header.write_text(text)
    result = generate(header, output)
    assert result.returncode == 1
    assert "do not pair up" in result.stderr
    assert not output.exists()


def test_every_exported_function_is_seen_by_python(tmp_path: Path) -> None:
    """A declaration outside the markers would be in the library and missing in Python without a word."""
    output = tmp_path / "cdef.txt"
    assert generate(HEADER, output).returncode == 0
    declared = re.findall(r"^MM_API\b[^;(]*?\b(mm_\w+)\(", HEADER.read_text(encoding="utf-8"), re.MULTILINE)
    seen = set(re.findall(r"\b(mm_\w+)\(", output.read_text(encoding="utf-8")))
    assert declared
    assert [name for name in declared if name not in seen] == []
