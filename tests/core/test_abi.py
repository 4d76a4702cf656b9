"""The layout of what C and Python share: one list in C, held by the compiler there and by the extension here."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from mmcore._native import ffi, lib
from mmcore.core.book import LEVEL, ROW
from mmcore.core.layout import DECODED
from mmcore.core.log import RECORD

ROOT = Path(__file__).resolve().parents[2]
LAYOUT = (ROOT / "csrc" / "src" / "mm_abi.c").read_text(encoding="utf-8")
HEADER = (ROOT / "csrc" / "include" / "mmcore.h").read_text(encoding="utf-8")

SIZES = {name: int(size) for name, size in re.findall(r"^SIZE\((\w+), (\d+)\);", LAYOUT, re.M)}
FIELDS = {
    (name, field): int(at) for name, field, at in re.findall(r"^FIELD\((\w+), (\w+), (\d+)\);", LAYOUT, re.M)
}


INLINED = {"mm_pool", "mm_pool_slot"}
"""Private, but compiled into programs through functions of the header."""

INTERFACE = (4, "69350b2a562ce5e9")
"""MM_ABI, and the digest of all that it stands for: see the test."""


def structures() -> dict[str, Any]:
    """Name -> type of every structure of the header that both sides see and whose fields are public."""
    shared = "".join(re.findall(r"/\* cffi:begin \*/(.*?)/\* cffi:end \*/", HEADER, re.S))
    types = {name: ffi.typeof(name) for name in re.findall(r"^\} (mm_\w+);", shared, re.M)}
    return {name: kind for name, kind in types.items() if kind.kind == "struct"}


def test_every_public_structure_and_each_of_its_fields_is_in_the_list() -> None:
    public = structures()
    assert len(public) > 40
    assert set(SIZES) == set(public) | INLINED
    listed = {(name, field) for name, field in FIELDS if name not in INLINED}
    assert listed == {(name, field) for name, kind in public.items() for field, _ in kind.fields}


@pytest.mark.skipif(ffi.sizeof("void *") != 8, reason="the list is that of 64-bit machines")
def test_the_extension_was_built_with_the_listed_layout() -> None:
    for name in SIZES.keys() - INLINED:
        assert ffi.sizeof(name) == SIZES[name], name
    for name, field in FIELDS:
        assert name in INLINED or ffi.offsetof(name, field) == FIELDS[name, field], (name, field)


def test_no_layout_and_no_number_of_the_interface_changes_without_its_version() -> None:
    """Of a new layout or number raise MM_ABI (once between two releases is enough) and write both down in INTERFACE."""
    numbers = {name: getattr(lib, name) for name in dir(lib) if re.match(r"MM_(?!ABI|VERSION)[A-Z0-9_]+$", name)}
    assert len(numbers) > 200
    every = repr((sorted(SIZES.items()), sorted(FIELDS.items()), sorted(numbers.items())))
    assert (lib.MM_ABI, hashlib.sha256(every.encode()).hexdigest()[:16]) == INTERFACE


def test_a_record_is_one_cache_line_whose_bodies_all_begin_at_its_third_word() -> None:
    assert SIZES["mm_record"] == 64
    bodies = dict(dict(ffi.typeof("mm_record").fields)["body"].type.fields)
    assert len(bodies) == 13
    for name, body in bodies.items():
        assert (body.offset, ffi.sizeof(body.type) <= 48) == (0, True), name


def test_the_extension_and_the_header_speak_of_the_same_interface() -> None:
    stated = re.search(r"^#define MM_ABI (\d+)$", HEADER, re.M)
    assert stated is not None
    assert lib.mm_abi_version() == lib.MM_ABI == int(stated[1])


def test_the_arrays_of_python_lie_as_the_structures_do() -> None:
    for dtype, name in ((LEVEL, "mm_level"), (RECORD, "mm_record"), (DECODED, "mm_record"), (ROW, "mm_sync_row")):
        assert dtype.itemsize == SIZES[name]
        assert dtype.fields is not None
        heads = {field: at for (owner, field), at in FIELDS.items() if owner == name}
        shared = heads.keys() & dtype.fields.keys()
        assert shared, name
        assert {field: dtype.fields[field][1] for field in shared} == {field: heads[field] for field in shared}


def test_the_bodies_that_numpy_reads_lie_as_in_c() -> None:
    assert DECODED.fields is not None
    bodies = {name: ffi.typeof(f"mm_{name}_body") for name in DECODED.fields if f"mm_{name}_body" in SIZES}
    assert len(bodies) >= 5
    for name, body in bodies.items():
        inner, at = DECODED.fields[name][:2]
        assert at == FIELDS["mm_record", "body"]
        assert {field: inner.fields[field][1] for field in inner.names} == {
            field: body_field.offset for field, body_field in body.fields
        }, name
