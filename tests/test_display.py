"""Figures and tables as HTML: self-contained, escaped, and the same bytes every time."""

from __future__ import annotations

import base64
import io

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lib.display import figure_html, table_html


def picture():
    figure, axis = plt.subplots(figsize=(1, 1))
    axis.plot([1, 2])
    return figure


def test_a_figure_is_one_self_contained_piece_and_always_the_same():
    before = plt.get_fignums()
    first, second = (figure_html(picture(), "rise", "1 < 2 & it rises", 'A "line"') for _ in range(2))
    assert first == second
    assert first.startswith('<figure id="rise"><img src="data:image/png;base64,iVBOR')
    assert 'alt="A &quot;line&quot;"' in first and "<figcaption>1 &lt; 2 &amp; it rises</figcaption>" in first
    assert plt.get_fignums() == before, "figures are closed"
    content = base64.b64decode(first.split("base64,")[1].split('"')[0])
    assert min(plt.imread(io.BytesIO(content)).shape[:2]) > 80
    # Neither the program's version nor a date, which would change the bytes.
    assert not {kind for kind in (b"tEXt", b"iTXt", b"zTXt", b"tIME") if kind in content}


def test_a_table_shows_digits_and_gaps():
    table = pd.DataFrame({"a<b": [0.12345, np.nan], "n": [3, 4]})
    text = table_html(table, "What & why", 3, "")
    assert "0.123<" in text and "0.1234" not in text and "–" in text and "<td>3</td>" in text
    assert "a&lt;b" in text and "<figcaption>What &amp; why</figcaption>" in text
    assert text.startswith("<figure><table") and 'class="dataframe"' in text


def test_a_table_has_no_negative_zero():
    text = table_html(pd.DataFrame({"value": [-0.001, -0.0, -0.006]}), "caption", 2, "")
    assert "-0.00" not in text and text.count("0.00") == 2 and "-0.01" in text


def test_a_table_has_an_address_if_asked():
    assert table_html(pd.DataFrame({"a": [1]}), "A", 2, "accuracies").startswith('<figure id="accuracies"><table')
