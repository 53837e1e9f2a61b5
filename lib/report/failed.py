"""The page of a run that failed: the sentence that helps first, everything else behind it."""

from __future__ import annotations

from typing import Any

from nbconvert.filters.ansi import strip_ansi

from lib.report.pages import command_again, page


def render_failure(title: str, error: str, log_tail: str, params: dict[str, Any], run: dict[str, Any]) -> str:
    """Render ``failed.html``.

    Parameters
    ----------
    title
        The study's title.
    error
        What went wrong; the first line is the sentence shown on top.
    log_tail
        The traceback and the last lines of the log, terminal colours allowed.
    params
        The parameters of the run.
    run
        The content of ``run.json`` as far as known, and ``study``, ``preset``, ``variant``, which make the
        command that runs it again.
    """
    sentence, _, more = strip_ansi(error).strip().partition("\n")
    log = "\n\n".join(part for part in (more.strip(), strip_ansi(log_tail).strip()) if part)
    return page(
        "failed.html.j2",
        title=title,
        sentence=sentence or "The run stopped without a message.",
        log=log,
        params=params,
        run=run,
        command=command_again(run.get("study"), run.get("preset"), run.get("variant")),
    )
