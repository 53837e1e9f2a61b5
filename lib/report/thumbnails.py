"""Small pictures of reports for the index, cut from a figure that the report itself shows."""

from __future__ import annotations

import base64
import io
import re

from PIL import Image

SIZE = (360, 225)
"""Width and height in pixels."""

_FIGURE = re.compile(r'<figure id="([^"]+)"[^>]*>\s*<img [^>]*?src="data:image/png;base64,([^"]+)"')


def thumbnail(html: str) -> str | None:
    """A small picture of a report.

    Parameters
    ----------
    html : the report.

    Returns
    -------
    The upper part of its first figure of maps or pictures, or else of its first figure, as the address of a JPEG; None
    if it has no figure.
    """
    figures = dict(_FIGURE.findall(html))
    if not figures:
        return None
    chosen = next((name for name in figures if re.search("maps|pictures", name)), next(iter(figures)))
    with Image.open(io.BytesIO(base64.b64decode(figures[chosen]))) as picture:
        return _address(_cut(picture.convert("RGB")))


def _cut(picture: Image.Image) -> Image.Image:
    """The largest upper left part of the shape of a thumbnail, reduced to its size."""
    width, height = SIZE
    across = min(picture.width, picture.height * width // height)
    return picture.crop((0, 0, across, across * height // width)).resize(SIZE, Image.Resampling.LANCZOS)


def _address(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=80, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
