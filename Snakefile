"""Models -> runs -> index, for one preset; the same file on a laptop and on a cluster.

`make reports` calls this. By hand: snakemake --cores 4 --config preset=paper
On a cluster: snakemake --profile profiles/slurm --config preset=paper

Snakemake removes the outputs of a job before it starts and after it fails. A good report must survive both,
so no report is an output here: the outputs are stamps, and only `python -m lib.report` writes reports.
"""

import os
import sys
from pathlib import Path
from shlex import quote

from lib.parameters import named_models

PRESET = config.get("preset", "quick")
REPORT = f"{quote(sys.executable)} -m lib.report"
STAMPS = os.path.join(os.environ.get("SALIENCY_CACHE") or ".cache", "runs")

RUNS = sorted(path.relative_to(f"params/{PRESET}").with_suffix("").as_posix()
              for path in Path("params", PRESET).glob("*/*.yml") if path.parent.name != "models")
RECIPES = {path.stem: path.as_posix() for path in Path("params").glob("*/models/*.yml")}

# What the numbers depend on, and what the pages depend on besides. The caches of trained nets and of scores
# have keys of their own, so that running again after an edit is cheap.
LIBRARY = sorted(path.as_posix() for path in Path("lib").rglob("*")
                 if path.suffix in (".py", ".yml") and "report" not in path.parts)
PAGES = sorted(path.as_posix() for path in Path("lib/report").rglob("*")
               if path.suffix in (".py", ".j2", ".css"))


def trained_nets(wildcards):
    """The stamps of the nets a run names in `models: [...]`, as far as we train them."""
    names = named_models(Path("params", PRESET, wildcards.study, f"{wildcards.variant}.yml"))
    return [f"{STAMPS}/{PRESET}/models/{name}.done" for name in names if name in RECIPES]


# Else a job on another machine, which knows its own rule only, takes the stamp of a net for that of a run.
wildcard_constraints:
    study=r"(?!models/)[^/]+",


localrules: all, index


rule all:
    input: f"{STAMPS}/{PRESET}/index.done"


rule model:
    input: lambda wildcards: RECIPES[wildcards.name], LIBRARY
    output: touch(f"{STAMPS}/{PRESET}/models/{{name}}.done")
    threads: 1  # trains nothing while the published reports of the preset still fit the library
    shell: "{REPORT} train {wildcards.name} --preset {PRESET}"


rule run:
    input:
        trained_nets,
        LIBRARY,
        PAGES,
        notebook="notebooks/{study}.py",
        params=f"params/{PRESET}/{{study}}/{{variant}}.yml",
    output: touch(f"{STAMPS}/{PRESET}/{{study}}/{{variant}}.done")
    threads: 1  # one torch thread per job: the fastest way to fill a machine, and the same bits on all
    shell: "{REPORT} run {input.params}"


rule index:
    input: expand(f"{STAMPS}/{PRESET}/{{run}}.done", run=RUNS), PAGES
    output: touch(f"{STAMPS}/{PRESET}/index.done")
    shell: "{REPORT} index {PRESET} > /dev/null"
