"""A notebook's code cells as one script, with values set as a reader or papermill sets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lib.compute import ROOT
from lib.parameters import percent_cells, read_params_file, tags_of


def smoke_params(study: str) -> list[Path]:
    """The params files of a study's smoke runs."""
    return sorted((ROOT / "params" / "smoke" / study).glob("*.yml"))


def script(study: str, values: dict[str, Any]) -> str:
    """The code of a notebook, the values standing below its parameters cell."""
    pieces = []
    for header, body in percent_cells((ROOT / "notebooks" / f"{study}.py").read_text(encoding="utf-8")):
        if header.startswith("# %%") and "[markdown]" not in header:
            pieces.append(body)
        if "parameters" in tags_of(header):
            pieces += [f"{name} = {value!r}" for name, value in values.items()]
    return "\n".join(pieces)


def run_script(study: str, params: Path, out: Path, namespace: dict[str, Any] | None = None, **more: Any) -> dict:
    """Run a notebook's cells in this process; returns the names they leave behind."""
    names = {"__name__": "__main__"} if namespace is None else dict(namespace)
    values = read_params_file(params) | {"out": str(out)} | more
    exec(compile(script(study, values), f"{study}.py", "exec"), names)
    return names
