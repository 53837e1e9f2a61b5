"""The rules of K-10 to K-41, cell by cell: as the table of the science expects them, and with one cell turned round."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import rows_of, scores

from lib.claims import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED, decide, ledger

SG = "smoothgrad_absolute(of={})"
SHARED = "pattern_attribution(patterns=shared)"
# Claim -> method -> expected verdicts under const, checker and cat (first reading), typed by hand.
CELLS = {
    "K-10": {"gradient": "yyy"},
    "K-11": {"guided_backprop": "yyy"},
    "K-12": {"pattern_net(patterns=shared)": "yyy"},
    "K-13": {"gradient_x_input": "nnn"},
    "K-14": {"integrated_gradients": "nnn"},
    "K-15": {"integrated_gradients(reference=black)": "ynn"},
    "K-16": {"dtd_zero": "nnn"},
    "K-17": {SHARED: "yyy"},
    "K-18": {"smoothgrad_absolute": "yyy"},
    "K-19": {SG.format("guided_backprop"): "yyy"},
    "K-20": {SG.format("gradient_x_input"): "nnn"},
    "K-21": {SG.format("integrated_gradients(steps=10)"): "nnn"},
    "K-22": {SG.format("integrated_gradients(reference=black,steps=10)"): "ynn"},
    "K-23": {SG.format("dtd_zero"): "nnn"},
    "K-24": {SG.format(SHARED): "yyy"},
    "K-25": {SG.format("pattern_net(patterns=shared)"): "yyy"},
    "K-30": {"integrated_gradients(reference=pixelmin)": "yyy"},
    "K-31": {"integrated_gradients(reference=mean)": "yyy"},
    "K-32": {"deeplift": "nnn", "deeplift(reference=black)": "ynn", "deeplift(reference=mean)": "yyy"},
    "K-33": {"deconvnet": "yyy", "vargrad_absolute": "yyy"},
    "K-34": {"pattern_attribution(estimator=linear)": "yyy"},
    "K-35": {"pattern_attribution": "nnn"},
    "K-36": {"pattern_attribution(estimator=centred)": "yyy"},
    "K-37": {"dtd_zbox(low=pixelmin,high=pixelmax)": "yyy", "dtd_zbox": "ynn"},
    "K-38": {"dtd_w2": "yyy"},
    "K-39": {"dtd_zplus": "-n-"},
    "K-40": {"gradcam": "yyy", "guided_gradcam": "yyy"},
    "K-41": {"meaningful_perturbation": "ynn", "meaningful_perturbation(fill=zero)": "nnn"},
}
SHIFTS = ("const", "checker", "cat")
VALUES = {"y": 1e-15, "n": 0.5, "?": 0.01}


def table(cells, ending="", **more):
    """Scores of twelve images that hardly scatter, for each method and shift."""
    spread = np.linspace(0.99, 1.01, 12)
    return scores(
        *(
            rows_of(VALUES[cell] * spread, method, "relative_change", 0, intervention=f"shift({shift}{ending})", **more)
            for method, row in cells.items()
            for shift, cell in zip(SHIFTS, row, strict=True)
            if cell != "-"
        )
    )


def model_of(claim):
    return "cnn" if claim == "K-40" else "k_mlp"


def turned(cells, old, new):
    """The cells with the first of a kind turned into another."""
    method = next(name for name, row in cells.items() if old in row)
    return cells | {method: cells[method].replace(old, new, 1)}


@pytest.mark.parametrize("claim", CELLS)
def test_a_row_is_supported_as_expected_and_falls_with_one_cell(claim):
    cells, model = CELLS[claim], model_of(claim)
    assert decide(claim, table(cells, model=model))["verdict"] == SUPPORTED
    kinds = {cell for row in cells.values() for cell in row} - {"-"}
    for kind in kinds:
        other = turned(cells, kind, "n" if kind == "y" else "y")
        assert decide(claim, table(other, model=model))["verdict"] == CONTRADICTED
        between = decide(claim, table(turned(cells, kind, "?"), model=model))
        # Between the bars a map is neither the same nor another one.
        assert between["verdict"] == CONTRADICTED
    wrong_net = decide(claim, table(cells, model="mlp"))
    assert wrong_net["verdict"] == NOT_TESTED


@pytest.mark.parametrize("claim", [claim for claim in CELLS if claim != "K-39"])
def test_a_cell_that_was_not_measured_supports_nothing(claim):
    cells, model = CELLS[claim], model_of(claim)
    first, *_ = cells
    missing = cells | {first: "-" + cells[first][1:]}
    # Something has to be measured under that shift, or the net did not take part in it.
    beside = table({"input": cells[first]}, model=model)
    assert decide(claim, scores(table(missing, model=model), beside))["verdict"] == INCONCLUSIVE


@pytest.mark.parametrize("claim", ["K-10", "K-11", "K-13", "K-14", "K-15", "K-16"])
def test_the_second_reading_is_the_convolutional_net_without_ties(claim):
    cells = CELLS[claim]
    found = decide(claim, scores(table(cells, model="k_mlp"), table(cells, ",jitter=0.001", model="cnn")))
    assert (found["verdict"], found["second_verdict"]) == (SUPPORTED, SUPPORTED)
    kind = cells[next(iter(cells))][0]
    other = table(turned(cells, kind, "n" if kind == "y" else "y"), ",jitter=0.001", model="cnn")
    found = decide(claim, scores(table(cells, model="k_mlp"), other))
    assert (found["verdict"], found["second_verdict"]) == (SUPPORTED, CONTRADICTED)


def test_pattern_attribution_depends_on_whose_patterns():
    held = table({SHARED: "yyy", "pattern_attribution": "nnn"}, model="k_mlp")
    found = decide("K-17", held)
    assert (found["verdict"], found["second_verdict"]) == (SUPPORTED, CONTRADICTED)
    rows = CELLS["K-34"] | CELLS["K-36"] | CELLS["K-35"]
    found = decide("K-50", table(rows, model="k_mlp"))
    assert (found["verdict"], found["second_verdict"]) == (SUPPORTED, CONTRADICTED)


def test_all_methods_fail_somewhere_only_if_patterns_are_estimated_again():
    rows = {name: row for claim in ("K-13", "K-14", "K-15", "K-16") for name, row in CELLS[claim].items()}
    rows |= {SHARED: "yyy", "pattern_attribution": "nnn"}
    found = decide("K-51", table(rows, model="k_mlp"))
    assert (found["verdict"], found["second_verdict"]) == (CONTRADICTED, SUPPORTED)
    # One failure is enough for a method.
    found = decide("K-51", table(rows | {SHARED: "yny"}, model="k_mlp"))
    assert found["verdict"] == SUPPORTED


def test_smoothgrad_inherits_unless_its_noise_follows_the_image():
    claims = ("K-18", "K-19", "K-20", "K-21", "K-22", "K-23", "K-24", "K-25")
    rows = {name: row for claim in claims for name, row in CELLS[claim].items()}
    found = decide("K-57", table(rows | {"smoothgrad": "ynn"}, model="k_mlp"))
    assert (found["verdict"], found["second_verdict"]) == (SUPPORTED, CONTRADICTED)
    found = decide("K-57", table(rows | {"smoothgrad_absolute": "yny", "smoothgrad": "yyy"}, model="k_mlp"))
    assert (found["verdict"], found["second_verdict"]) == (CONTRADICTED, SUPPORTED)


@pytest.mark.parametrize(("product", "patterns", "verdict"), [
    (0.46, 0.0, SUPPORTED), (0.1, 0.0, CONTRADICTED), (0.46, 0.3, CONTRADICTED)
])  # fmt: skip
def test_the_checkerboard_shows_in_all_maps_but_one(product, patterns, verdict):
    spread = np.linspace(-0.005, 0.005, 12)
    rises = dict.fromkeys(
        ("gradient_x_input", "integrated_gradients", "integrated_gradients(reference=black)", "dtd_zero"), product
    )
    given = {"step": 0, "intervention": "shift(checker)", "model": "k_mlp"}
    rows = (rows_of(rise + spread, name, "shift_rise", **given) for name, rise in (rises | {SHARED: patterns}).items())
    assert decide("K-52", scores(*rows))["verdict"] == verdict


def test_equal_networks_are_equal_to_rounding():
    spread = np.linspace(0.5, 1.0, 12)

    def found(error):
        given = {"step": 0, "model": "k_mlp", "method": "none", "metric": "relative_error"}
        return scores(
            *(
                rows_of(error * spread, intervention=f"network 2({shift})", against=against, **given)
                for shift in ("const", "checker")
                for against in ("logits", "activations", "gradient")
            )
        )

    for claim in ("K-02", "K-03"):
        assert decide(claim, found(1e-15))["verdict"] == SUPPORTED
        assert decide(claim, found(1e-8))["verdict"] == CONTRADICTED


def test_every_claim_of_kindermans_has_a_rule():
    rows = [row for row in ledger().values() if row["study"] == "06_constant_shift"]
    assert len(rows) > 40 and all(row.get("parts") for row in rows)
