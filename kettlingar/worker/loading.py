"""Finds a service's class by its name, and says where the blame lies when that fails."""

from __future__ import annotations

import importlib
import os
import sys
import traceback

from kettlingar.kitten import RPCKitten

_OURS = os.path.dirname(__file__)


def load(spec: str) -> type[RPCKitten]:
    """Import `module:Class`; ImportError says what is not there."""
    module_name, _, class_name = spec.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name.partition(".")[0]:
            raise  # the module is there; what it imports is not
        raise ModuleNotFoundError(f"{error}; {_where_to_look()}", name=error.name) from None
    found = getattr(module, class_name, None)
    if found is None:
        known = [n for n, v in vars(module).items() if isinstance(v, type) and _is_kitten(v)]
        hint = f"; it has {', '.join(known)}" if known else ""
        raise ImportError(f"module {module_name} has no class {class_name!r}{hint}")
    if not _is_kitten(found):
        raise TypeError(f"{spec} is no RPCKitten: it cannot be served")
    assert isinstance(found, type)
    return found


def _where_to_look() -> str:
    gone = [one for one in sys.path if one and not one.endswith(".zip") and not os.path.isdir(one)]
    if gone:
        return f"there is no folder {', '.join(gone)}"
    return "is its folder in service.python_path, or in PYTHONPATH?"


def _is_kitten(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, RPCKitten) and thing is not RPCKitten


def version_of(kitten_class: type[RPCKitten]) -> str:
    """Return `__version__` of the class or its module, or nothing."""
    module = sys.modules.get(kitten_class.__module__)
    return str(getattr(kitten_class, "__version__", "") or getattr(module, "__version__", ""))


def without_us(error: BaseException) -> None:
    """Have its traceback begin where the service's own code does."""
    trace = error.__traceback__
    while trace is not None and not _is_theirs(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    error.__traceback__ = trace


def _is_theirs(filename: str) -> bool:
    return "importlib" not in filename and not filename.startswith((_OURS, "<frozen"))


def where_in(error: BaseException) -> str:
    """Return `file.py:3` of the innermost frame that is the service's own."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _is_theirs(frame.filename)]
    return f"{theirs[-1].filename}:{theirs[-1].lineno}" if theirs else ""
