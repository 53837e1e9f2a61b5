"""One call draws a table of scores of any kind: which figure it is, and what is refused."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lib import figures
from lib.errors import StudyError
from lib.localisation import localisation
from lib.randomization import explained_classes, randomization_scores
from lib.shift_invariance import shift_invariance

METHODS = ["edge", "gradient", "gradient_x_input"]


@pytest.fixture(scope="module")
def subject():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5)).eval()
    images = torch.rand(3, 1, 8, 8)
    return model, images, explained_classes(model, images)


def titles(figure):
    return [axis.get_title() for axis in figure.axes]


def labels(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_a_cascade_is_drawn_as_curves_with_controls_last(subject):
    scores = randomization_scores(*subject, METHODS, draws=2)
    figure = figures.plot(scores)
    assert titles(figure) == [figures.METRICS[each] for each in ("spearman_abs", "spearman", "spearman_abs_fg")]
    assert labels(figure) == ["Gradient", "Gradient ⊙ input", "Edges (control)"]
    chosen = scores[(scores.against == "original") & (scores.metric == "spearman") & (scores.method == "gradient")]
    (line,) = [each for each in figures.plot(scores, ["spearman"]).axes[0].lines if each.get_label() == "Gradient"]
    expected = [chosen[chosen.step == step].value.mean() for step in range(3)]
    np.testing.assert_allclose(line.get_ydata(), expected)
    # Rows as they are stored have words as categories.
    again = figures.plot(scores.astype({"method": "category", "intervention": "category", "metric": "category"}))
    assert labels(again) == labels(figure)
    assert not plt.get_fignums(), "Jupyter would show an open figure twice"


def test_shifts_are_drawn_as_a_table_of_verdicts(subject):
    model, images, targets = subject
    scores = shift_invariance(
        model, images, targets, METHODS[1:], shifts={"brighter": 0.1 + 0 * images[0]}, training_images=images
    )
    words = {text.get_text() for text in figures.plot(scores).axes[0].texts}
    assert {"brighter", "yes", "no", "Gradient", "Gradient ⊙ input"} <= words | {
        each.get_text() for each in figures.plot(scores).axes[0].get_yticklabels()
    }


def test_localisation_is_drawn_as_dots_by_net(subject):
    masks = torch.zeros(3, 8, 8, dtype=torch.bool)
    masks[:, 2:6, 2:6] = True
    scores = localisation(*subject, METHODS, {"middle": masks}, draws=2)
    figure = figures.plot(scores)
    assert titles(figure) == ["auc_middle"] and labels(figure) == ["trained", "random"]
    both = figures.plot(scores, ["density_middle", "mass_share_middle"])
    assert titles(both) == ["density_middle", "mass_share_middle"]
    own = scores[(scores.metric == "density_middle") & (scores.against == "none")]
    means = own[own.method != "none"].groupby(["method", "level"]).value.mean()
    low, high = both.axes[0].get_xlim()
    assert low == 0.0 and means.max() < high


def test_label_randomization_is_drawn_as_bars():
    rows = [
        {"intervention": "labels", "level": "permuted", "step": 1, "draw": -1, "image": image, "target": 0,
         "method": "gradient", "metric": metric, "against": "original", "value": 0.1 * image}
        for image in range(3) for metric in ("spearman", "spearman_abs")
    ]  # fmt: skip
    figure = figures.plot(pd.DataFrame(rows))
    assert titles(figure) == [figures.METRICS[each] for each in ("spearman_abs", "spearman")]
    assert figure.axes[0].patches[0].get_width() == pytest.approx(0.1)


def test_what_has_no_figure_is_refused(subject):
    scores = randomization_scores(*subject, ["gradient"], draws=1)
    with pytest.raises(StudyError, match="no figure for random_mask"):
        figures.plot(scores.assign(intervention="random_mask"))
    with pytest.raises(StudyError, match="no figure for no scores"):
        figures.plot(scores[:0])
    two = pd.concat([scores.assign(model=name, dataset="d", seed=0) for name in "ab"])
    with pytest.raises(StudyError, match="holds 2 nets"):
        figures.plot(two)
    figures.plot(two[two.model == "a"])
    with pytest.raises(StudyError, match="'hog' was not measured"):
        figures.plot(scores, ["hog"])
