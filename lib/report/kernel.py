"""Execute a notebook in a fresh Jupyter kernel of this very interpreter."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import jupytext
import nbformat
import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from papermill.log import logger as papermill_logger

ENVIRONMENT = {
    # Jobs run side by side, one thread each; another number of threads also gives other last bits.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # The order of a set of strings must not differ between two runs.
    "PYTHONHASHSEED": "0",
    # Bars of tqdm would end up as half a page of widget state or carriage returns.
    "TQDM_DISABLE": "1",
    "MPLBACKEND": "agg",
}


def with_parameters(notebook: Path, given: Mapping[str, Any]) -> NotebookNode:
    """Read a notebook's source and add the cell that overrides its parameters.

    Papermill could add that cell, but would give it a random id, and reports would differ from run to run.
    """
    book = jupytext.read(notebook)
    position = next(i for i, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", []))
    source = "\n".join(f"{name} = {value!r}" for name, value in given.items())
    injected = nbformat.v4.new_code_cell(source, metadata={"tags": ["injected-parameters"]})
    book.cells.insert(position + 1, injected)
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number:02d}"
    return book


def execute(book: NotebookNode, *, cwd: Path, output: Path, log: Path, environment: Mapping[str, str]) -> NotebookNode:
    """Execute a notebook with papermill.

    Parameters
    ----------
    book
        The notebook.
    cwd
        Working directory of the kernel.
    output
        The executed notebook is saved here, also if a cell fails.
    log
        What the cells print is written here.
    environment
        Variables of the kernel beside `ENVIRONMENT` and our own.

    Raises
    ------
    papermill.PapermillExecutionError
        If a cell raises.
    """
    for path in (output, log):
        path.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    with (
        tempfile.TemporaryDirectory(prefix="saliency-") as folder,
        log.open("ab") as raw,
        _logging_to(log),
    ):
        variables = {**ENVIRONMENT, "IPYTHONDIR": folder, **environment}
        return papermill.execute_notebook(
            book,
            output,
            kernel_name="python3",
            kernel_manager_class=_kernel_manager(Path(folder), variables, raw),
            cwd=cwd,
            start_timeout=300,
            log_output=True,
            progress_bar=False,
        )


def _kernel_manager(folder: Path, environment: dict[str, str], raw: BinaryIO) -> type[AsyncKernelManager]:
    """Make a kernel manager whose kernels are reached through sockets in a folder of their own.

    What a kernel's process itself says, a crash report for instance, goes to the file ``raw``.

    TCP ports are chosen before they are bound, so kernels started at the same time may get the same one;
    IPC sockets have the same fault only where connection files share a name.
    """

    class IpcKernelManager(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options, transport="ipc", connection_file=str(folder / "kernel.json"))

        async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
            await super().start_kernel(**options, stdout=raw, stderr=raw)

        @property
        def kernel_spec(self) -> KernelSpec:
            """The interpreter of this process, whatever kernel the user has installed as python3."""
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=command, env=environment, display_name="Python 3", language="python")

    return IpcKernelManager


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    level, propagate = papermill_logger.level, papermill_logger.propagate
    papermill_logger.addHandler(handler)
    papermill_logger.setLevel(logging.INFO)
    papermill_logger.propagate = False
    try:
        yield
    finally:
        papermill_logger.removeHandler(handler)
        papermill_logger.setLevel(level)
        papermill_logger.propagate = propagate
        handler.close()
