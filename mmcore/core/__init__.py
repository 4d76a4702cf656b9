"""Thin typed handles over the C library; the only modules that call it."""

from __future__ import annotations


def build_info() -> str:
    """One line about the loaded C library: version, compiler, target."""
    from mmcore._native import ffi, lib

    return bytes(ffi.string(lib.mm_build_info())).decode("ascii")
