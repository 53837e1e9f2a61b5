"""The index: a function of the folders and of the ledger."""

from __future__ import annotations

import json
import lzma
import sys
import types

import pandas as pd
import pytest

import lib
from lib.report import index
from lib.report.check import check_page

HEAD = "model,dataset,level,metric,value\n"


def put_run(root, study, variant, preset="quick", claims=(), rows="cnn,mnist,,spearman,0.5\n", **about):
    folder = root / "reports" / preset / study / variant
    folder.mkdir(parents=True)
    results = {
        "title": f"Question {study}?",
        "params": {"models": ["cnn-a", "cnn-b"]},
        "claims": list(claims),
        "made_of": {},
    }
    (folder / "results.json").write_text(json.dumps(results))
    (folder / "run.json").write_text(json.dumps({"started": "2026-11-22T10:00:00", "seconds": 65, **about}))
    (folder / "scores.csv.xz").write_bytes(lzma.compress((HEAD + rows).encode()))
    (folder / "index.html").write_text("report")
    return folder


def ledger_claim(name, verdict, study="01_a", **more):
    return {
        "id": name,
        "verdict": verdict,
        "study": study,
        "source": "A1",
        "wording": f"wording of {name}",
        **more,
    }


@pytest.fixture
def decided(monkeypatch):
    """Stand in for the ledger: the claims decided, and the scores they were decided from."""
    claims, seen = [], []

    def decide_all(scores):
        seen.append(scores)
        return [dict(claim) for claim in claims]

    monkeypatch.setattr(index, "decide_all", decide_all)
    monkeypatch.setattr(index, "cross_table", lambda scores: {})
    return claims, seen


def test_every_claim_stands_in_the_index(tmp_path, decided):
    own = {"id": "A-1", "verdict": "supported", "figure": "curves"}
    put_run(tmp_path, "01_a", "x", claims=[own])
    put_run(tmp_path, "01_a", "y", claims=[{"id": "A-1", "verdict": "not tested"}])
    decided[0][:] = [
        ledger_claim(
            "A-1", "supported", value=0.42, interval=[0.36, 0.48], n=7, draws=3, threshold=[0.3], holds="< 0.3"
        ),
        ledger_claim("A-2", "contradicted"),
        ledger_claim("A-3", "not tested"),
    ]
    html = index.index_pages("quick", tmp_path)["index.html"]
    assert check_page(html) == []
    assert "0.42 [0.36, 0.48]" in html and "n = 7 × 3 draws" in html
    assert 'href="01_a/x/index.html#curves"' in html and 'href="01_a/y/index.html#' not in html
    fold = html.index('<details class="fold" id="not-yet-tested"')
    assert html.index('id="claim-A-2"') < fold < html.index('id="claim-A-3"')
    assert "quick preset: not evidence" in html


def test_claims_stand_under_their_study_and_answers_before_them(tmp_path, decided):
    put_run(tmp_path, "02_b", "x")
    decided[0][:] = [
        {"id": "X-01", "study": None, "wording": "which?", "answer": "the second", "decided_by": ["A-1"]},
        ledger_claim("A-2", "supported", study="02_b"),
        ledger_claim("A-1", "supported", study="01_a"),
    ]
    html = index.index_pages("quick", tmp_path)["index.html"]
    places = [html.index(f'id="claim-{name}"') for name in ("X-01", "A-1", "A-2")]
    assert places == sorted(places)
    assert "<h3>Question 02_b?</h3>" in html and "<h3>01 a</h3>" in html and "the second" in html


def test_runs_are_listed_with_their_state(tmp_path, decided, monkeypatch):
    monkeypatch.setattr("lib.published.fits", lambda folder, root: root == tmp_path and folder.name != "old")
    put_run(tmp_path, "01_a", "good")
    put_run(tmp_path, "01_a", "old")
    (put_run(tmp_path, "01_a", "relapsed") / "failed.html").write_text("no")
    bad = tmp_path / "reports/quick/02_b/bad"
    bad.mkdir(parents=True)
    (bad / "failed.html").write_text("no")
    (tmp_path / "reports/quick/02_b/.bad.tmp-1").mkdir()
    html = index.index_pages("quick", tmp_path)["index.html"]
    rows = html[html.index('id="runs"') :].split("<tr>")[2:]
    assert len(rows) == 4
    good, old, relapsed, failed = rows
    assert 'href="01_a/good/index.html"' in good and "cnn-a, cnn-b" in good and "1 min 5 s" in good
    assert "2026-11-22<" in good and "✓" in good
    assert "computed with an earlier library" in old
    assert 'href="01_a/relapsed/failed.html"' in relapsed and "the older report stands" in relapsed
    assert 'href="02_b/bad/failed.html"' in failed and "index.html" not in failed


def test_a_study_without_claims_and_one_without_a_report_have_their_cards(tmp_path, decided):
    folder = put_run(tmp_path, "10_your_model", "mine")
    results = json.loads((folder / "results.json").read_text())
    del results["claims"]
    (folder / "results.json").write_text(json.dumps(results))
    bad = tmp_path / "reports/quick/11_new/x"
    bad.mkdir(parents=True)
    (bad / "failed.html").write_text("no")
    decided[0][:] = [ledger_claim("A-1", "supported")]
    html = index.index_pages("quick", tmp_path)["index.html"]
    assert check_page(html) == []
    cards = html[html.index('class="cards"') : html.index('id="runs"')]
    assert "10 Question 10_your_model?" in cards and 'href="10_your_model/mine/index.html"' in cards
    assert "11 11 new" in cards and 'href="11_new/x/failed.html"' in cards and "<img" not in cards


def test_what_cannot_be_tested_says_why(tmp_path, decided):
    decided[0][:] = [ledger_claim("A-3", "not tested", reason="Nobody was asked.", needs="People")]
    html = index.index_pages("quick", tmp_path)["index.html"]
    assert "Nobody was asked. <b>What would test it:</b> People." in html


def test_all_scores_decide_together_and_text_stays_text(tmp_path, decided):
    put_run(tmp_path, "01_a", "x", rows="cnn,mnist,1,spearman,0.5\n")
    put_run(tmp_path, "01_a", "y", rows="null,mnist,,spearman,\n")
    put_run(tmp_path, "01_a", "z", preset="paper", rows="vgg,mnist,,spearman,9\n")
    index.index_pages("quick", tmp_path)
    (scores,) = decided[1]
    assert list(scores["model"]) == ["cnn", "null"] and list(scores["level"]) == ["1", ""]
    assert scores["value"][0] == 0.5 and pd.isna(scores["value"][1])


def test_the_paper_preset_has_a_table_in_markdown(tmp_path, decided):
    put_run(tmp_path, "01_a", "x", preset="paper", claims=[{"id": "A-1", "verdict": "supported"}])
    decided[0][:] = [
        ledger_claim("A-1", "supported", second_verdict="contradicted", value=0.5, expected="$|x|$ or a|b"),
        ledger_claim("A-9", "not tested"),
    ]
    pages = index.index_pages("paper", tmp_path)
    readme = pages["README.md"]
    (row,) = [line for line in readme.splitlines() if line.startswith("| A-1 ")]
    cells = row.replace(r"\|", "").strip("| ").split(" | ")
    assert len(cells) == 8
    assert r"$\vert x\vert $ or a\|b" in row
    assert "**supported**; second reading: contradicted" in row
    assert "[01 x](01_a/x/index.html#claim-A-1)" in row
    assert "2 claims: **1** supported · **1** not tested." in readme
    assert "- **A-9** (A1): wording of A-9. No run has measured it yet." in readme
    assert "not evidence" not in pages["index.html"]


def test_building_twice_gives_the_same_bytes(tmp_path, decided):
    put_run(tmp_path, "01_a", "x")
    decided[0][:] = [ledger_claim("A-1", "supported")]
    path = index.build_index("quick", tmp_path)
    assert path == tmp_path / "reports/quick/index.html"
    first = path.read_bytes()
    assert index.build_index("quick", tmp_path).read_bytes() == first
    assert not (path.parent / "README.md").exists()


def test_an_empty_preset_still_has_an_index(tmp_path, decided):
    html = index.index_pages("quick", tmp_path)["index.html"]
    assert "No run has finished yet." in html and "No claim has been tested yet." in html


def test_the_ledger_decides_with_its_own_words(monkeypatch):
    fake = types.ModuleType("lib.claims")
    fake.ledger = lambda: {"A-1": {"id": "A-1", "wording": "words", "study": "01_a"}}
    fake.decide = lambda name, scores: {"id": name, "verdict": "supported", "n": len(scores)}
    monkeypatch.setitem(sys.modules, "lib.claims", fake)
    monkeypatch.setattr(lib, "claims", fake, raising=False)
    (claim,) = index.decide_all(pd.DataFrame({"value": [1, 2]}))
    assert claim == {"id": "A-1", "wording": "words", "study": "01_a", "verdict": "supported", "n": 2}
    (claim,) = index.decide_all(pd.DataFrame())
    assert claim["verdict"] == "not tested" and claim["wording"] == "words"


@pytest.mark.parametrize("name", ["models", "networks", "model"])
def test_the_nets_of_a_run_are_named_whatever_its_parameter_is_called(tmp_path, name):
    run = index.Run("10_your_model", "a", tmp_path, {"params": {"models": [], name: "my_net"}}, {})
    assert index._row(run)["models"] == "my_net"
