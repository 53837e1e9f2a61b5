"""The parts of the index beside the ledger: the table of methods, errors in the papers, pictures, and the README."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from lib.claims import CONTRADICTED, SUPPORTED, ledger
from lib.contradictions import SECOND
from lib.cross_table import FAIL, OPEN, PASS, Cell
from lib.cross_tests import COLUMNS, ROWS
from lib.errors import StudyError
from lib.errors_in_papers import KINDS, errors_in_papers, with_proofs
from lib.report import markdown, matrix
from lib.report.pages import claim_links
from lib.report.prose import Prose
from lib.report.render import Link
from lib.report.thumbnails import SIZE, thumbnail

ROOT = Path(__file__).parents[1]
NOTHING = Cell("", "", "not measured")


def table(**cells):
    """Every method unmeasured, but the gradient with some cells by column."""
    empty = {row.name: {column.key: (NOTHING,) for column in COLUMNS} for row in ROWS}
    return empty | {"gradient": empty["gradient"] | {key.replace("_", "-"): each for key, each in cells.items()}}


RAW = Cell("", FAIL, "mlp-mnist-seed1, similarity, gradient", 0.9, [0.88, 0.92], 100, 10, 0.0, "mlp-mnist-seed1", 8)
INK = Cell("foreground", PASS, "cnn-mnist, similarity, gradient", -0.001, [-0.01, 0.01], 100, 10, 0.25, "cnn-mnist", 8)
CLAIMS = [
    {"id": "A-14", "shown_in": [Link("01 cnn-mnist", "a#curves"), Link("01 mlp-mnist", "b#curves")]},
    {"id": "K-13", "shown_in": []},
]


def test_a_cell_has_sign_word_value_interval_and_the_figure_of_the_net_that_decides():
    (row,) = matrix.rows(table(upper=(RAW, INK)), CLAIMS)
    assert (row["title"], row["kind"], row["passed"]) == ("Gradient", "methods", "0 of 1")
    first, second = row["cells"][0]["lines"]
    assert (first["result"], first["mark"], first["value"], first["href"]) == (FAIL, "✗", "0.90", "b#curves")
    assert first["told"] == "0.900 [0.880, 0.920]; n = 100 × 10 draws; mlp-mnist-seed1; the net that decides, of 8"
    assert (second["mark"], second["value"], second["reading"], second["href"]) == (
        "✓",
        "0.00",
        "foreground",
        "a#curves",
    )
    assert "25% of the maps constant or undefined" in second["told"]
    assert row["cells"][1]["lines"] == [{"result": "", "why": "not measured"}]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (1e-16, "0"), (24.49, "24.5"), (-0.004, "0.00"), (-0.2, "−0.20")]
)
def test_values_are_short(value, text):
    (row,) = matrix.rows(table(shift_const=(Cell("", OPEN, "net, it", value, None),)), CLAIMS)
    (line,) = next(cell["lines"] for cell in row["cells"] if cell["column"] == "Shifted by a constant")
    assert (line["value"], line["href"]) == (text, None)


def test_the_table_in_markdown_has_a_cell_for_every_test():
    lines = matrix.markdown(table(upper=(RAW, INK)), CLAIMS)
    head, _, row = (re.split(r" \| ", line.strip("| ")) for line in lines[:3])
    assert len(head) == len(row) == len(COLUMNS) + 2
    assert row[:3] == ["Gradient", "[✗ 0.90](b#curves) [✓ 0.00](a#curves) foreground", "not measured"]
    rules = "\n".join(lines[3:])
    assert all(column.title in rules and column.rule in rules for column in COLUMNS)
    assert matrix.markdown(table(), CLAIMS) == [] and matrix.markdown({}, CLAIMS) == []


def test_claims_in_a_rule_are_linked_where_they_are_on_the_page():
    assert claim_links("as A-14 & A-99", {"A-14"}) == 'as <a href="#claim-A-14">A-14</a> &amp; A-99'


# Errors in the papers -------------------------------------------------------------------------------------------------


def test_every_error_has_a_proof_that_exists():
    entries = errors_in_papers()
    assert [entry["id"] for entry in entries] == [f"E-{number:02}" for number in range(1, 37)]
    for entry in entries:
        assert {"id", "paper", "kind", "says", "truth"} <= entry.keys() <= {
            "id", "paper", "kind", "says", "truth", "claims", "figure", "test",
        }  # fmt: skip
        assert entry["kind"] in KINDS
        assert {name.removesuffix(SECOND) for name in entry.get("claims", {})} <= ledger().keys()
        if "test" in entry:
            file, _, name = entry["test"].partition("::")
            assert f"def {name}" in (ROOT / "tests" / file).read_text(encoding="utf-8"), entry["id"]
        if "figure" in entry:
            report, _, anchor = entry["figure"].partition("#")
            html = (ROOT / "reports/paper" / report / "index.html").read_text(encoding="utf-8")
            assert f'<figure id="{anchor}"' in html, entry["id"]
        for field in ("says", "truth"):
            assert "$" not in Prose().inline(entry[field]), entry["id"]


def test_an_error_is_proved_by_verdicts_and_by_no_others():
    def proved(**verdicts):
        return {entry["id"]: entry["proved"] for entry in with_proofs(verdicts | {"A-83": CONTRADICTED})}

    assert proved()["E-01"] is False and proved()["E-04"] is None
    assert proved(**{"A-67": CONTRADICTED})["E-01"] is True and proved(**{"A-67": SUPPORTED})["E-01"] is False
    assert proved()["E-16"] is False, "both readings are needed"
    (entry,) = (
        each for each in with_proofs({f"A-83{SECOND}": SUPPORTED, "A-83": CONTRADICTED}) if each["id"] == "E-16"
    )
    assert entry["proved"] is True
    assert [proof["id"] for proof in entry["proofs"]] == ["A-83", "A-83"]


# Pictures -------------------------------------------------------------------------------------------------------------


def figure(name, colour, size=(900, 300)):
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, "PNG")
    data = base64.b64encode(content.getvalue()).decode()
    return f'<figure id="{name}"><img src="data:image/png;base64,{data}" alt="x"><figcaption>c</figcaption></figure>'


@pytest.mark.parametrize(
    ("html", "colour"),
    [
        (figure("curves", "red") + figure("maps-abs", "blue"), (0, 0, 255)),
        (figure("curves", "red") + figure("bars", "blue", (200, 900)), (255, 0, 0)),
        ('<figure id="numbers"><table></table></figure>' + figure("bars", "blue", (200, 900)), (0, 0, 255)),
    ],
)
def test_the_small_picture_is_cut_from_a_figure_of_maps_or_the_first(html, colour):
    address = thumbnail(html)
    assert address is not None and thumbnail(html) == address
    head, _, data = address.partition(",")
    assert head == "data:image/jpeg;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(data)))
    assert picture.size == SIZE
    assert all(abs(one - other) < 8 for one, other in zip(picture.getpixel((5, 5)), colour, strict=True))


def test_a_report_without_figures_has_no_picture():
    assert thumbnail("report") is None


# The README -----------------------------------------------------------------------------------------------------------


def marked(text):
    return f"before\n{markdown.BEGIN}\n{text}\n{markdown.END}\nafter\n"


def test_the_findings_of_the_paper_preset_stand_in_the_readme():
    assert markdown.with_findings(marked("old"), f"# Verdicts\n{marked('new')}") == marked("new")


@pytest.mark.parametrize(
    "text", ["no marks", f"{markdown.BEGIN} only", f"{markdown.END}{markdown.BEGIN}", marked("") * 2]
)
def test_without_its_marks_a_readme_is_left_alone(text):
    with pytest.raises(StudyError, match="put them back"):
        markdown.with_findings(text, marked("new"))
    with pytest.raises(StudyError, match=r"reports/paper/README.md must have one line"):
        markdown.with_findings(marked("old"), text)


def test_the_projects_readme_has_the_findings_of_its_reports():
    readme, paper = (ROOT / "README.md", ROOT / "reports/paper/README.md")
    made = markdown.with_findings(readme.read_text(encoding="utf-8"), paper.read_text(encoding="utf-8"))
    assert made == readme.read_text(encoding="utf-8"), "run: python -m lib.report findings"


def test_without_a_paper_preset_there_is_nothing_to_take(tmp_path):
    (tmp_path / "README.md").write_text(marked("old"))
    with pytest.raises(StudyError, match="index paper"):
        markdown.write_findings(tmp_path)
    (tmp_path / "reports/paper").mkdir(parents=True)
    (tmp_path / "reports/paper/README.md").write_text(marked("new"))
    assert markdown.write_findings(tmp_path).read_text() == marked("new")
