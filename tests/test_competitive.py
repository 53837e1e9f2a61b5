"""Competitive gradient ⊙ input: closed forms, ties, and the random control."""

from __future__ import annotations

import pytest
import torch
import toys
from torch import nn

from lib.attributions import attribute, method
from lib.attributions.competitive import rivals
from lib.comparison import Examples
from lib.errors import StudyError
from lib.randomization import check_methods
from lib.workspace import Noise, Workspace

LABEL = "competitive_gradient_x_input"
RANDOM = f"{LABEL}(keep=random)"


def linear(*rows):
    """A linear classifier of images (1, 1, n): one row of weights per class."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(len(rows[0]), len(rows), bias=False)).double()
    net[1].weight.data = torch.tensor(rows, dtype=torch.float64)
    return net


def explain(net, image, target=0, written=LABEL):
    images = torch.tensor(image, dtype=torch.float64).view(1, 1, 1, -1)
    return attribute(net, images, torch.tensor([target]), [written])[written].flatten().tolist()


def test_two_linear_classes_share_the_pixels_by_a_closed_form():
    """h = x w. Positive claims go to the larger, negative ones to the smaller; each class may keep both or neither."""
    weights = ([3.0, 1.0, -1.0, -3.0, 2.0, -2.0, 1.0], [1.0, 3.0, -3.0, -1.0, -5.0, 5.0, 0.0])
    net, ones = linear(*weights), [1.0] * 7
    assert explain(net, ones, 0) == [3.0, 0.0, 0.0, -3.0, 2.0, -2.0, 1.0]
    assert explain(net, ones, 1) == [0.0, 3.0, -3.0, 0.0, -5.0, 5.0, 0.0]
    turned = [-1.0] * 7
    assert explain(net, turned, 0) == [-3.0, 0.0, 0.0, 3.0, -2.0, 2.0, -1.0]


def test_sign_decides_which_competition_counts():
    """A positive claim need not be extreme among the negative ones, and the other way round."""
    net = linear([1.0, -1.0, 0.0, 0.0], [0.5, 2.0, -1.0, 1.0], [-9.0, -0.5, -2.0, 2.0])
    assert explain(net, [1.0] * 4) == [1.0, -1.0, 0.0, 0.0]
    assert explain(net, [1.0] * 4, 1) == [0.0, 2.0, 0.0, 0.0]
    assert explain(net, [1.0] * 4, 2) == [-9.0, 0.0, -2.0, 2.0]


def test_ties_are_won_by_all_who_tie():
    net = linear([2.0, -2.0, 0.0], [2.0, -2.0, 0.0], [1.0, -1.0, 0.0])
    assert explain(net, [1.0, 1.0, 1.0], 0) == explain(net, [1.0, 1.0, 1.0], 1) == [2.0, -2.0, 0.0]
    assert explain(net, [1.0, 1.0, 1.0], 2) == [0.0, 0.0, 0.0]


def test_channels_compete_by_themselves():
    net = linear([3.0, 1.0], [1.0, 3.0])
    colour = torch.ones(1, 2, 1, 1, dtype=torch.float64)
    maps = attribute(net, colour, torch.tensor([0]), [LABEL])[LABEL]
    assert maps.flatten().tolist() == [3.0, 0.0]


def test_every_value_is_won_by_some_class():
    """The class with the largest claim wins it if that is positive, the one with the smallest if that is negative."""
    net, images = toys.net("residual"), toys.images(2)
    maps = torch.stack([attribute(net, images, torch.full((2,), label), [LABEL])[LABEL] for label in range(4)])
    products = torch.stack(
        [
            attribute(net, images, torch.full((2,), label), ["gradient_x_input"])["gradient_x_input"]
            for label in range(4)
        ]
    )
    assert torch.allclose(maps.amax(0), products.amax(0).clamp(min=0), atol=1e-12)
    assert torch.allclose(maps.amin(0), products.amin(0).clamp(max=0), atol=1e-12)


def test_rivals_are_the_explained_class_and_the_highest_others():
    logits = torch.tensor([[0.0, 3.0, 2.0, 1.0], [9.0, -1.0, -3.0, -2.0]])
    assert rivals(logits, torch.tensor([0, 0]), 3).tolist() == [[0, 1, 2], [0, 1, 3]]
    assert rivals(logits, torch.tensor([3, 2]), 2).tolist() == [[3, 1], [2, 0]]
    assert rivals(logits, torch.tensor([3, 2]), 4).sort(1).values.tolist() == [[0, 1, 2, 3]] * 2


def test_all_classes_are_what_the_number_of_outputs_says_and_one_forward_pass_serves_all():
    net, images, targets = toys.net("max_pool").requires_grad_(False), toys.images(3), torch.tensor([0, 1, 3])
    calls = []
    net.register_forward_hook(lambda *_: calls.append(1))
    space = Workspace(net, images, targets, Noise([0, 1, 2], (2, 6, 6), 0))
    whole, four = (method(written)(space) for written in (LABEL, f"{LABEL}(classes=4)"))
    assert torch.equal(whole, four) and len(calls) == 3, "one for the logits, and one for each map"


# ---------------------------------------------------------------- the random control


def drawn(state="trained", purpose="noise", seed=0, ids=None, written=RANDOM, count=40):
    net, images = toys.net("linear").requires_grad_(False), toys.images(count) + 0.01
    noise = Noise(ids or list(range(count)), (2, 6, 6), seed, purpose)
    return method(written)(Workspace(net, images, torch.zeros(count, dtype=torch.long), noise, state))


@pytest.mark.parametrize(("written", "share"), [(RANDOM, 1 / 4), (f"{LABEL}(keep=random,classes=2)", 1 / 2)])
def test_random_control_keeps_one_value_in_as_many_as_classes_compete(written, share):
    maps, product = drawn(written=written), drawn(written="gradient_x_input")
    kept = maps != 0
    assert torch.equal(maps[kept], product[kept])
    assert abs(kept.double().mean() - share) < 4 * (share * (1 - share) / kept.numel()) ** 0.5


def test_random_control_is_drawn_anew_for_every_image_state_seed_and_purpose():
    """If each state of the model kept the same values, the control would agree with itself by construction."""
    kept = drawn() != 0
    assert torch.equal(kept, drawn() != 0) and len(kept.flatten(1).unique(dim=0)) == len(kept)
    for other in (drawn(state="draw 0, step 1"), drawn(purpose="self"), drawn(seed=1)):
        agree = (kept == (other != 0)).double().mean()
        assert abs(agree - (1 / 16 + 9 / 16)) < 0.04
    moved = drawn(ids=[*range(1, 40), 0])
    assert torch.equal(moved[:-1] != 0, kept[1:])


def test_only_the_random_control_is_stochastic():
    assert method(RANDOM).stochastic is True and method(LABEL).stochastic is False
    assert method(f"smoothgrad(of={LABEL},samples=2)").of == method(LABEL)
    with pytest.raises(StudyError, match="adds noise itself"):
        method(f"smoothgrad(of={RANDOM},samples=2)")


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (f"{LABEL}(keep=all)", "(keep=…) got 'all'; choose one of competition, random."),
        (f"{LABEL}(classes=1)", "at least 2 classes"),
        (f"{LABEL}(classes=-2)", "at least 2 classes"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(written, says):
    with pytest.raises(StudyError) as caught:
        method(written)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("outputs", "written"),
    [(1, LABEL), (1, RANDOM), (4, f"{LABEL}(classes=5)"), (4, f"{LABEL}(keep=random,classes=5)")],
)
def test_model_with_too_few_outputs_is_refused(outputs, written):
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, outputs)).double()
    with pytest.raises(StudyError, match=f"the model has {outputs}"):
        check_methods(net, Examples.of(toys.images(1), torch.tensor([0])), [written])
