"""A rendered notebook: what a reader sees, what is hidden, and what must never be in the file."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lib.errors import StudyError
from lib.report.failed import render_failure
from lib.report.render import Link, Navigation, navigation, render_notebook

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
FIGURE = (
    f'<figure id="curves"><img src="data:image/png;base64,{PIXEL}" alt="Two curves">'
    "<figcaption>The gradient falls at once.</figcaption></figure>"
)


class Outline(HTMLParser):
    """Tags with their attributes and, by id, the text inside: written anew, not taken from lib."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text_by_id: dict[str, str] = {}
        self.open: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br", "hr"):
            self.open.append((tag, dict(attrs).get("id")))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        name, _ = self.open.pop()
        assert name == tag, f"<{name}> is closed by </{tag}>"

    def handle_data(self, data):
        for _, name in self.open:
            if name:
                self.text_by_id[name] = self.text_by_id.get(name, "") + data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def claim(name="A-10", verdict="supported", **more):
    numbers = {
        "value": 0.1178,
        "interval": [0.0813, 0.1542],
        "n": 100,
        "draws": 10,
        "threshold": [0.3],
        "holds": "< 0.3",
    }
    words = {"source": "A1 §3.1", "wording": "the gradient is sensitive", "rule": r"$\rho_a<0.3$"}
    rest = {
        "expected": "supported",
        "statistic": r"$\rho_a$",
        "parts": [],
        "runs": ["cnn"],
        "figure": "curves",
    }
    return {"id": name, "verdict": verdict, "second_verdict": None, **words, **numbers, **rest, **more}


def results(*claims, **more):
    given = {
        "study": "01_model_randomization",
        "variant": "cnn-mnist-5k",
        "preset": "quick",
        "title": "Is it?",
    }
    keys = {"key": "ab" * 32, "digest": "cd" * 32}
    return {
        **given,
        **keys,
        "params": {"n_images": 20, "methods": ["gradient"]},
        "claims": list(claims),
        **more,
    }


RUN = {"started": "2026-11-22T10:00:00", "seconds": 192.4, "device": "cpu", "threads": 1, "commit": "abc1234"}


def notebook(*cells):
    title = "# Does the *map* change?\n\nWe destroy the model.\n\n## Claims under test\n\nA list."
    return new_notebook(cells=[new_markdown_cell(title), *cells])


def render(*cells, claims=None, run=RUN, links=None, **more):
    given = results(*([claim()] if claims is None else claims), **more)
    figure = new_code_cell("figure()", outputs=[new_output("display_data", data={"text/html": FIGURE})])
    return render_notebook(notebook(figure, *cells), given, run, links or Navigation())


@pytest.mark.parametrize("typo", [r"\fracc{a}{b}", r"\frac{a}{b", "a & b", "x^2^3", r"\left( x"])
def test_a_typo_in_a_formula_names_the_formula(typo):
    with pytest.raises(StudyError, match=re.escape(typo)):
        render(new_markdown_cell(f"It is ${typo}$ here."))


def test_a_typo_in_a_claim_names_the_formula():
    with pytest.raises(StudyError, match=r"\\rhoo"):
        render(claims=[claim(rule=r"$\rhoo<1$")])


def test_nothing_is_loaded_or_run():
    outline = Outline(render())
    assert not outline.attributes("script")
    policies = [m["content"] for m in outline.attributes("meta") if m.get("http-equiv")]
    expected = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"
    assert policies == [expected]
    for tag, attributes in outline.tags:
        for name in ("src", "href"):
            if attributes.get(name) and tag != "a":
                assert attributes[name].startswith("data:"), tag


def test_all_tags_are_closed_and_ids_unique():
    outline = Outline(render())
    assert not outline.open
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_order_is_title_opening_verdict_text():
    html = render()
    places = [html.index(mark) for mark in ("<h1>", "We destroy", 'id="verdict-box"', 'id="claims-under-test"')]
    assert places == sorted(places)
    assert "<title>Does the map change?</title>" in html


def test_the_title_comes_from_the_results_if_the_notebook_has_none():
    book = new_notebook(cells=[new_markdown_cell("Only text.")])
    html = render_notebook(book, results(title="Is x < y?"), RUN, Navigation())
    assert "<h1>Is x &lt; y?</h1>" in html


def test_a_claim_shows_words_numbers_and_parts():
    parts = [
        {**claim(), "label": "first net", "second": False, "value": 0.5, "interval": [0.4, 0.6]},
        {**claim(), "label": "strict", "second": True, "verdict": "contradicted"},
    ]
    html = render(claims=[claim(parts=parts, second_verdict="contradicted"), claim("A-11", "inconclusive")])
    text = " ".join(Outline(html).text_by_id["claim-A-10"].split())
    assert "✓ supported second reading: ✗ contradicted" in text
    assert "0.118 [0.081, 0.154]" in text and "n = 100 × 10 draws" in text
    assert "0.50 [0.40, 0.60]" in text and text.index("first net") < text.index("strict")
    assert "? inconclusive" in " ".join(Outline(html).text_by_id["claim-A-11"].split())
    assert '<a href="#curves">' in html


def test_a_contradiction_between_papers_shows_its_answer():
    html = render(claims=[{"id": "X-01", "answer": "the *second* is right", "decided_by": ["A-12", "A-15"]}])
    text = " ".join(Outline(html).text_by_id["claim-X-01"].split())
    assert "answered" in text and "the second is right (decided by A-12, A-15)" in text


@pytest.mark.parametrize("preset", ["quick", "smoke", "paper"])
def test_only_the_paper_preset_is_evidence(preset):
    assert (f"{preset} preset: not evidence" in render(preset=preset)) == (preset != "paper")


def test_code_is_folded_unless_asked_for():
    cells = [
        new_code_cell("shown = 1", metadata={"tags": ["show-input"]}),
        new_code_cell("n: int = 3", metadata={"tags": ["parameters"]}),
        new_code_cell("n = 5", metadata={"tags": ["injected-parameters"]}),
    ]
    html = render(*cells)
    states = re.findall(r'<details class="code"( open)?>\s*<summary>([^<]*)</summary>', html)
    assert states == [
        ("", "Code, 1 line"),
        (" open", "Code, 1 line"),
        ("", "Parameters and their defaults"),
        ("", "Parameters of this run"),
    ]


def test_noise_is_hidden_and_errors_are_not():
    noise = new_output("stream", name="stderr", text="a harmless warning")
    bar = new_output("stream", name="stdout", text=" 10%|#\r100%|##########\nready\n")
    quiet = render(new_code_cell("f()", outputs=[noise, bar]))
    assert "harmless" not in quiet and " 10%" not in quiet
    assert re.search(r'<pre class="printed">100%\|##########\nready</pre>\s*</details>', quiet)

    error = new_output("error", ename="ValueError", evalue="no", traceback=["\x1b[31mValueError\x1b[0m: <no>"])
    loud = render(new_code_cell("f()", outputs=[noise, error]))
    assert "a harmless warning" in loud and "ValueError" in loud and "&lt;no&gt;" in loud
    assert "\x1b" not in loud


def test_outputs_take_their_richest_form():
    data = {"text/markdown": r"so $\rho_a$ is **low**", "text/plain": "plain twin"}
    html = render(
        new_code_cell("a", outputs=[new_output("display_data", data=data)]),
        new_code_cell("b", outputs=[new_output("display_data", data={"text/latex": r"$\alpha$"})]),
        new_code_cell("c", outputs=[new_output("execute_result", data={"text/plain": "0.25 < 1"})]),
        new_code_cell("d", outputs=[new_output("execute_result", data={"text/plain": "<Net at 0x7f01>"})]),
    )
    assert "<strong>low</strong>" in html and "plain twin" not in html
    assert "<mi>α</mi>" in html
    assert "<pre>0.25 &lt; 1</pre>" in html
    assert "0x7f01" not in html
    assert FIGURE in html


def test_the_table_of_contents_links_every_section():
    html = render(new_markdown_cell("## Same\n\n### Same\n\n## The gain of $x^2$"))
    outline = Outline(html)
    links = [a["href"] for a in outline.attributes("a") if (a["href"] or "").startswith("#")]
    expected = ["verdict-box", "claims-under-test", "same", "same-2", "the-gain-of-x2", "provenance-box"]
    assert links[: len(expected)] == [f"#{name}" for name in expected]
    ids = {attributes.get("id") for _, attributes in outline.tags}
    assert {link[1:] for link in links} <= ids


def test_provenance_tells_everything_and_how_to_run_it_again():
    run = {**RUN, "versions": {"torch": "2.15.0"}, "peak_memory_gb": 0.93, "machine": "x86_64, 2 cores"}
    text = Outline(render(run=run)).text_by_id["provenance-box"]
    for fact in ("n_images", "20", "ab" * 32, "cd" * 32, "abc1234", "2.15.0", "cpu", "3 min 12 s", "0.93 GB"):
        assert fact in text
    again = "papermill notebooks/01_model_randomization.ipynb out.ipynb"
    assert f"{again} -f params/quick/01_model_randomization/cnn-mnist-5k.yml" in text
    hrefs = {a["href"] for a in Outline(render()).attributes("a")}
    assert {"results.json", "scores.csv.xz", "run.json"} <= hrefs


def test_a_run_by_hand_has_little_to_say_and_still_renders():
    html = render_notebook(notebook(), {"study": "01_x"}, {}, Navigation())
    assert "papermill notebooks/01_x.ipynb out.ipynb\n" not in html
    assert "papermill notebooks/01_x.ipynb out.ipynb</code>" in html
    assert 'id="verdict-box"' not in html


def test_navigation_finds_the_neighbours():
    runs = ["01_a/x", "01_a/y", "02_b/x"]
    here = navigation("01_a/y", runs)
    assert here.previous == Link("01 a · x", "../../01_a/x/index.html")
    assert here.next == Link("02 b · x", "../../02_b/x/index.html")
    assert navigation("01_a/x", runs).previous is None and navigation("02_b/x", runs).next is None
    assert navigation("scratch/z", runs) == Navigation(contents=Link("Contents", "../../index.html"))
    html = render(links=here)
    assert html.count('rel="next"') == 2 and "02 b · x →" in html


def test_the_same_input_gives_the_same_bytes():
    cell = new_markdown_cell("## Section\n\ntext $x$")
    first = render(cell)
    cell.id = "another"
    assert render(cell) == first


def test_rendering_leaves_the_notebook_alone():
    book = notebook(new_code_cell("x = 1"))
    before = repr(book)
    render_notebook(book, results(claim()), RUN, Navigation())
    assert repr(book) == before


def test_a_failure_leads_with_the_sentence():
    run = {"study": "01_x", "preset": "quick", "variant": "cnn"}
    log = "Traceback\n\x1b[31mStudyError\x1b[0m: <no>"
    html = render_failure("Is it?", "The data are missing; get them.\nmore", log, {"n": 3}, run)
    outline = Outline(html)
    assert not outline.open and not outline.attributes("script")
    places = [html.index(m) for m in ("The data are missing; get them.</p>", "Traceback\n", "papermill notebooks/01_x")]
    assert places == sorted(places)
    assert "\x1b" not in html and "StudyError: &lt;no&gt;" in html
    assert re.search(r'<details class="code">\s*<summary>Traceback', html)
    assert render_failure("t", "", "", {}, {}).count("stopped without a message") == 1
