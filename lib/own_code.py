"""Code of your own, named by its dotted path: ``package.module:name``, or ``package.module:name(argument=value)``."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from lib.errors import StudyError

_INSTALLED = ("site-packages", "dist-packages")
"""Folders of installed packages. What these import does not change from one run to the next."""

_told: set[str] = set()
"""What this process has said that it uses."""


@dataclass(frozen=True)
class OwnCode:
    """Something that was found by its dotted path.

    Attributes
    ----------
    path : as it was written.
    found : a function or class.
    arguments : names and plain values of the arguments in brackets.
    """

    path: str
    found: Any
    arguments: tuple[tuple[str, Any], ...] = ()


def own_code(path: str, what: str) -> OwnCode:
    """Import what a dotted path names, and say so on stderr, once.

    Parameters
    ----------
    path : ``package.module:name``, or with arguments, ``torchvision.models:resnet18(num_classes=10)``.
    what : how a sentence calls it, e.g. ``method``.

    Raises
    ------
    StudyError
        If it cannot be imported or called, or an argument is not a plain value with a name.
    """
    place, opened, _ = path.partition("(")
    module, _, name = place.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # importing runs foreign code, which can raise anything
        raise StudyError(
            f"The {what} {path!r} could not be imported ({first_line(error)}); write it as package.module:function, "
            "with the package installed (pip install -e FOLDER), or its folder in PYTHONPATH or the one you start from."
        ) from error
    if not callable(found):
        raise StudyError(f"{path!r} is not a function or class, so it cannot be a {what}; name one that can be called.")
    arguments = _arguments(path, what) if opened else ()
    if path not in _told:
        _told.add(path)
        print(f"Uses code of yours: {path}, {getattr(sys.modules[module], '__file__', module)}", file=sys.stderr)
    return OwnCode(path, found, arguments)


def modules_of(found: Any) -> list[ModuleType]:
    """The module of a function or class, and all that it imports from its own package or folder.

    They decide what it computes, so they are part of the key of a result. Of an installed package it is the one module.

    Raises
    ------
    StudyError
        If there is no file of its source, as for a function of a notebook.
    """
    first = inspect.getmodule(found)
    known: dict[str, ModuleType] = {}
    waiting = [first]
    while waiting:
        module = waiting.pop()
        if module is None or not getattr(module, "__file__", None):
            raise StudyError(
                f"The code of {found!r} lies in no file, so that results could not be told from those of an earlier "
                "version; move it into a module of its own."
            )
        if module.__name__ not in known:
            known[module.__name__] = module
            waiting += [importlib.import_module(name) for name in _beside(module)]
    # Python cannot show the source of an empty file.
    return [known[name] for name in sorted(known) if _source(known[name])]


def first_line(error: Exception) -> str:
    """What a foreign error says, as far as it fits into a sentence."""
    return next(iter(str(error).splitlines()), "no reason given").rstrip(".")


def _arguments(path: str, what: str) -> tuple[tuple[str, Any], ...]:
    """The arguments in the brackets of a dotted path."""
    _, _, written = path.partition("(")
    try:
        call = ast.parse(f"_({written}", mode="eval").body
        assert isinstance(call, ast.Call) and not call.args and all(each.arg for each in call.keywords)
        return tuple((str(each.arg), ast.literal_eval(each.value)) for each in call.keywords)
    except (SyntaxError, ValueError, AssertionError) as error:
        raise StudyError(
            f"The arguments of the {what} {path!r} cannot be read; write name=value, values as in Python: 3, 0.5, "
            "True, 'text' or [1, 2]."
        ) from error


def _beside(module: ModuleType) -> Iterator[str]:
    """The modules of its own package, or of its own folder, that a module imports."""
    if module.__file__ is None or any(folder in module.__file__ for folder in _INSTALLED):
        return
    folder = module.__file__.rpartition("/")[0]
    package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
    for name in _imports(ast.parse(_source(module)), package):
        same_package = bool(package) and name.split(".")[0] == package.split(".")[0]
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            # The name of a function, after ``from module import``.
            continue
        if spec is not None and spec.origin and (same_package or spec.origin.rpartition("/")[0] == folder):
            yield name


def _source(module: ModuleType) -> str:
    return Path(str(module.__file__)).read_text(encoding="utf-8").strip()


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Names that a module imports, among them those of functions, as if they were modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            written = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(written, package) if node.level else written
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
