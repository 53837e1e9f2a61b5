"""The command line: ``python -m lib.report``.

Exit code 1 if what was begun has failed, 2 if nothing was begun because of what was asked for or where it should go,
130 if it was stopped. Each of these is one line on stderr.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import lib
from lib.errors import StudyError, writing
from lib.report.plan import Run, cache_dir, check_writable, plan_run, runs_of, runs_of_known

ROOT = Path(lib.__file__).resolve().parents[1]
RESULTS = ("results.json", "run.json")


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Do what the command line asks; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return COMMANDS[options.command](options, root)
    except StudyError as error:
        _say(error)
        return 2
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def _say(error: Exception) -> None:
    # Torch, for one, explains itself in many lines.
    print(" ".join(str(error).split()), file=sys.stderr)


def check_study(run: Run) -> None:
    """Refuse a run whose models, methods or data are not usable, before any computation."""
    from lib import study

    study.check(run.study, run.params)


def _run(options: argparse.Namespace, root: Path) -> int:
    run = plan_run(options.params, options.settings, root)
    if "out" in run.given:
        raise StudyError("A run's folder follows from its params file; leave the parameter out away.")
    check_study(run)
    check_writable(cache_dir(root), run.report.parent)
    from lib.report.run import RunFailed, run_study

    try:
        run_study(run)
    except RunFailed as failure:
        _say(failure)
        return 1
    return 0


def _scores(options: argparse.Namespace, root: Path) -> int:
    run = plan_run(options.params, options.settings, root)
    check_study(run)
    given = run.given.get("out")
    check_writable(cache_dir(root), Path(given or tempfile.gettempdir()))
    from lib.report.run import RunFailed, run_script

    out = Path(given or tempfile.mkdtemp(prefix=f"{run.study}-{run.variant}-")).absolute()
    try:
        # What an earlier run has put there stays whole until this one has everything.
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=out) as unfinished:
            run_script(replace(run, params=run.params | {"out": unfinished}))
            with writing(out):
                for path in Path(unfinished).iterdir():
                    path.replace(out / path.name)
    except RunFailed as failure:
        _say(failure)
        return 1
    finally:
        if not given:
            with suppress(OSError):  # it has results
                out.rmdir()
    print(f"Scores: {out}")
    return 0


def _train(options: argparse.Namespace, root: Path) -> int:
    from lib import data, published, training
    from lib.report.watch import Watch

    if options.preset:
        runs_of_known(options.preset, root)
        if not published.needed(options.name, options.preset, root):
            print(f"[models/{options.name}] not needed: the published scores still fit", file=sys.stderr)
            return 0
    data.ensure(training.read_recipe(options.name).dataset)
    check_writable(cache_dir(root))
    try:
        with Watch(f"models/{options.name}", cache_dir(root) / "progress" / "models" / f"{options.name}.txt") as watch:
            watch.say(f"trained: {training.train_named(options.name)}")
    except StudyError as error:
        _say(error)
        return 1
    return 0


def _render(options: argparse.Namespace, root: Path) -> int:
    import nbformat

    from lib.artefacts import write_atomically
    from lib.report.render import navigation, render_notebook

    try:
        book = nbformat.read(options.notebook, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        raise StudyError(f"{options.notebook} is not a notebook that can be read ({error}).") from error
    folder = _folder_of(book, options.notebook, root)
    try:
        results, about = (json.loads((folder / name).read_text(encoding="utf-8")) for name in RESULTS)
        run, preset = f"{results['study']}/{results['variant']}", results["preset"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(
            f"{folder} has no {' and '.join(RESULTS)} that can be read; run the notebook to its last cell, "
            "study.save(), first."
        ) from error
    html = render_notebook(book, results, about, navigation(run, runs_of(preset, root)))
    write_atomically(folder / "index.html", html.encode())
    print(f"Report: {folder / 'index.html'}")
    return 0


def _folder_of(book: Any, path: Path, root: Path) -> Path:
    """Where an executed notebook has put its results: its parameter ``out``, as `lib.study` reads it."""
    out = None
    for cell in book.cells:
        if {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", [])):
            for node in ast.parse(cell.source).body:
                targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
                if any(isinstance(target, ast.Name) and target.id == "out" for target in targets):
                    with suppress(ValueError):
                        out = ast.literal_eval(node.value)
    if not isinstance(out, str):
        raise StudyError(f"{path} has no parameter 'out'; render a notebook of this study after running it.")
    study = re.search(r"\bStudy\(\s*[\"']([^\"']+)", "\n".join(cell.source for cell in book.cells))
    return root / (out or (f"reports/scratch/{study[1]}" if study else ""))


def _index(options: argparse.Namespace, root: Path) -> int:
    from lib.report.index import build_index

    if not (root / "reports" / options.preset).is_dir():
        runs_of_known(options.preset, root)
    build_index(options.preset, root)
    return 0


def _check(options: argparse.Namespace, root: Path) -> int:
    from lib.report.check import check_preset

    problems = check_preset(options.preset, root)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"The reports of the preset {options.preset} are in order.")
    return 1 if problems else 0


def _all(options: argparse.Namespace, root: Path) -> int:
    from lib.report.batch import make_reports

    return make_reports(options.preset, root)


def _methods(_options: argparse.Namespace, root: Path) -> int:
    from lib.report.methods import write

    write(root / "README.md")
    print(f"Methods: {root / 'README.md'}")
    return 0


def _findings(_options: argparse.Namespace, root: Path) -> int:
    from lib.report.markdown import write_findings

    print(f"Findings: {write_findings(root)}")
    return 0


COMMANDS = {
    "run": _run,
    "scores": _scores,
    "train": _train,
    "render": _render,
    "index": _index,
    "check": _check,
    "all": _all,
    "methods": _methods,
    "findings": _findings,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lib.report", description="Run studies and make reports.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("run", "execute the notebook of a params file and publish its report"),
        ("scores", "compute only, without Jupyter (for a GPU machine or a cluster)"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("params", type=Path, help="params/<preset>/<study>/<variant>.yml")
        command.add_argument(
            "--set",
            dest="settings",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="override a parameter; the report then goes to reports/scratch/",
        )
    for name, argument, text in (
        ("train", "name", "train the net of params/*/models/<name>.yml, or find it in the cache"),
        ("index", "preset", "build reports/<preset>/index.html"),
        ("check", "preset", "check all reports of a preset"),
        ("all", "preset", "make all reports of a preset that are out of date"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(argument)
        if name == "train":
            command.add_argument("--preset", default="", help="only if a run of this preset must be computed")
    commands.add_parser("methods", help="bring the README's section on methods up to date with their docstrings")
    commands.add_parser("findings", help="bring the README's findings up to date with those of the paper preset")
    render = commands.add_parser("render", help="render a notebook that was run by hand")
    render.add_argument("notebook", type=Path, help="the .ipynb that papermill or Jupyter has saved")
    return parser


def _on_terminate(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _on_terminate)
    sys.exit(main())
