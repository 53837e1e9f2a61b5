"""A-36: its rule decides as it says, by made-up scores, and no other claim is decided by the surrogate's rows."""

from __future__ import annotations

import pytest
from made_up import around, rows_of, scores

from lib import claims
from lib.bone_age_scores import DATASET, METRICS, MODEL, PREFIX
from lib.claims import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED, decide

OWN = "cascade(init=own)"


def net(rank=0.95, ssim=0.95, null=0.5, own=(0.95, 0.95), early=0.2, spread=1e-4, seed=0, prefix=PREFIX, model=MODEL):
    """Scores of a net of two steps; ``own`` are the rank correlation and the SSIM under the net's own law."""
    given = {"model": model, "dataset": DATASET, "seed": seed, "method": "guided_backprop"}
    tables = []
    for metric, end, of_own in (("spearman_abs", rank, own[0]), ("ssim", ssim, own[1])):
        more = given | {"metric": metric}
        for law, centres in (("cascade", (early, end)), (OWN, (early, of_own))):
            tables += [
                rows_of(around(centre, spread, 8, seed=step), step=step, intervention=prefix + law, **more)
                for step, centre in enumerate(centres, start=1)
            ]
        other = rows_of(around(null, spread, 8, 1), step=0, intervention=f"{prefix}cascade", **more)
        tables.append(other.assign(against="null_other_image", draw=-1))
    return scores(*tables)


@pytest.mark.parametrize(
    ("change", "first", "second"),
    [
        ({}, SUPPORTED, SUPPORTED),
        ({"rank": 0.89}, CONTRADICTED, SUPPORTED),
        ({"own": (0.89, 0.95)}, SUPPORTED, CONTRADICTED),
        # s* = 0.8 lies at 0.9 if another hand reaches 0.5.
        ({"ssim": 0.91}, SUPPORTED, SUPPORTED),
        ({"ssim": 0.89}, CONTRADICTED, SUPPORTED),
        ({"own": (0.95, 0.89)}, SUPPORTED, CONTRADICTED),
        ({"ssim": 0.89, "null": 0.4}, SUPPORTED, SUPPORTED),
        ({"null": 0.8}, CONTRADICTED, CONTRADICTED),
        ({"rank": 0.9, "spread": 0.05, "ssim": 1.0}, INCONCLUSIVE, SUPPORTED),
        ({"prefix": ""}, NOT_TESTED, None),
        ({"model": "cnn"}, NOT_TESTED, None),
    ],
)
def test_both_similarities_must_be_high_after_the_last_step(change, first, second):
    found = decide("A-36", net(**change))
    assert (found["verdict"], found["second_verdict"]) == (first, second)


def test_it_must_hold_for_every_training_seed():
    found = decide("A-36", scores(net(), net(rank=0.7, seed=1)))
    assert found["verdict"] == CONTRADICTED
    assert f"{MODEL}-{DATASET}-seed1" in found["statistic"]


def test_the_wording_names_the_surrogate_and_so_does_the_expectation():
    row = claims.ledger()["A-36"]
    assert "surrogate" in row["wording"] and "original not testable" in row["expected"]


def test_no_other_claim_is_decided_by_these_rows():
    tables = [net()]
    for metric in METRICS:
        for order in ("reverse", "independent"):
            given = {"model": MODEL, "dataset": DATASET, "intervention": PREFIX + order}
            tables.append(rows_of(around(0.5), "gradient", metric, **given))
    table = scores(*tables)
    decided = {name for name in claims.ledger() if decide(name, table)["verdict"] != NOT_TESTED}
    assert decided == {"A-36"}
