"""Run one study: execute its notebook, render its report, publish both or neither."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lib.artefacts import replace_folder, write_atomically
from lib.errors import DISK_FAULTS, StudyError, writing
from lib.parameters import percent_cells, tags_of, title_of
from lib.progress import duration
from lib.report.plan import Run, cache_dir, runs_of, tidy
from lib.report.watch import Watch

LOG_TAIL = 200
"""Lines of the log that ``failed.html`` shows."""


class RunFailed(Exception):
    """A run that was accepted but did not end well; the message is one sentence for the terminal."""


def run_study(run: Run) -> Path:
    """Execute a notebook and publish its report.

    The report folder is replaced as a whole once everything is there. If anything fails, ``failed.html`` and
    ``run.log`` are put beside the older report, which stays.

    Returns
    -------
    The published ``index.html``.

    Raises
    ------
    RunFailed
        If the notebook or the rendering failed.
    """
    started = time.monotonic()
    when = datetime.now(UTC).isoformat(timespec="seconds")
    log = run.cached("logs", ".log")
    with writing(run.temporary):
        tidy(run.report.parent)
        shutil.rmtree(run.temporary, ignore_errors=True)
        run.temporary.mkdir(parents=True)
    try:
        with Watch(run.name, run.cached("progress", ".txt")) as watch:
            watch.say("started")
            _execute_and_render(run, log)
            replace_folder(run.temporary, run.report)
            page = run.report / "index.html"
            watch.say(f"done in {duration(time.monotonic() - started)}: {page.relative_to(run.root)}")
            return page
    except Exception as error:
        sentence, details = _explain(error)
        # It may have filled the disk that the page about the failure needs.
        shutil.rmtree(run.temporary, ignore_errors=True)
        facts = {"started": when, "seconds": round(time.monotonic() - started, 1), "made_by": "papermill"}
        try:
            _write_failure(run, sentence, details, log, facts)
        except (OSError, StudyError):
            # The disk that was too full for the report may be too full for this page.
            raise RunFailed(f"{run.name} failed: {sentence}") from error
        page = run.report / "failed.html"
        raise RunFailed(f"{run.name} failed: {sentence} See {page.relative_to(run.root)}.") from error
    finally:
        shutil.rmtree(run.temporary, ignore_errors=True)


def _execute_and_render(run: Run, log: Path) -> None:
    # Both bring Jupyter along, which the other commands do without.
    from lib.report.kernel import execute, with_parameters
    from lib.report.render import navigation, render_notebook

    book = with_parameters(run.notebook, run.given | {"out": str(run.temporary)})
    environment = {
        "SALIENCY_PRESET": run.preset,
        "SALIENCY_VARIANT": run.variant,
        "SALIENCY_CACHE": str(cache_dir(run.root)),
    }
    output = run.cached("logs", ".ipynb")
    executed = execute(book, cwd=run.root, output=output, log=log, environment=environment)
    results = {}
    for name in ("results.json", "run.json"):
        if not (run.temporary / name).exists():
            raise StudyError(f"The notebook has written no {name}; its last cell must be study.save().")
        results[name] = json.loads((run.temporary / name).read_text(encoding="utf-8"))
    links = navigation(run.name, runs_of(run.preset, run.root))
    published = run.report.relative_to(run.root).as_posix()
    html = render_notebook(
        _renamed(executed, str(run.temporary), published), results["results.json"], results["run.json"], links
    )
    write_atomically(run.temporary / "index.html", html.encode())


def _renamed(book: Any, old: str, new: str) -> Any:
    """Replace a path everywhere in a notebook: no reader needs the name of the temporary folder."""
    import nbformat

    old, new = (json.dumps(path, ensure_ascii=False)[1:-1] for path in (old, new))
    return nbformat.reads(nbformat.writes(book).replace(old, new), as_version=4)


def _explain(error: Exception) -> tuple[str, str]:
    """Turn what went wrong into one sentence and the details."""
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError

    if isinstance(error, PapermillExecutionError):
        first = error.evalue.strip().partition("\n")[0]
        sentence = _sentence(error.ename, first)
        details = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    else:
        first = str(error).strip().partition("\n")[0]
        sentence = _sentence(type(error).__name__, first)
        details = "".join(traceback.format_exception(error))
    if isinstance(error, DeadKernelError):
        sentence = "The notebook's process was killed, most often because the memory was used up."
    return sentence if sentence.endswith((".", "!", "?")) else sentence + ".", details


def _sentence(kind: str, message: str) -> str:
    """What a cell's exception says, with what to do where the disk was the fault."""
    if kind == "StudyError":
        return message
    number = re.match(r"\[Errno (\d+)\]", message)
    advice = "; free the disk or choose another folder" if number and int(number[1]) in DISK_FAULTS else ""
    return f"{kind}: {message}{advice}"


def _write_failure(run: Run, sentence: str, details: str, log: Path, facts: dict[str, Any]) -> None:
    from lib.report.failed import render_failure

    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    text = f"{text.rstrip()}\n\n{details.rstrip()}\n"
    facts = facts | {"study": run.study, "preset": run.preset, "variant": run.variant}
    tail = "\n".join(text.splitlines()[-LOG_TAIL:])
    params = {name: value for name, value in run.params.items() if name != "out"}
    html = render_failure(title_of(run.notebook), sentence, tail, params, facts)
    write_atomically(run.report / "run.log", text.encode())
    write_atomically(run.report / "failed.html", html.encode())


def run_script(run: Run) -> None:
    """Execute a notebook's code cells in this process, as a plain script without Jupyter.

    What it writes goes to its parameter ``out``.

    Raises
    ------
    RunFailed
        If a cell raises.
    """
    os.environ.update(
        SALIENCY_PRESET=run.preset,
        SALIENCY_VARIANT=run.variant,
        SALIENCY_CACHE=str(cache_dir(run.root)),
        MPLBACKEND="agg",
    )
    sys.path.insert(0, str(run.root))
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": str(run.notebook)}
    with contextlib.chdir(run.root), Watch(run.name, run.cached("progress", ".txt")):
        for number, (header, source) in enumerate(percent_cells(run.notebook.read_text(encoding="utf-8"))):
            if not header or "[markdown]" in header or "[raw]" in header:
                continue
            try:
                exec(compile(source, f"{run.notebook.name}, cell {number}", "exec"), namespace)
            except Exception as error:
                sentence, details = _explain(error)
                if not (isinstance(error, StudyError) or getattr(error, "errno", None) in DISK_FAULTS):
                    print(details, file=sys.stderr)
                raise RunFailed(f"{run.name} failed: {sentence}") from error
            if "parameters" in tags_of(header):
                namespace.update(run.params)
