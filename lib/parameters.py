"""The parameters of a notebook: its ``parameters`` cell is the schema, a flat YAML file overrides it."""

from __future__ import annotations

import ast
import copy
import difflib
import io
import json
import math
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lib.errors import StudyError

SCALARS: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}
KINDS = (*SCALARS, "list[str]", "list[int]", "list[float]")
"""The annotations a parameter may have."""
NET_LISTS = ("models", "permuted", "again", "pair_models")
"""Parameters that name trained nets: those studied; in the same order, the nets that each is compared with; and nets
of pairs of pictures, with methods of their own."""


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell, e.g. ``n_images: int = 100  # test images per class``.

    Attributes
    ----------
    name, annotation : as written.
    default : the value on the right.
    comment : what stands after it on the line, or on comment lines directly above it.
    """

    name: str
    annotation: str
    default: Any
    comment: str


def read_parameters(notebook_py: Path) -> dict[str, Parameter]:
    """Read the schema out of the parameters cell of a py:percent notebook, without running it.

    Raises
    ------
    StudyError
        If the file has not exactly one such cell, or the cell holds anything but annotated literals.
    """
    try:
        text = notebook_py.read_text(encoding="utf-8")
    except OSError as error:
        raise StudyError(f"The notebook {notebook_py} cannot be read ({error.strerror}).") from error
    cells = [body for header, body in percent_cells(text) if "parameters" in tags_of(header)]
    if len(cells) != 1:
        raise StudyError(f'{notebook_py} has {len(cells)} cells with tags=["parameters"]; it must have exactly one.')
    try:
        return _read_cell(cells[0])
    except (SyntaxError, StudyError) as error:
        raise StudyError(f"{notebook_py}, parameters cell: {error}") from error


def assigned_names(notebook_py: Path) -> set[str]:
    """All names that the code of a py:percent notebook assigns, its loop variables and parameters included."""
    cells = percent_cells(notebook_py.read_text(encoding="utf-8"))
    code = [body for header, body in cells if "[markdown]" not in header]
    nodes = (node for body in code for node in ast.walk(ast.parse(body)))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def check_parameters(schema: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Merge values into the defaults of a schema, refusing unknown names and wrong types.

    Returns
    -------
    All parameters in the order of the schema. An int given for a float becomes a float, so that ``1`` and
    ``1.0`` are the same run.

    Raises
    ------
    StudyError
        One sentence about the first problem.
    """
    for name in values:
        if name not in schema:
            raise StudyError(_unknown(name, schema))
    merged = {name: values.get(name, parameter.default) for name, parameter in schema.items()}
    return {name: _checked(name, schema[name].annotation, copy.deepcopy(value)) for name, value in merged.items()}


def read_params_file(path: Path) -> dict[str, Any]:
    """Read a params or recipe file: one flat YAML mapping of names to scalars or lists of scalars.

    Raises
    ------
    StudyError
        If the file is absent, is not YAML, or is not flat.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise StudyError(f"The file {path} cannot be read ({reason}).") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable"
        raise StudyError(f"{path} is not valid YAML{where}: {problem}.") from error
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{path} is not valid YAML: {error}; put dates and long numbers in quotes.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise StudyError(f"{path} must be one flat mapping, with lines such as 'n_images: 100'.")
    written = [name.value for name, _ in yaml.compose(text, Loader=yaml.SafeLoader).value]
    for name, value in content.items():
        if not isinstance(name, str):
            raise StudyError(f"{path}: the name {name!r} is not text; put it in quotes or choose another.")
        if not name.isprintable():
            raise StudyError(f"{path}: the name {name!r} has characters that cannot be printed; choose another.")
        if written.count(name) > 1:
            # YAML itself would quietly take the last.
            raise StudyError(f"{path}: {name} stands there twice; keep one of the lines.")
        items = value if isinstance(value, list) else [value]
        if any(isinstance(item, dict | list) for item in items):
            raise StudyError(f"{path}: {name} is nested; parameters are flat, so give each value its own name.")
    return content


def named_models(params_file: Path) -> list[str]:
    """The nets that a params file names; none if the file is faulty, which its run will say."""
    try:
        values = read_params_file(params_file)
    except StudyError:
        return []
    lists = (values.get(name, []) for name in NET_LISTS)
    return list(dict.fromkeys(name for names in lists if isinstance(names, list) for name in names))


def parse_setting(schema: Mapping[str, Parameter], setting: str) -> tuple[str, Any]:
    """Read ``name=value`` from the command line, the value being read as the schema's type asks."""
    name, equals, text = setting.partition("=")
    if not equals:
        raise StudyError(f"The setting {setting!r} has no value; write name=value.")
    if name not in schema:
        raise StudyError(_unknown(name, schema))
    annotation = schema[name].annotation
    if annotation == "str":
        return name, text
    if annotation == "float":
        # A shell is not YAML: 1e-3 is a number there.
        try:
            return name, float(text)
        except ValueError:
            return name, text
    try:
        return name, yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise StudyError(f"The value of the setting {setting!r} cannot be read; quote it as in YAML.") from error


def percent_cells(text: str) -> Iterator[tuple[str, str]]:
    """Split the text of a py:percent notebook into (header line, body) of its cells."""
    header = ""
    body: list[str] = []
    for line in text.splitlines():
        if re.match(r"# %%(\s|$)", line):
            yield header, "\n".join(body)
            header, body = line, []
        else:
            body.append(line)
    yield header, "\n".join(body)


def tags_of(header: str) -> list[str]:
    """The tags in a cell's header line."""
    found = re.search(r"tags=(\[[^\]]*\])", header)
    return json.loads(found.group(1)) if found else []


def title_of(notebook_py: Path) -> str:
    """The first heading of a py:percent notebook, else its file name."""
    found = re.search(r"^# # (.+)$", notebook_py.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].strip() if found else notebook_py.stem


def _read_cell(source: str) -> dict[str, Parameter]:
    body = ast.parse(source).body
    comments = _comments(source)
    schema: dict[str, Parameter] = {}
    for node in body:
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None):
            raise StudyError(f"line {node.lineno} is not of the form 'name: type = value  # comment'.")
        name, annotation = node.target.id, ast.unparse(node.annotation)
        if annotation not in KINDS:
            raise StudyError(f"{name} has the type {annotation}; use one of {', '.join(KINDS)}.")
        if name in schema:
            raise StudyError(f"{name} stands there twice.")
        try:
            default = ast.literal_eval(node.value)
        except ValueError:
            raise StudyError(f"the default of {name} is not a plain value such as 3, 'text' or [1, 2].") from None
        default = _checked(name, annotation, default)
        comment = comments.get(node.end_lineno or 0, (0, ""))[1] or _comment_above(comments, node.lineno)
        schema[name] = Parameter(name, annotation, default, comment)
    return schema


def _comments(source: str) -> dict[int, tuple[int, str]]:
    """Return the comments by line: the column where each starts, and its text."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: (token.start[1], token.string.lstrip("# ").rstrip())
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _comment_above(comments: dict[int, tuple[int, str]], line: int) -> str:
    lines: list[str] = []
    while (line := line - 1) in comments and comments[line][0] == 0:
        lines.insert(0, comments[line][1])
    return " ".join(lines)


def _unknown(name: str, schema: Mapping[str, Parameter]) -> str:
    close = difflib.get_close_matches(name, schema, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"There is no parameter {name!r}.{hint} Known: {', '.join(schema)}."


def _checked(name: str, annotation: str, value: Any) -> Any:
    if not annotation.startswith("list["):
        return _checked_scalar(name, annotation, value)
    if not isinstance(value, list):
        raise StudyError(f"{name} is {value!r}, not a list; write {name}: [{value}].")
    return [_checked_scalar(f"{name}[{i}]", annotation[5:-1], item) for i, item in enumerate(value)]


def _checked_scalar(name: str, kind: str, value: Any) -> Any:
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value) is not SCALARS[kind]:
        raise StudyError(f"{name} is {value!r}, which is {_kind_of(value)}, not {kind}{_advice(kind, value)}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise StudyError(f"{name} is {value}; it must be a finite number.")
    return value


def _kind_of(value: Any) -> str:
    if value is None:
        return "empty"
    return "text" if isinstance(value, str) else type(value).__name__


def _advice(kind: str, value: Any) -> str:
    if isinstance(value, list):
        return "; write one value, without brackets"
    if kind == "bool":
        return "; write true or false"
    if kind == "str":
        return "; put it in quotes"
    try:
        number = float(value)
    except (TypeError, ValueError):
        return ""
    if isinstance(value, bool) or not math.isfinite(number):
        return ""
    if kind == "int":
        return f"; write {int(number)}" if number.is_integer() else ""
    # YAML reads 1e-10 as text, but 1.0e-10 as a number.
    text = repr(number)
    return f"; write {text if '.' in text else text.replace('e', '.0e')}"
