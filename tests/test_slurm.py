"""Reports made on a cluster are those made at home: a Slurm of one node, with a pretend GPU, runs the same jobs.

Asked for by SALIENCY_TEST_SLURM=1 (two small reports, minutes) or by the name of a preset (all its reports, twice);
as root, with the Debian packages slurm-wlm and munge, and the plugin that profiles/slurm names.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import one_node_slurm
import pytest

ROOT = Path(__file__).parents[1]
PROFILE = (ROOT / "profiles" / "slurm" / "config.yaml").read_text()
ASKED = os.environ.get("SALIENCY_TEST_SLURM", "")
PRESET = "smoke" if ASKED == "1" else ASKED
ON_GPU = "04_random_gradient_input"
FEW = ["01_model_randomization/mlp-smoke", f"{ON_GPU}/smoke"]

# Without accounting only squeue remembers jobs, and a queue of one node may be asked often.
SMALL = ["--slurm-status-command", "squeue", "--seconds-between-status-checks", "2"]
SMALL += ["--slurm-init-seconds-before-status-checks", "2"]


def reason_to_skip() -> str:
    """One sentence, or nothing."""
    if not ASKED:
        return "a Slurm is started only where SALIENCY_TEST_SLURM=1 asks for it"
    if not importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        return f"not installed: {re.findall('snakemake-executor-plugin-slurm==[0-9.]+', PROFILE)[0]}"
    return one_node_slurm.missing()


class Clone:
    """The project with the chosen runs and an empty cache, which only the environment knows."""

    def __init__(self, folder: Path) -> None:
        self.root, self.cache = folder / "clone", folder / "cache"
        for name in ("lib", "notebooks", "profiles", f"params/{PRESET}"):
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "Snakefile", self.root)
        for path in (self.root / "params" / PRESET).glob("[0-9]*/*.yml"):
            if ASKED == "1" and f"{path.parent.name}/{path.stem}" not in FEW:
                path.unlink()

    def run(self, command: list[str]) -> None:
        environment = os.environ | {"PYTHONPATH": str(self.root), "SALIENCY_CACHE": str(self.cache)}
        environment.pop("FRESH", None)
        subprocess.run(command, cwd=self.root, env=environment, check=True)

    def made(self) -> dict[str, bytes]:
        """All files of the reports, by name, but those that tell when they were made."""
        reports = self.root / "reports" / PRESET
        paths = [path for path in reports.glob("*/*/*") if path.name not in ("index.html", "run.json")]
        return {path.relative_to(reports).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip())
def test_reports_of_a_cluster_are_those_made_at_home(tmp_path):
    home, cluster = Clone(tmp_path / "home"), Clone(tmp_path / "cluster")
    settings = sorted(Path("/etc/slurm").rglob("*"))
    home.run([sys.executable, "-m", "lib.report", "all", PRESET])
    snakemake = [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", "--config", f"preset={PRESET}"]
    gpu = ["--set-resources", f"run:gpu=1 if wildcards.study == '{ON_GPU}' else 0"]
    cluster.run(one_node_slurm.within(tmp_path / "slurm", [*snakemake, *SMALL, *gpu]))

    # The same bytes, of all runs.
    runs = sorted(path.with_suffix("") for path in (home.root / "params" / PRESET).glob("[0-9]*/*.yml"))
    names = [f"{run.parent.name}/{run.name}" for run in runs]
    here, there = home.made(), cluster.made()
    assert set(here) >= {f"{run}/{file}" for run in names for file in ("results.json", "scores.csv.xz", "maps.npz")}
    assert set(there) == set(here)
    assert [name for name in here if there[name] != here[name]] == []
    assert (cluster.root / "reports" / PRESET / "index.html").exists()

    # Slurm itself says that it ran them, and on what.
    lines = (tmp_path / "slurm" / one_node_slurm.JOBS).read_text().splitlines()
    jobs = [dict(word.partition("=")[::2] for word in line.split()) for line in lines]
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    comments = {job["Comment"] for job in jobs}
    assert {f"rule_run_wildcards_{name.replace('/', '_')}" for name in names} <= comments
    assert any(comment.startswith("rule_model") for comment in comments)
    assert {job["Comment"] for job in jobs if job.get("TresPerJob") == "gres:gpu:1"} == {
        f"rule_run_wildcards_{name.replace('/', '_')}" for name in names if name.startswith(ON_GPU)
    }

    # Jobs found the cache by the variable, and this machine is as it was.
    assert any((cluster.cache / "models").iterdir()) and not (cluster.root / ".cache").exists()
    assert sorted(Path("/etc/slurm").rglob("*")) == settings
