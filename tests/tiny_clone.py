"""A clone with one study that takes no time, for the tests of the runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from lib.report import __main__ as command_line

STUDY = "01_tiny"
NOTEBOOK = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Is one part more than none?
#
# A study that takes no time.

# %% tags=["parameters"]
n: int = 1  # number of parts
event: str = ""  # what goes wrong
models: list[str] = []  # trained nets
out: str = ""  # folder of the results

# %%
import json
import os
import time
from pathlib import Path

from lib.errors import StudyError

# %%
print("dividing by", n)
part = 1 / n
progress = Path(os.environ.get("SALIENCY_PROGRESS", os.devnull))
if event == "slow":
    _ = progress.write_text("counting: 1/2, 9 s left")
    time.sleep(9)
if event == "short":
    _ = progress.write_text("counting: 2/2, 0 s left")
    time.sleep(0.5)
if event == "death":
    os._exit(1)
if event == "refusal":
    raise StudyError("The net is missing; train it.")

# %%
# As lib.study.Study("01_tiny", globals()) does it.
out = out or "reports/scratch/01_tiny"
preset, variant = os.environ.get("SALIENCY_PRESET"), os.environ.get("SALIENCY_VARIANT")
results = {"study": "01_tiny", "preset": preset or "scratch", "variant": variant or "01_tiny"}
results |= {"title": "Is it?", "params": {"n": n}, "claims": [], "key": "k", "digest": "d"}
if event != "unsaved":
    Path(out).mkdir(parents=True, exist_ok=True)
    _ = Path(out, "results.json").write_text(json.dumps(results))
    _ = Path(out, "run.json").write_text(json.dumps({"seconds": 1.0}))
"""


class Project:
    """A clone with one tiny study."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.report = root / "reports" / "quick" / STUDY / "a"
        (root / "notebooks").mkdir(parents=True)
        (root / "notebooks" / f"{STUDY}.py").write_text(NOTEBOOK)

    def params(self, text: str, variant: str = "a") -> str:
        path = self.root / "params" / "quick" / STUDY / f"{variant}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def do(self, *arguments: str) -> int:
        return command_line.main(arguments, root=self.root)

    def temporary_folders(self) -> list[Path]:
        return [path for path in self.root.rglob("reports/**/.*")]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    monkeypatch.setenv("SALIENCY_CACHE", str(tmp_path / ".cache"))
    monkeypatch.setattr(command_line, "check_study", lambda run: None)
    return Project(tmp_path / "clone")
