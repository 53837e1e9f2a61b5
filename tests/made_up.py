"""Made-up scores with known means, and a claim whose rule is written in the test."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lib import claims


def rows_of(
    values, method="gradient", metric="spearman_abs", step=1, model="cnn", dataset="mnist", seed=0, **more
) -> pd.DataFrame:
    """Scores of one question: ``values`` are images x draws (or images alone, one draw)."""
    values = np.asarray(values, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    image, draw = (grid.ravel() for grid in np.indices(values.shape))
    constant = {
        "model": model,
        "dataset": dataset,
        "seed": seed,
        "intervention": "cascade",
        "level": f"unit{step}",
        "step": step,
        "target": 0,
        "method": method,
        "metric": metric,
        "against": "original",
    }
    return pd.DataFrame({"image": image, "draw": draw, "value": values.ravel()} | constant | more)


def around(centre, spread=0.01, images=10, draws=3, seed=0):
    """A table of images x draws with the exact mean ``centre`` and independent scatter."""
    noise = np.random.default_rng(seed).normal(size=(images, draws))
    return centre + spread * (noise - noise.mean())


def scores(*tables) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True)


def cascade_of(by_step, method="gradient", metric="spearman_abs", spread=0.001, **more) -> pd.DataFrame:
    """One method's scores over all steps, 1, 2, … of a net."""
    return scores(
        *(
            rows_of(around(centre, spread, seed=step), method, metric, step, **more)
            for step, centre in enumerate(by_step, start=1)
        )
    )


def decided(monkeypatch, table, *parts):
    """Decide by a rule that is written in the test; ``parts`` have a label, methods and a metric by default."""
    row = dict.fromkeys(("id", "source", "wording", "rule", "expected", "confidence", "experiment"), "text")
    parts = [{"label": "part", "methods": ["gradient"], "metric": "spearman_abs"} | part for part in parts]
    real = claims.ledger()
    with monkeypatch.context() as patch:
        patch.setattr(claims, "ledger", lambda: {**real, "T-1": row | {"parts": parts}})
        return claims.decide("T-1", table)
