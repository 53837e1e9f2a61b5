"""Formulas and numbers, as a reader sees them."""

from __future__ import annotations

import pytest

from lib.report.pages import duration_text, parameter_text
from lib.report.prose import Prose
from lib.report.verdicts import number_text, value_text, whisker

# The formulas of the papers, and what must be found in their MathML.
FORMULAS = {
    r"E_\text{grad}(x)=\frac{\partial S_c}{\partial x}": "<mfrac>",
    r"x\odot\frac{\partial S}{\partial x}": "⊙",
    r"(x-\bar x)\odot\int_0^1\frac{\partial S(\bar x+\alpha(x-\bar x))}{\partial x}\,d\alpha": "∫",
    r"\frac1N\sum_{i=1}^N E(x+\epsilon_i),\quad \epsilon_i\sim\mathcal N(0,\sigma^2)": "∑",
    r"\mathrm{ReLU}\Bigl(\sum_k\alpha_k^c A^k\Bigr)": "ReLU",
    r"R^l=1_{R^{l+1}>0}\,1_{f^l>0}\,R^{l+1}": "<msup>",
    r"\operatorname*{arg\,max}_c S_c(x)": "arg\u2009max",
    r"\frac{(2\mu_a\mu_b+c_1)(2\sigma_{ab}+c_2)}{(\mu_a^2+\mu_b^2+c_1)(\sigma_a^2+\sigma_b^2+c_2)}": "σ",
    r"\rho_a=1-\frac{6\sum_i d_i^2}{d(d^2-1)}": "ρ",
    r"f(x)=\begin{cases}x & x>0\\ 0 & \text{else}\end{cases}": "<mtable",
    r"\begin{aligned} z&=w^\top x+b\\ a&=\max(0,z)\end{aligned}": "<mtable",
    r"R_i=\sum_j\frac{x_iw_{ij}^+}{\sum_{i'}x_{i'}w_{i'j}^+}R_j": "<msubsup>",
    r"\hat w=\frac{\operatorname{cov}[x,y]}{\lVert w\rVert_2^2}": "‖",
    r"\lvert\rho\rvert<0.1 \text{ and } k=1..\lfloor K/2\rfloor": "⌊",
}


@pytest.mark.parametrize("latex", FORMULAS)
@pytest.mark.parametrize("display", [False, True])
def test_formulas_become_mathml(latex, display):
    mark = "$$" if display else "$"
    html = Prose().html(f"Before {mark}{latex}{mark} after.")
    assert html.count("<math") == html.count("</math>") == 1
    assert ('display="block"' in html) == display
    assert FORMULAS[latex] in html
    assert "$" not in html and "\\" not in html


def test_environments_without_dollars_are_numbered_from_top_to_bottom():
    prose = Prose()
    first = prose.html("\\begin{equation}a=b\\end{equation}")
    second = prose.html("\\begin{equation}c=d\\end{equation}")
    assert "(1)" in first and "(2)" in second


def test_a_count_of_verdicts_says_what_it_counts():
    claim = {"value": 2.0, "interval": None, "holds": "the same verdict on every net"}
    assert value_text(claim) == "2 verdicts differ"


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (0.1178, [0.0813, 0.1542], "0.118 [0.081, 0.154]"),
        (-0.00049, [-0.0021, 0.0011], "−0.0005 [−0.0021, 0.0011]"),
        (99.214, [98.9, 99.5], "99.21 [98.90, 99.50]"),
        (0.25, None, "0.25"),
        (0.25, [0.25, 0.25], "0.25 [0.25, 0.25]"),
        (None, None, ""),
        (float("nan"), None, "undefined"),
        (9.58e-17, [-7.94e-17, 1.12e-16], "1e−16 [−8e−17, 1e−16]"),
        (0.0, [0.0, 0.0], "0 [0, 0]"),
    ],
)
def test_values_have_the_decimals_their_interval_deserves(value, interval, text):
    assert value_text({"value": value, "interval": interval}) == text


def test_numbers_have_a_real_minus():
    assert number_text(-1.23456) == "−1.23" and number_text(None) == ""


def test_the_drawing_puts_value_and_threshold_where_they_belong():
    svg = whisker({"value": 0.25, "interval": [0.0, 0.5], "threshold": [0.75], "holds": "< 0.75"})
    assert 'cx="44.0"' in svg and "M116.0 2v20" in svg and "M8.0 12H80.0" in svg
    assert whisker({"value": 0.25, "threshold": []}) == ""
    assert whisker({"value": None, "threshold": [0.3]}) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.4, "9.4 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599.6, "1 h 0 min"), (None, "")],
)
def test_durations(seconds, text):
    assert duration_text(seconds) == text


def test_parameters_read_as_in_a_params_file():
    assert parameter_text(["a", 1, True, None]) == "a, 1, true, null"
    assert parameter_text([]) == "(none)" and parameter_text({"b": [1, 2]}) == "b: 1, 2"


def test_one_line_of_markdown_has_no_paragraph_around_it():
    assert Prose().inline("a *b* $c$") == "a <em>b</em> <math><mi>c</mi></math>"
    assert Prose().inline("a\n\nb").count("<p>") == 2
