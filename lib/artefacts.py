"""Cached artefacts: keys, locks, checksums, and the atomic writes behind them.

An artefact is a folder made once from a description (its *config*) by code whose source is part of its key.
A kill at any point leaves either the old artefact or the new one; a damaged one is named and made again.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import inspect
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from lib.compute import ROOT
from lib.errors import writing

CHECKSUMS = "SHA256SUMS"


def cache_dir() -> Path:
    """The folder of everything that can be made again: ``$SALIENCY_CACHE``, default ``.cache`` in the clone."""
    return Path(os.environ.get("SALIENCY_CACHE") or ROOT / ".cache")


def sha256(data: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def source_digest(parts: Iterable[Any]) -> str:
    """The digest of the code of modules, classes and functions.

    Comments, docstrings (of names as well), layout and types do not count: better prose costs no training run.
    """
    digest = hashlib.sha256()
    for part in parts:
        tree = ast.parse(textwrap.dedent(inspect.getsource(part)))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                body[:] = [statement for statement in body if not _is_text(statement)]
            if isinstance(node, ast.FunctionDef):
                node.returns = None
            if isinstance(node, ast.arg):
                node.annotation = None
        digest.update(ast.dump(tree).encode() + b"\0")
    return digest.hexdigest()


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def key_of(config: dict[str, Any], parts: Iterable[Any]) -> str:
    """The key of an artefact: its config, the code that makes it, and torch's minor version."""
    torch_minor = ".".join(torch.__version__.split("+")[0].split(".")[:2])
    text = json.dumps([config, source_digest(parts), torch_minor], sort_keys=True)
    return sha256(text.encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            # After a success it is not there any more.
            with contextlib.suppress(OSError):
                temporary.unlink()


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock named by a file; the kernel frees it when the process ends, however it ends."""
    with contextlib.ExitStack() as stack:
        with writing(path, "let SALIENCY_CACHE name another folder"):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("w"))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def replace_folder(temporary: Path, target: Path) -> None:
    """Put a finished folder in the place of an older one, which stays where it is if that fails."""
    retired = target.with_name(f".{target.name}.old-{os.getpid()}")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        # Process ids come again, in containers soon.
        remove(retired)
        target.rename(retired)
    try:
        temporary.rename(target)
    except BaseException:
        if retired.exists() and not target.exists():
            retired.rename(target)
        raise
    remove(retired)


def remove(path: Path) -> None:
    """Remove a folder, or a file that stands where a folder should, as far as that is possible."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def artefact(kind: str, key: str, make: Callable[[Path], None], fresh: bool = False) -> Path:
    """Return the folder of an artefact, making it first if it is missing or damaged.

    Parameters
    ----------
    kind : a folder of the cache, e.g. ``"models"``.
    key : the artefact's key, see `key_of`.
    make : called with an empty temporary folder, which it fills.
    fresh : make it again also if it is there; what is there stays until the new one is finished.
    """
    folder = cache_dir() / kind / key[:16]
    with lock(folder.with_name(folder.name + ".lock")):
        if fresh or not intact(folder):
            # The lock is ours, so whatever lies here was left by a process that was killed.
            for leftover in folder.parent.glob(f".{folder.name}.*"):
                remove(leftover)
            temporary = folder.with_name(f".{folder.name}.tmp-{os.getpid()}")
            with writing(temporary):
                temporary.mkdir()
            try:
                make(temporary)
                with writing(folder):
                    seal(temporary)
                    replace_folder(temporary, folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return folder


def seal(folder: Path) -> None:
    """Write the checksums of a folder's files into it, and wait until all are on the disk."""
    lines = []
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        lines.append(f"{sha256(path.read_bytes())}  {path.name}\n")
    write_atomically(folder / CHECKSUMS, "".join(lines).encode())


def intact(folder: Path) -> bool:
    """Tell whether an artefact exists and every file has its checksum; a damaged one is named on stderr."""
    if not folder.exists():
        return False
    try:
        lines = (folder / CHECKSUMS).read_text().splitlines()
        sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
        there = {path.name for path in folder.iterdir()}
    except (OSError, ValueError):
        sums, there = {}, set()
    damaged = [name for name in sums if not _has_sum(folder / name, sums[name])]
    # A list of sums that was cut short would otherwise vouch for files that it does not name.
    if not damaged and (not sums or sums.keys() | {CHECKSUMS} != there):
        damaged = [CHECKSUMS]
    if damaged:
        print(f"{folder / damaged[0]} is damaged and is made again.", file=sys.stderr)
    return not damaged


def _has_sum(path: Path, digest: str) -> bool:
    try:
        return sha256(path.read_bytes()) == digest
    except OSError:
        return False
