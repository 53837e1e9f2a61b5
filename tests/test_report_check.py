"""Every promise of a report can be broken, and then it is reported."""

from __future__ import annotations

import hashlib
import json
import lzma

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lib.report.check import MAX_BYTES, check_page, check_preset, check_report
from lib.report.render import Navigation, render_notebook

FIGURE = (
    '<figure id="curves"><img src="data:image/png;base64,AA==" alt="A curve"><figcaption>Falls.</figcaption></figure>'
)
CSV = b"model,metric,value\ncnn,spearman,0.5\n"


@pytest.fixture
def report(tmp_path):
    """A good report, in the folder of a project."""
    folder = tmp_path / "reports/quick/01_a/x"
    folder.mkdir(parents=True)
    claims = [
        {"id": "A-1", "verdict": "contradicted", "second_verdict": "supported", "figure": "curves"},
        {"id": "X-1", "answer": "yes", "wording": "which?"},
    ]
    results = {"study": "01_a", "variant": "x", "preset": "quick", "title": "Is it?", "claims": claims}
    results["claims"][0] |= {"wording": "w", "expected": "supported; strict contradicted"}
    results["digest"] = hashlib.sha256(CSV).hexdigest()
    book = new_notebook(
        cells=[
            new_markdown_cell("# Is it?\n\nText, `\\code` and $\\rho$, see <a href='https://example.org'>there</a>."),
            new_code_cell("f()", outputs=[new_output("display_data", data={"text/html": FIGURE})]),
        ]
    )
    (folder / "index.html").write_text(render_notebook(book, results, {"seconds": 3}, Navigation()))
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "run.json").write_text("{}")
    (folder / "scores.csv.xz").write_bytes(lzma.compress(CSV))
    index = """<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src 'none'">"""
    (tmp_path / "reports/quick/index.html").write_text(index + '<a href="01_a/x/index.html#curves">x</a>')
    return folder


def test_a_good_report_has_no_problems(report):
    assert check_report(report) == []
    assert check_report(report / "index.html") == []


BREAK_PAGE = {
    "script": ("</main>", "<SCRIPT>1</SCRIPT></main>", "<script>"),
    "runs a script": ("<main>", '<main onclick="f()">', "<main onclick> runs a script"),
    "javascript link": ("</main>", '<a href="javascript:f()">x</a></main>', "<a href> runs a script"),
    "picture from the web": (
        "data:image/png;base64,AA==",
        "https://example.org/a.png",
        "<img src> loads 'https",
    ),
    "picture beside it": ("data:image/png;base64,AA==", "a.png", "<img src> loads 'a.png'"),
    "style sheet": (
        "</head>",
        '<link rel="stylesheet" href="//a.org/a.css"></head>',
        "<link href> loads",
    ),
    "frame": ("</main>", '<iframe src="http://example.org"></iframe></main>', "<iframe src> loads"),
    "import": ("</style>", "@import 'a.css';</style>", "@import"),
    "url": (
        "</style>",
        "p { background: url( 'http://example.org/a.png' ) }</style>",
        "style sheet loads 'http://example.org/a.png'",
    ),
    "url in an attribute": ("<main>", '<main style="background: url(a.png)">', "style sheet loads 'a.png'"),
    "alt": ('alt="A curve"', 'alt=" "', "'curves' has no alt"),
    "no alt": ('alt="A curve"', "", "'curves' has no alt"),
    "caption": ("<figcaption>Falls.</figcaption>", "", "'curves' has no caption"),
    "empty caption": ("Falls.</figcaption>", " </figcaption>", "'curves' has no caption"),
    "policy": ("Content-Security-Policy", "X-Nothing", "Policy is missing"),
    "policy opens": ("default-src 'none'", "default-src *", "does not begin"),
    "policy lets scripts in": (
        "font-src data:",
        "font-src data:; script-src 'unsafe-inline'",
        "opens script-src",
    ),
    "policy reaches out": ("img-src data:", "img-src data: https:", "lets img-src reach"),
    "dead link": ('href="#curves"', 'href="#curve"', "#curve leads nowhere"),
    "double id": ("</main>", '<p id="curves"></p></main>', "'curves' is used twice"),
    "raw formula": ("</main>", r"<p>$\rho_a < 1</p></main>", "\\rho"),
    "claim missing": ('id="claim-A-1"', 'id="claim-A-2"', "A-1 is not on the page"),
    "verdict missing": (
        "</span> contradicted</span>",
        "</span> supported</span>",
        "A-1 is shown without",
    ),
}


@pytest.mark.parametrize("name", BREAK_PAGE)
def test_a_broken_page_is_reported(report, name):
    old, new, complaint = BREAK_PAGE[name]
    html = (report / "index.html").read_text()
    assert old in html
    (report / "index.html").write_text(html.replace(old, new))
    assert any(complaint in problem for problem in check_report(report))


def test_the_second_verdict_and_the_answer_must_be_shown(report):
    path = report / "results.json"
    results = json.loads(path.read_text())
    results["claims"][0]["second_verdict"] = "inconclusive"
    results["claims"][1] = {"id": "X-1", "verdict": "supported"}
    path.write_text(json.dumps(results))
    first, second = check_report(report)
    assert "A-1" in first and "second verdict 'inconclusive'" in first
    assert "X-1" in second and "'supported'" in second


def test_text_about_forbidden_things_is_allowed(report):
    html = (report / "index.html").read_text()
    about = "<p>&lt;script&gt;, @import and url(http://x) are words; <code>\\rho</code> is code.</p></main>"
    assert check_page(html.replace("</main>", about)) == []


def test_size_failure_and_files_are_checked(report):
    (report / "failed.html").write_text("no")
    with (report / "index.html").open("a") as file:
        file.write("<!--" + "x" * MAX_BYTES + "-->")
    (report / "run.json").unlink()
    problems = " | ".join(check_report(report))
    assert "failed.html" in problems and "2.0 MB" in problems and "run.json is missing" in problems


def test_scores_must_be_those_of_the_results(report):
    (report / "scores.csv.xz").write_bytes(lzma.compress(CSV + b"cnn,spearman,0.6\n"))
    assert any("digest" in problem for problem in check_report(report))
    (report / "scores.csv.xz").write_bytes(lzma.compress(CSV)[:-12])
    assert any("damaged" in problem for problem in check_report(report))
    (report / "results.json").write_text("{")
    assert any("results.json cannot be read" in problem for problem in check_report(report))


def test_a_preset_is_the_sum_of_its_reports(report, tmp_path):
    assert check_preset("quick", tmp_path) == []
    (report / "scores.csv.xz").unlink()
    with (tmp_path / "reports/quick/index.html").open("a") as file:
        file.write('<a href="03_c/z/index.html">z</a>')
    failed = tmp_path / "reports/quick/02_b/y"
    failed.mkdir(parents=True)
    (failed / "failed.html").write_text("no")
    problems = check_preset("quick", tmp_path)
    assert "quick/01_a/x: scores.csv.xz is missing" in problems
    assert "quick/02_b/y: index.html is missing" in problems
    assert "quick/index.html: the link to 03_c/z/index.html leads nowhere" in problems


def test_an_absent_preset_is_a_problem(tmp_path):
    assert check_preset("paper", tmp_path) == [
        "paper/index.html is missing",
        "paper has no reports",
        "paper/README.md is missing",
    ]
