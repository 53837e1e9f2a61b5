"""Figures and tables as HTML with a caption, the same in Jupyter and in the reports."""

from __future__ import annotations

import base64
import html
import io

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

_DPI = 110


def figure_html(figure: Figure, name: str, caption: str, alt: str) -> str:
    """A figure with its picture inside, under the address ``name``; closes the figure."""
    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DPI, bbox_inches="tight")
    plt.close(figure)
    # 256 colours of its own are enough for any of our figures, at less than half the size.
    Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    source = f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}"
    return (
        f'<figure id="{html.escape(name)}"><img src="{source}" alt="{html.escape(alt)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def table_html(table: pd.DataFrame, caption: str, digits: int, name: str) -> str:
    """A table with numbers to so many digits; ``name`` is its address, empty for none."""
    # Adding 0 to what was rounded leaves no negative zero.
    body = table.to_html(float_format=lambda value: f"{round(value, digits) + 0.0:.{digits}f}", na_rep="–", border=0)
    address = f' id="{html.escape(name)}"' if name else ""
    return f"<figure{address}>{body}<figcaption>{html.escape(caption)}</figcaption></figure>"
