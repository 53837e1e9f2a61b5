"""Make all reports of a preset: one at a time per clone, whatever happened before."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lib.errors import writing
from lib.report.check import damaged_file
from lib.report.plan import cache_dir, check_writable, runs_of_known, tidy


def make_reports(preset: str, root: Path) -> int:
    """Train what must be trained, run what must be run, build the index, and say where it is.

    Snakemake decides what is out of date. Where runs fail, the others still run, and the index is built of
    what there is.

    Returns
    -------
    The exit code: 0 if every run succeeded.
    """
    runs = runs_of_known(preset, root)
    check_writable(cache_dir(root), root / "reports" / preset)
    with _only_one(cache_dir(root) / "reports.lock") as held:
        with writing(root / "reports" / preset):
            for study in {run.partition("/")[0] for run in runs}:
                tidy(root / "reports" / preset / study)
        with writing(cache_dir(root)):
            _forget_lost(preset, runs, root)
        code = _snakemake(preset, root, held)
        index = root / "reports" / preset / "index.html"
        if code or not index.exists():
            from lib.report.index import build_index

            index = build_index(preset, root)
    failed = [run for run in runs if (root / "reports" / preset / run / "failed.html").exists()]
    for run in failed:
        print(f"Failed: {run}, see reports/{preset}/{run}/failed.html", file=sys.stderr)
    if code and not failed:
        command = f"snakemake --cores 1 --dry-run --config preset={preset}"
        print(f"Not everything was made; if nothing above says why, {command} does.", file=sys.stderr)
    print(f"Reports: {index}")
    return 1 if code else 0


def _snakemake(preset: str, root: Path, held: int) -> int:
    # The child inherits the lock, which so outlives this process if only this one is killed.
    command = [sys.executable, "-m", "snakemake", *_options(preset)]
    with subprocess.Popen(command, cwd=root, pass_fds=[held], process_group=0) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # Snakemake alone would wait for its jobs to end; each of them cleans up behind itself.
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise


def _options(preset: str) -> list[str]:
    return [
        "--config",
        f"preset={preset}",
        "--cores",
        str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1),
        "--keep-going",
        # Our own lock replaces Snakemake's, which a killed run would leave behind.
        "--nolock",
        "--rerun-incomplete",
        # Computing anew is asked for, whatever is up to date.
        *(["--forceall"] if os.environ.get("FRESH") else []),
        "--quiet",
        "all",
    ]


def _forget_lost(preset: str, runs: list[str], root: Path) -> None:
    """Remove the stamps of runs whose report was deleted or damaged, or failed when run by hand: they run again."""
    stamps = cache_dir(root) / "runs" / preset
    for run in runs:
        report = root / "reports" / preset / run
        damaged = damaged_file(report)
        if damaged and (report / damaged).exists():
            print(f"{report / damaged} is damaged; the report is made again.", file=sys.stderr)
        if damaged or not (report / "index.html").exists() or (report / "failed.html").exists():
            (stamps / f"{run}.done").unlink(missing_ok=True)
            # Snakemake does not miss what only leads to a file that is up to date.
            (stamps / "index.done").unlink(missing_ok=True)


@contextmanager
def _only_one(path: Path) -> Iterator[int]:
    """Hold a lock of the kernel, which is free again at any death; says so if it must wait."""
    with ExitStack() as stack:
        with writing(path, "let SALIENCY_CACHE name another folder"):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("w"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Reports are being made here already; waiting for that to end.", file=sys.stderr, flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
