"""Which modules of the library a computation rests on: their code is part of its key."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from lib.errors import StudyError

# They decide no number: names and messages, the terminal, the cache, the list of methods. Of the data sets, what loads
# those that a computation is given stands in its key by itself (`lib.calls.Call.code`): one more makes nothing stale.
_WITHOUT_NUMBERS = {"lib", "lib.attributions", "lib.artefacts", "lib.data", "lib.errors", "lib.progress"}


def closure(parts: Iterable[Any]) -> list[ModuleType]:
    """The modules in which functions or classes stand, and all modules of the library that these import."""
    waiting = [inspect.getmodule(part) for part in parts]
    found: dict[str, ModuleType] = {}
    while waiting:
        module = waiting.pop()
        if module is None or module.__name__ in found or module.__name__ in _WITHOUT_NUMBERS:
            continue
        found[module.__name__] = module
        waiting += [importlib.import_module(name) for name in _imported(module)]
    return [found[name] for name in sorted(found)]


def _imported(module: ModuleType) -> set[str]:
    """Modules of the library that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.split(".")[0] == "lib"}
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "lib":
            names.add(node.module)
            inside = (f"{node.module}.{alias.name}" for alias in node.names)
            names |= (
                {name for name in inside if importlib.util.find_spec(name) is not None}
                if node.module == "lib"
                else set()
            )
    return names


def name_of(part: Any) -> str:
    """How a module, class or function is written in results, e.g. ``lib.study:Study.scores``."""
    return part.__name__ if isinstance(part, ModuleType) else f"{part.__module__}:{part.__qualname__}"


def named(name: str) -> Any:
    """The module, class or function behind `name_of`.

    Raises
    ------
    StudyError
        If there is none of that name any more.
    """
    module, _, path = name.partition(":")
    try:
        found = importlib.import_module(module)
        for each in filter(None, path.split(".")):
            found = getattr(found, each)
    except (ImportError, AttributeError) as error:
        raise StudyError(f"The library has no {name} any more.") from error
    return found
