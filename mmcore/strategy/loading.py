"""From `strategy.name` to a strategy: FILE.py:Class or MODULE:Class."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from mmcore.errors import StrategyError, did_you_mean
from mmcore.strategy.base import MarketMaker, StrategyParameters


def load_strategy(settings: StrategyParameters) -> MarketMaker:
    """The strategy that `settings.name` names, made with `settings`.

    Runs the code of that file or module. Raises StrategyError that names the place, the class and what is wrong.
    """
    place, _, class_name = settings.name.rpartition(":")
    if not place or not class_name:
        raise StrategyError(f"strategy {settings.name!r} is neither built in nor FILE.py:Class or MODULE:Class")
    module = _from_file(place, class_name) if place.endswith(".py") else _from_module(place, class_name)
    found = _class_of(module, place, class_name)
    try:
        return found(settings=settings)
    except Exception as error:
        _fail(place, class_name, f"could not be made with settings=...: {_told(error)}", error)


def _from_file(place: str, class_name: str) -> ModuleType:
    path = Path(place)
    if not path.is_file():
        _fail(place, class_name, "there is no such file")
    # A name of its own, so that a file called like a module of the library or of Python hides neither.
    name = f"mmcore_strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        _fail(place, class_name, "is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        _fail(place, class_name, f"could not be read: {_told(error)}", error)
    return module


def _from_module(place: str, class_name: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except Exception as error:
        _fail(place, class_name, f"could not be imported: {_told(error)}", error)


def _class_of(module: ModuleType, place: str, class_name: str) -> type[MarketMaker]:
    found = getattr(module, class_name, None)
    if found is None:
        own = [name for name, value in vars(module).items() if _is_strategy(value)]
        near = did_you_mean(class_name, own) or (f": its strategies are {', '.join(own)}" if own else "")
        _fail(place, class_name, f"it has no such class{near}")
    if not _is_strategy(found):
        _fail(place, class_name, "is not a class derived from mmcore.MarketMaker")
    if inspect.isabstract(found):
        _fail(place, class_name, f"does not define {', '.join(sorted(found.__abstractmethods__))}")
    return found  # type: ignore[no-any-return]


def _is_strategy(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, MarketMaker) and value is not MarketMaker


def _told(error: Exception) -> str:
    """What happened, and where if it happened in a file."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    line = ""
    trace = error.__traceback__
    while trace is not None:
        line = f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{line}"


def _fail(place: str, class_name: str, fault: str, cause: Exception | None = None) -> NoReturn:
    raise StrategyError(f"strategy {place}:{class_name}: {fault}") from cause
