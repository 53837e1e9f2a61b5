"""What one run is: its files, its checked parameters, and the folders it may write."""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lib.errors import StudyError, writing
from lib.parameters import check_parameters, parse_setting, read_parameters, read_params_file

SCRATCH = "scratch"
"""The preset of a run whose params file was overridden by hand: it never touches a published report."""


@dataclass(frozen=True)
class Run:
    """One study with one set of parameters.

    Attributes
    ----------
    root : the clone.
    preset, study, variant : as in ``params/<preset>/<study>/<variant>.yml``.
    given : the values that override the notebook's defaults.
    params : all parameters.
    """

    root: Path
    preset: str
    study: str
    variant: str
    given: dict[str, Any]
    params: dict[str, Any]

    @property
    def name(self) -> str:
        """``study/variant``."""
        return f"{self.study}/{self.variant}"

    @property
    def notebook(self) -> Path:
        """The notebook's source."""
        return self.root / "notebooks" / f"{self.study}.py"

    @property
    def report(self) -> Path:
        """The published report folder."""
        return self.root / "reports" / self.preset / self.name

    @property
    def temporary(self) -> Path:
        """Where this process builds the report: a sibling, so that publishing is a rename."""
        return self.report.with_name(f".{self.variant}.tmp-{socket.gethostname()}-{os.getpid()}")

    def cached(self, kind: str, suffix: str) -> Path:
        """A file of this run in the cache, e.g. its log."""
        return cache_dir(self.root) / kind / self.preset / self.study / f"{self.variant}{suffix}"


def cache_dir(root: Path) -> Path:
    """The folder of everything that can be made again."""
    return Path(os.environ.get("SALIENCY_CACHE") or root / ".cache").absolute()


def plan_run(params_file: Path, settings: Sequence[str], root: Path) -> Run:
    """Check a params file and settings of the form ``name=value`` against the notebook they belong to.

    Settings send the report to the preset ``scratch``.

    Raises
    ------
    StudyError
        One sentence about the first problem.
    """
    path = params_file.absolute()
    study, preset = path.parent.name, path.parent.parent.name
    values = read_params_file(path)
    notebook = root / "notebooks" / f"{study}.py"
    if not notebook.exists():
        known = ", ".join(sorted(found.stem for found in notebook.parent.glob("[0-9]*.py")))
        raise StudyError(
            f"{params_file} does not lie in a folder named after a notebook; "
            f"put it in params/<preset>/<study>/, the study being one of: {known}."
        )
    schema = read_parameters(notebook)
    given = values | dict(parse_setting(schema, setting) for setting in settings)
    try:
        params = check_parameters(schema, given)
    except StudyError as error:
        raise StudyError(f"{params_file}: {error}") from error
    given = {name: params[name] for name in given}
    return Run(root, SCRATCH if settings else preset, study, path.stem, given, params)


def runs_of(preset: str, root: Path) -> list[str]:
    """All runs of a preset, as ``study/variant`` in reading order."""
    files = (root / "params" / preset).glob("*/*.yml")
    return sorted(f"{path.parent.name}/{path.stem}" for path in files if path.parent.name != "models")


def runs_of_known(preset: str, root: Path) -> list[str]:
    """All runs of a preset, as `runs_of`; raises `StudyError` if there are none, as after a slip of the pen."""
    runs = runs_of(preset, root)
    if not runs:
        presets = ", ".join(sorted(path.name for path in (root / "params").glob("*/")))
        raise StudyError(f"There is no preset {preset!r} with runs; choose one of {presets}.")
    return runs


def check_writable(*folders: Path) -> None:
    """Refuse folders that cannot be written to, before hours are spent on what should go there.

    Raises
    ------
    StudyError
        If a folder cannot be made, or no file in it.
    """
    for folder in folders:
        with writing(folder, "choose another folder (SALIENCY_CACHE names the cache, the parameter out the results)"):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()


def tidy(folder: Path) -> None:
    """Clear what killed runs left in a study's report folder, and put back a report they had set aside."""
    for left in sorted(folder.glob(".*")):
        found = re.fullmatch(r"\.(.+)\.(tmp|old)-(?:(.+)-)?(\d+)", left.name)
        if not found or not _is_dead(left, host=found[3], pid=int(found[4])):
            continue
        if found[2] == "old" and not (folder / found[1]).exists():
            left.rename(folder / found[1])
        else:
            shutil.rmtree(left, ignore_errors=True)


def _is_dead(folder: Path, host: str | None, pid: int) -> bool:
    """Tell whether the process that made a temporary folder is gone."""
    if host not in (None, socket.gethostname()):
        # Nobody here can ask another machine; no run takes a day.
        return time.time() - folder.stat().st_mtime > 86400
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
