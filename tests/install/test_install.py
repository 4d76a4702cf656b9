"""The C library as its users get it: built, tested, installed, found, linked, exporting what the header declares."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HEADER = ROOT / "csrc" / "include" / "mmcore.h"
EXAMPLES = ROOT / "examples" / "c"

pytestmark = pytest.mark.timeout(600)

LANGUAGES = {"c99": ("gcc", "c"), "c11": ("gcc", "c"), "c++17": ("g++", "c++")}

CMAKE_PROJECT = """\
cmake_minimum_required(VERSION 3.21)
project(example C)
find_package(mmcore {version} CONFIG REQUIRED)
add_executable(example "{source}")
target_link_libraries(example PRIVATE {target})
"""

EMBEDDING_PROJECT = """\
cmake_minimum_required(VERSION 3.21)
project(host C)
add_subdirectory("{root}" mmcore)
add_executable(host host.c)
target_link_libraries(host PRIVATE mmcore::static)
"""

HOST_PROGRAM = """\
#include <mmcore.h>
#include <stdio.h>
int main(void)
{
    return puts(mm_version()) < 0;
}
"""


def tool(name: str) -> str:
    """A program of the path or, as cmake and ninja may come from PyPI, of this Python's environment."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str | Path, **variables: str) -> str:
    """Run to the end and give back stdout; a failure shows all the program said."""
    result = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=500, env={**os.environ, **variables}
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def cmake(source: Path, build: Path, *options: str) -> None:
    run(tool("cmake"), "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}", *options)
    run(tool("cmake"), "--build", build)


def declared_functions() -> set[str]:
    """What the header marks MM_API."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.DOTALL)
    return set(re.findall(r"^MM_API\b[^;(]*?\b(\w+)\(", text, re.MULTILINE))


def exported_symbols(library: Path) -> set[str]:
    listing = run(tool("nm"), "--dynamic", "--defined-only", "--format=posix", library)
    return {line.split()[0] for line in listing.splitlines()}


def library_version() -> str:
    numbers = re.findall(r"^#define MM_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", HEADER.read_text(encoding="utf-8"), re.M)
    return ".".join(numbers)


def interface_version() -> str:
    return re.findall(r"^#define MM_ABI (\d+)", HEADER.read_text(encoding="utf-8"), re.M)[0]


@dataclass(frozen=True, slots=True)
class Installed:
    build: Path
    prefix: Path

    @property
    def lib(self) -> Path:
        return next(self.prefix.glob("lib*/**/libmmcore.so")).parent


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The library built with its tests, and installed into a folder of its own."""
    folder = tmp_path_factory.mktemp("install")
    here = Installed(folder / "build", folder / "prefix")
    cmake(ROOT, here.build, f"-DCMAKE_INSTALL_PREFIX={here.prefix}", "-DMMCORE_WERROR=ON")
    run(tool("cmake"), "--install", here.build)
    return here


def test_every_c_test_passes(installed: Installed) -> None:
    run(tool("ctest"), "--test-dir", installed.build, "--output-on-failure", "--no-tests=error")


@pytest.mark.parametrize("standard", LANGUAGES)
def test_the_header_compiles_by_itself_without_a_warning(standard: str, tmp_path: Path) -> None:
    compiler, language = LANGUAGES[standard]
    source = tmp_path / "only_the_header.c"
    source.write_text("#include <mmcore.h>\nint only_the_header(void);\nint only_the_header(void) { return MM_OK; }\n")
    flags = ["-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{HEADER.parent}"]
    run(tool(compiler), "-x", language, f"-std={standard}", *flags, source)


def test_the_shared_library_exports_the_declared_functions_and_nothing_else(installed: Installed) -> None:
    declared = declared_functions()
    assert declared
    assert exported_symbols(installed.lib / "libmmcore.so") == declared


def test_the_python_extension_exports_nothing_but_its_entry() -> None:
    from mmcore import _core

    assert exported_symbols(Path(_core.__file__)) == {"PyInit__core"}


def test_the_library_names_its_interface_version(installed: Installed) -> None:
    dynamic = run(tool("readelf"), "--dynamic", "--wide", installed.lib / "libmmcore.so")
    assert f"[libmmcore.so.{interface_version()}]" in dynamic


def check_hardened(binary: Path) -> None:
    """Symbols bound before the first instruction and read-only from then on, no stack that can be executed, no segment
    that can be both written and executed, canaries on the stack, checked copies."""
    dynamic = run(tool("readelf"), "--dynamic", "--wide", binary)
    segments = run(tool("readelf"), "--program-headers", "--wide", binary)
    undefined = run(tool("nm"), "--dynamic", "--undefined-only", binary)
    found = re.findall(r"^ +([A-Z_]+)(?: +0x[0-9a-f]+){5} ([R ][W ][E ]) ", segments, re.M)
    flags = {kind: access.replace(" ", "") for kind, access in found}
    assert "BIND_NOW" in dynamic
    assert "TEXTREL" not in dynamic
    assert flags["GNU_RELRO"] == "R"
    assert flags["GNU_STACK"] == "RW"
    assert not re.search(r"^ +LOAD .* RWE ", segments, re.M)
    assert "__stack_chk_fail" in undefined
    assert re.search(r" __\w+_chk\b", undefined), "FORTIFY_SOURCE left no trace"


def test_the_shared_library_is_hardened(installed: Installed) -> None:
    check_hardened(installed.lib / "libmmcore.so")


def test_programs_are_hardened_and_run_at_any_address(installed: Installed) -> None:
    program = installed.build / "test_mm_engine"
    check_hardened(program)
    header = run(tool("readelf"), "--file-header", "--wide", program)
    assert re.search(r"Type: +DYN \(Position-Independent Executable", header)


def test_the_python_extension_is_hardened() -> None:
    """The one that is imported, which pip has built."""
    from mmcore import _core

    check_hardened(Path(_core.__file__))


def test_the_library_holds_no_path_of_the_machine_that_built_it(installed: Installed) -> None:
    for name in ("libmmcore.so", "libmmcore.a"):
        assert str(ROOT).encode() not in (installed.lib / name).read_bytes()


def test_only_the_header_the_libraries_and_their_descriptions_are_installed(installed: Installed) -> None:
    names = {path.name for path in installed.prefix.rglob("*") if not path.is_dir()}
    version = library_version()
    assert names == {
        "mmcore.h",
        "libmmcore.a",
        "libmmcore.so",
        f"libmmcore.so.{interface_version()}",
        f"libmmcore.so.{version}",
        "mmcore.pc",
        "mmcoreConfig.cmake",
        "mmcoreConfigVersion.cmake",
        "mmcoreTargets.cmake",
        "mmcoreTargets-release.cmake",
    }


@pytest.mark.parametrize("target", ["mmcore::mmcore", "mmcore::static"])
@pytest.mark.parametrize("example", ["embed_book", "embed_engine"])
def test_an_example_builds_and_runs_through_find_package(
    example: str, target: str, installed: Installed, tmp_path: Path
) -> None:
    source = EXAMPLES / f"{example}.c"
    version = library_version().rpartition(".")[0]
    (tmp_path / "CMakeLists.txt").write_text(CMAKE_PROJECT.format(version=version, source=source, target=target))
    cmake(tmp_path, tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed.prefix}")
    assert run(tmp_path / "build" / "example").strip()


@pytest.mark.parametrize("example", ["embed_book", "embed_engine"])
def test_an_example_builds_and_runs_through_pkg_config(example: str, installed: Installed, tmp_path: Path) -> None:
    search = str(installed.lib / "pkgconfig")
    assert run(tool("pkg-config"), "--modversion", "mmcore", PKG_CONFIG_PATH=search).strip() == library_version()
    flags = run(tool("pkg-config"), "--cflags", "--libs", "mmcore", PKG_CONFIG_PATH=search).split()
    program = tmp_path / example
    run(tool("gcc"), "-std=c99", "-Wall", "-Wextra", "-Werror", EXAMPLES / f"{example}.c", "-o", program, *flags, "-lm")
    assert run(program, LD_LIBRARY_PATH=str(installed.lib)).strip()


def test_find_package_refuses_a_version_that_may_break_its_user(installed: Installed, tmp_path: Path) -> None:
    major, minor, _ = map(int, library_version().split("."))
    project = CMAKE_PROJECT.format(version=f"{major}.{minor + 1}", source="absent.c", target="mmcore::mmcore")
    (tmp_path / "CMakeLists.txt").write_text(project)
    result = subprocess.run(
        [tool("cmake"), "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed.prefix}"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode != 0
    assert f"mmcoreConfig.cmake, version: {library_version()}" in result.stderr


def test_a_project_that_embeds_the_sources_gets_the_library_alone(tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(EMBEDDING_PROJECT.format(root=ROOT))
    (tmp_path / "host.c").write_text(HOST_PROGRAM)
    build = tmp_path / "build"
    cmake(tmp_path, build)
    assert run(build / "host").strip() == library_version()
    assert list(build.rglob("test_mm_*")) == []
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    assert re.findall(r"^_?(?:Python|cffi).*", cache, re.MULTILINE | re.IGNORECASE) == []
