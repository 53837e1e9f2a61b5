"""Published reports: whether the numbers they hold are undamaged, and those that the library would compute now."""

from __future__ import annotations

import json
import lzma
import os
from pathlib import Path
from typing import Any

from lib import artefacts, sources
from lib.errors import StudyError
from lib.origins import net_called
from lib.parameters import check_parameters, named_models, read_parameters, read_params_file

FILES = {"scores": "scores.csv.xz", "maps": "maps.npz", "manifest": "manifest.csv"}
"""What a report folder keeps of each kind of expensive thing."""


def complete(folder: Path, kind: str) -> bool:
    """Whether a report folder holds what its results speak of, undamaged."""
    try:
        results = json.loads((folder / "results.json").read_text())
        content = (folder / FILES[kind]).read_bytes()
        if kind == "scores" and artefacts.sha256(lzma.decompress(content)) != results["digest"]:
            return False
        return artefacts.sha256(content) == results["sums"][FILES[kind]]
    except (OSError, EOFError, ValueError, KeyError, TypeError, lzma.LZMAError):
        return False


def fits(folder: Path, root: Path) -> bool:
    """Whether a published report still holds what its params file and the library would give now.

    Then it can be rendered anew without training a net and without computing a score.

    Parameters
    ----------
    folder : ``reports/<preset>/<study>/<variant>``.
    root : the project's folder.
    """
    try:
        results = json.loads((folder / "results.json").read_text())
        study = results["study"]
        given = read_params_file(root / "params" / results["preset"] / study / f"{results['variant']}.yml")
        params = check_parameters(read_parameters(root / "notebooks" / f"{study}.py"), given)
        return all(params[name] == value for name, value in results["params"].items()) and all(
            complete(folder, kind) and _key_now(made) == made["key"] for kind, made in results["made_of"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StudyError):
        return False


def _key_now(made: dict[str, Any]) -> str:
    """The key that the same description has today."""
    nets = [[name, net_called(name).key] for name, _ in made["config"]["nets"]]
    return artefacts.key_of(made["config"] | {"nets": nets}, [sources.named(each) for each in made["code"]])


def needed(net: str, preset: str, root: Path) -> bool:
    """Whether a run of a preset names a net and has no published report that fits, or ``FRESH`` asks for it.

    A params file that cannot be read keeps no other run from being made; its own run says what is wrong with it.
    """
    for path in sorted((root / "params" / preset).glob("*/*.yml")):
        if path.parent.name == "models":
            continue
        folder = root / "reports" / preset / path.parent.name / path.stem
        if net in named_models(path) and (os.environ.get("FRESH") or not fits(folder, root)):
            return True
    return False
