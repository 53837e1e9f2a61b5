"""Functions and attributors of Captum as methods: their written forms, and which state of a network they explain."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
import toys
from captum.attr import GuidedBackprop, GuidedGradCam, IntegratedGradients, Occlusion, Saliency
from torch import nn

from lib import sources
from lib.attributions import attribute, method, own
from lib.errors import StudyError
from lib.figures import spoken
from lib.randomization import randomization_scores
from lib.stored import code_of


def small(seed=0):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5)]
    return nn.Sequential(*layers).eval()


@pytest.fixture(scope="module")
def images():
    return torch.rand(3, 1, 10, 10, generator=torch.Generator().manual_seed(1))


TARGETS = torch.tensor([0, 3, 4])


def halves(model, images, targets):
    """A method that draws random numbers of torch's."""
    return images * torch.rand(images.shape)


def test_written_forms_can_stand_in_a_params_file():
    assert own(Saliency) == "captum.attr:Saliency"
    assert own(IntegratedGradients, n_steps=5, method="riemann_left") == (
        "captum.attr:IntegratedGradients(n_steps=5,method='riemann_left')"
    )
    assert own(toys.own_gradient) == "toys:own_gradient"
    for written in (own(Saliency, abs=False), own(toys.own_gradient), own(lambda m, i, t: i)):
        assert method(written).name == written and method(written) == method(written)


def test_figures_write_the_name_alone():
    assert spoken("mypackage.mymodule:my_attribution") == "my_attribution"
    assert spoken("captum.attr:Saliency(abs=False)") == "Saliency(abs=False) (Captum)"
    assert spoken("given:<lambda>") == "<lambda>"
    assert spoken("smoothgrad(of=toys:own_gradient)") == "SmoothGrad of own_gradient"


@pytest.mark.parametrize(
    ("attributor", "arguments"),
    [
        (Saliency, {"abs": False}),
        (Saliency, {}),
        (IntegratedGradients, {"n_steps": 7}),
        (GuidedBackprop, {}),
        (Occlusion, {"sliding_window_shapes": (1, 3, 3)}),
    ],
)
@pytest.mark.filterwarnings("ignore:Setting backward hooks")
def test_a_map_of_captum_is_the_one_that_captum_gives_by_itself(images, attributor, arguments):
    model = small()
    expected = attributor(model).attribute(images.clone().requires_grad_(), target=TARGETS, **arguments)
    as_class, as_instance = own(attributor, **arguments), own(attributor(small()), **arguments)
    assert as_class.startswith("captum.attr:") and as_instance.startswith("given:")
    for written in (as_class, as_instance):
        (found,) = attribute(model, images, TARGETS, [written]).values()
        assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()
        assert not found.requires_grad


def test_an_instance_explains_the_destroyed_network_and_not_the_one_it_was_made_with(images):
    # The fault that made a method look invariant: a copy that never hears of new weights.
    model = small()
    methods = ["gradient", own(Saliency, abs=False), own(Saliency(model), abs=False)]
    methods += ["guided_gradcam(layer=2)", own(GuidedGradCam(model, model[2]))]
    scores = randomization_scores(model, images, TARGETS, methods, draws=2, init="kaiming")
    own_rows = scores[
        (scores.against == "original") & (scores.metric == "spearman") & (scores.intervention == "cascade")
    ]
    table = own_rows.pivot_table(index=["step", "draw", "image"], columns="method", values="value", dropna=False)
    assert table["gradient"].loc[1:].max() < 0.9
    for each in methods[1:3]:
        np.testing.assert_allclose(table[each], table["gradient"], rtol=0, atol=1e-6)
    # Captum's Guided GradCAM up-samples by another rule, so that only its change can be compared.
    assert table[methods[4]].loc[1:].max() < 0.9


def test_an_instance_of_another_network_is_refused(images):
    other = nn.Sequential(nn.Flatten(), nn.Linear(100, 5))
    with pytest.raises(StudyError, match="not with the model studied"):
        attribute(small(), images, TARGETS, [own(Saliency(other))])
    with pytest.raises(StudyError, match="not with the model studied"):
        attribute(small(), images, TARGETS, [own(Saliency(other.forward))])


def test_the_users_model_and_instance_stay_as_they_were(images):
    model = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    attributor = GuidedBackprop(model)
    attribute(model, images, TARGETS, [own(attributor)])
    assert attributor.model is model and not any(each._backward_hooks for each in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_random_numbers_of_a_method_are_the_same_each_time_and_leave_others_alone(images):
    torch.manual_seed(5)
    first = torch.rand(2)
    torch.manual_seed(5)
    maps = [attribute(small(), images, TARGETS, [own(halves)])[own(halves)] for _ in range(2)]
    torch.manual_seed(5)
    attribute(small_of(first), images, TARGETS, [own(halves)])
    assert torch.equal(*maps) and torch.equal(torch.rand(2), first)


def small_of(_):
    """A network whose building draws nothing."""
    with torch.random.fork_rng():
        return small()


@pytest.mark.parametrize(
    ("thing", "arguments", "words"),
    [(3, {}, "is no method"), (halves, {"n": 3}, "Arguments are for attributors of Captum")],
)
def test_what_is_no_method_is_refused(thing, arguments, words):
    with pytest.raises(StudyError, match=words):
        own(thing, **arguments)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("toys:own_gradient(n=3)", "takes no arguments"),
        ("torch.nn:Linear", "is a class, but not one of Captum"),
        ("given:nothing", "another process"),
        ("captum.attr:Saliency(False)", "arguments of the method"),
    ],
)
def test_what_no_params_file_may_name_is_refused(written, words):
    with pytest.raises(StudyError, match=words):
        method(written)


def test_an_argument_that_captum_does_not_know_is_refused_before_any_compute(images):
    with pytest.raises(StudyError, match="failed on one image"):
        randomization_scores(small(), images, TARGETS, [own(Saliency, steps=3)])


def test_scores_of_a_study_rest_on_the_code_of_a_method():
    assert "captum.attr._core.saliency" in map(sources.name_of, code_of(captum.attr.Saliency, [own(Saliency)]))
    assert {"toys", "oracles"} <= set(map(sources.name_of, code_of(own, [own(toys.own_gradient)])))
    with pytest.raises(StudyError, match="has no dotted path"):
        code_of(own, [own(lambda model, images, targets: images)])
