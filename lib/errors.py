"""The one exception of the study, a sentence for the person who runs it, and how a refusing disk becomes one."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM}
"""The system's errors that speak of a disk, and not of a fault in a program or of a network."""


class StudyError(Exception):
    """Something the user can put right.

    The message is one clear sentence that says what is wrong and what to do. It is raised before any
    long computation starts and shown without a traceback by the command line.
    """


@contextmanager
def writing(path: Path, instead: str = "choose another folder") -> Iterator[None]:
    """Turn a full disk or a read-only folder into one sentence.

    Parameters
    ----------
    path : what is being written.
    instead : what to do other than freeing the disk.
    """
    try:
        yield
    except OSError as error:
        raise StudyError(
            f"{path} could not be written ({error.strerror or error}); free the disk or {instead}."
        ) from error
