"""The scores of each net, and the tables of images x draws that a rule asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import pandas as pd

from lib.attributions import CONTROLS
from lib.statistics import cells
from lib.thresholds import Rule

TWINS = ("minus", "plus", "kendall", "spearman")
"""The words under which a rule asks its question a second time, with some fields replaced."""

NO_DRAW = -1
"""The draw of a number about the intact model."""

_NET = ["model", "dataset", "seed"]
_KEY = ["intervention", "method", "metric", "against", "step"]
_Key = tuple[str, str, str, str, int]


@dataclass(frozen=True)
class Net:
    """One trained net and its scores.

    Attributes
    ----------
    model, dataset, seed : which net.
    scores : image, draw and value of all rows of the table.
    rows : where in ``scores`` the rows of an intervention, method, metric, ``against`` and step stand.
    """

    model: str
    dataset: str
    seed: int
    scores: pd.DataFrame
    rows: Mapping[_Key, np.ndarray]

    @property
    def name(self) -> str:
        """As runs are named, e.g. ``cnn-mnist-seed1``; what was measured without a net has the images' name."""
        if self.model == "none":
            return "no net" if self.dataset == "none" else self.dataset
        return f"{self.model}-{self.dataset}" + (f"-seed{self.seed}" if self.seed else "")

    def takes_part(self, rule: Rule) -> bool:
        """Whether a rule speaks of this net: one that went through the cascade, or was measured as the rule asks."""
        if any(getattr(self, name) not in rule.get(f"{name}s", [getattr(self, name)]) for name in _NET):
            return False
        return any(key[0] in ("cascade", intervention_of(rule)) for key in self.rows)

    def last(self, intervention: str) -> int:
        """The number of steps of an intervention; 0 if it was not measured."""
        return max((key[4] for key in self.rows if key[0] == intervention), default=0)

    def methods(self, rule: Rule) -> list[str]:
        """The methods measured both as a rule asks and as its twin asks; controls never count as methods."""
        found = []
        for question in questions_of(rule):
            asked = intervention_of(question), question.get("against", "original")
            metric = question.get("metric")
            keys = [key for key in self.rows if (key[0], key[3]) == asked and metric in (None, key[2])]
            found.append({method for _, method, *_ in keys})
        return sorted(set.intersection(*found) - set(CONTROLS))

    def seen_as_cascade(self, intervention: str, methods: Sequence[str]) -> Net:
        """Take an intervention for the cascade of this net, and these methods for all that was measured."""
        rows = {key: at for key, at in self.rows.items() if key[0] == intervention and key[1] in methods}
        return replace(self, rows={("cascade", *key[1:]): at for key, at in rows.items()})

    def difference(self, rule: Rule, method: str | None, at: str | int | None) -> pd.DataFrame | None:
        """The images x draws of a rule, with its subtracted or added twin; None if not measured."""
        table = self.table(rule, method, at)
        for word, sign in (("minus", -1.0), ("plus", 1.0)):
            if table is not None and word in rule:
                twin = rule[word]
                other = self.table(rule | twin, twin.get("methods", [method])[0], twin.get("at", at))
                other = None if other is None else _beside(other, table.columns)
                # pandas pairs by image and draw, so the difference is taken within each cell.
                table = None if other is None else table + sign * twin.get("times", 1.0) * other
        return table

    def table(self, rule: Rule, method: str | None, at: str | int | None) -> pd.DataFrame | None:
        """The images x draws of a rule without its twin; None if not measured."""
        intervention = intervention_of(rule)
        against = rule.get("against", "original") if method else "none"
        steps = _steps(at, self.last(intervention))
        keys = [(intervention, method or "none", rule["metric"], against, step) for step in steps]
        found = [self.rows[key] for key in keys if key in self.rows]
        if not found:
            return None
        table = cells(self.scores.iloc[np.concatenate(found)])
        return table.fillna(rule["constant_as"]) if "constant_as" in rule else table


def intervention_of(rule: Rule) -> str:
    """What was done to the nets that a rule asks about."""
    return rule.get("intervention", "cascade")


def questions_of(rule: Rule) -> list[Rule]:
    """What a rule asks, and what its twin asks."""
    return [rule, *(rule | rule[word] for word in TWINS if word in rule)]


def nets_of(scores: pd.DataFrame, rules: Iterable[Rule]) -> list[Net]:
    """The nets of a table, each with the scores that some rules may ask for.

    The table is filtered before anything is grouped, because it may have millions of rows.
    """
    asked = [question for rule in rules for question in questions_of(rule)]
    wanted = {
        # Whoever went through the cascade takes part in what is asked about other interventions and other maps.
        "intervention": {"cascade", *map(intervention_of, asked)},
        "against": {"original", *(each.get("against", "original" if "methods" in each else "none") for each in asked)},
        "metric": {each["metric"] for each in asked},
    }
    chosen = scores[np.logical_and.reduce([scores[name].isin(list(words)) for name, words in wanted.items()])]
    nets: dict[tuple[str, str, int], dict[_Key, np.ndarray]] = {}
    for (*net, seed, intervention, method, metric, against, step), rows in (
        chosen.groupby([*_NET, *_KEY], observed=True).indices.items()
    ):  # fmt: skip
        own = nets.setdefault((*net, int(seed)), {})
        own[intervention, method, metric, against, int(step)] = rows
    numbers = chosen[["image", "draw", "value"]]
    return [Net(*net, numbers, nets[net]) for net in sorted(nets)]


def stacked(tables: Sequence[pd.DataFrame | None]) -> np.ndarray | None:
    """Tables of images x draws on top of each other, (T, images, draws); None if there is none or one is missing."""
    found = [table for table in tables if table is not None]
    if not found or len(found) < len(tables):
        return None
    images, draws = found[0].index, found[0].columns
    for table in found[1:]:
        images, draws = images.union(table.index), draws.union(table.columns)
    draws = draws.drop(NO_DRAW) if NO_DRAW in draws and len(draws) > 1 else draws
    return np.stack([_beside(table, draws).reindex(index=images, columns=draws).to_numpy() for table in found])


def _beside(table: pd.DataFrame, draws: pd.Index) -> pd.DataFrame:
    """A table of images x draws; a number about the intact model stands beside every draw."""
    return pd.DataFrame({draw: table[NO_DRAW] for draw in draws}) if list(table.columns) == [NO_DRAW] else table


def each_of(at: Any, last: int) -> list[Any]:
    """What a rule's ``at`` asks for, one by one: steps, or a word for a mean over steps."""
    if isinstance(at, list):
        return at
    lowest = ceil(last / 3)
    sets = {
        "each": range(1, last + 1),
        "each_higher": range(1, last - lowest + 1),
        "each_lower": range(last - lowest + 1, last + 1),
        "some_lower": range(last - lowest + 1, last + 1),
    }
    return list(sets.get(at, [at]))


def _steps(at: str | int | None, last: int) -> list[int]:
    """The steps that one number is the mean of."""
    words: dict[str | None, Iterable[int]] = {
        None: [0],
        "first": [1],
        "upper": range(1, last // 2 + 1),
        "full": [last],
        "all": range(1, last + 1),
        "higher": range(1, last - ceil(last / 3) + 1),
    }
    return [at] if isinstance(at, int) else list(words[at])
