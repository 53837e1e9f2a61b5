"""The one exception of the study: a sentence for the person who runs it."""

from __future__ import annotations


class StudyError(Exception):
    """Something the user can put right.

    The message is one clear sentence that says what is wrong and what to do. It is raised before any
    long computation starts and shown without a traceback by the command line.
    """
