"""Units are found in the order of execution, cover every tensor once, or the model is refused."""

from __future__ import annotations

import pytest
import torch
import torchvision
import toys
from torch import nn
from toys import Lambda

from lib import models
from lib.errors import StudyError
from lib.units import unit_tensors, units_of

IMAGES = toys.images(2)


def test_order_is_that_of_execution_not_of_registration():
    model = Lambda(
        lambda m, x: m.a_last(torch.relu(m.z_first(x.flatten(1)))), a_last=nn.Linear(5, 4), z_first=nn.Linear(72, 5)
    )
    assert list(units_of(model.double(), IMAGES)) == ["z_first", "a_last"]


def test_module_called_twice_is_one_unit_where_it_is_first_called():
    model = Lambda(
        lambda m, x: m.out(m.twice(m.between(m.twice(x.flatten(1))))),
        out=nn.Linear(72, 4),
        between=nn.Linear(72, 72),
        twice=nn.Linear(72, 72),
    )
    assert list(units_of(model.double(), IMAGES)) == ["twice", "between", "out"]


def test_every_tensor_of_every_net_belongs_to_one_unit(any_net):
    _, model, images, _ = any_net
    owned = [name for modules in units_of(model, images).values() for name in unit_tensors(model, modules)]
    assert sorted(owned) == sorted(model.state_dict())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cnn", ["conv1", "conv2", "fc1", "logits"]), ("mlp", ["hidden1", "hidden2", "hidden3", "logits"])],
)
def test_units_of_the_paper_nets(name, expected):
    model = models.build(name, torch.Generator().manual_seed(0))
    assert list(units_of(model, torch.zeros(1, 1, 28, 28))) == expected
    del type(model).units
    try:
        assert list(units_of(model, torch.zeros(1, 1, 28, 28))) == expected, "declared units must be those executed"
    finally:
        type(model).units = {unit: (unit,) for unit in expected}


def test_declared_units_may_group_modules():
    model = toys.net("pooled")
    model.units = {"below": ("0",), "above": ("2", "3", "7")}
    assert units_of(model, IMAGES) == model.units
    assert unit_tensors(model, ("2", "3")) == [f"2.{n}" for n in ("weight", "bias")] + [
        f"3.{n}" for n in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    ]


def chain(order, units):
    """A net that calls its modules in an order, each 72 -> 72 wide, and then ``out``; with declared units."""

    def forward(model, x):
        x = x.flatten(1)
        for name in order:
            x = getattr(model, name)(x)
        return model.out(x)

    model = Lambda(forward, out=nn.Linear(72, 4), **{name: nn.Linear(72, 72) for name in order})
    model.units = units
    return model


@pytest.mark.parametrize("order", [["first", "second"], ["first", "second", "first"]], ids=["branches", "called_twice"])
def test_modules_of_one_unit_may_take_turns(order):
    model = chain(order, {"below": ("second", "first"), "above": ("out",)}).double()
    assert units_of(model, IMAGES) == model.units


def test_weight_that_is_used_without_a_call_of_its_module_counts_as_used():
    """As in torchvision's attention modules."""
    model = Lambda(
        lambda m, x: m.out(nn.functional.linear(m.norm(x.flatten(1)), m.inner.weight, m.inner.bias)),
        norm=nn.LayerNorm(72),
        inner=nn.Linear(72, 72),
        out=nn.Linear(72, 4),
    ).double()
    model.units = {"attention": ("norm", "inner"), "out": ("out",)}
    assert units_of(model.requires_grad_(False), IMAGES) == model.units
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_name_of_a_unit_is_not_a_prefix_of_another():
    """`layer1` must not take the tensors of `layer10`."""
    model = Lambda(lambda m, x: m.layer10(m.layer1(x.flatten(1))), layer1=nn.Linear(72, 3), layer10=nn.Linear(3, 4))
    assert unit_tensors(model, ("layer1",)) == ["layer1.weight", "layer1.bias"]


# ---------------------------------------------------------------- what is refused


class ClassToken(nn.Module):
    """Holds a parameter directly, as vision transformers do; a walk over modules with weights misses it (trap T5)."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(72))
        self.out = nn.Linear(72, 4)

    def forward(self, x):
        return self.out(x.flatten(1) + self.token)


def never_called():
    return Lambda(lambda m, x: m.out(x.flatten(1)), out=nn.Linear(72, 4), auxiliary=nn.Linear(72, 4))


def overlapping():
    model = toys.net("pooled")
    model.units = {"below": ("0", "2"), "above": ("2", "3", "7")}
    return model


def incomplete():
    model = toys.net("pooled")
    model.units = {"below": ("0",), "above": ("3", "7")}
    return model


def misspelt():
    model = toys.net("pooled")
    model.units = {"below": ("0", "2", "3"), "above": ("seven",)}
    return model


def upside_down():
    return chain(["first", "second"], {"above": ("second", "out"), "below": ("first",)})


def taking_turns():
    return chain(["first", "second", "third"], {"odd": ("first", "third"), "even": ("second", "out")})


def called_again_from_above():
    return chain(["first", "second", "first"], {"below": ("first",), "above": ("second", "out")})


def unit_never_called():
    model = never_called()
    model.units = {"body": ("out",), "auxiliary head": ("auxiliary",)}
    return model


def unused_module_in_a_unit():
    model = never_called()
    model.units = {"all": ("out", "auxiliary")}
    return model


def result_thrown_away():
    """An auxiliary head that does run, but whose result nobody sees."""
    return Lambda(
        lambda m, x: (m.auxiliary(x.flatten(1)), m.out(x.flatten(1)))[1],
        auxiliary=nn.Linear(72, 4),
        out=nn.Linear(72, 4),
    )


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (upside_down, "'second' of the unit 'above' is called after 'first' of the unit 'below'"),
        (taking_turns, "'third' of the unit 'odd' is called after 'second' of the unit 'even'"),
        (called_again_from_above, "'first' of the unit 'below' is called after 'second' of the unit 'above'"),
        (unit_never_called, "No module of the unit 'auxiliary head' is called"),
        (unused_module_in_a_unit, "'auxiliary.weight' of the unit 'all' does not lead to the logits"),
        (result_thrown_away, "'auxiliary.weight' of the unit 'auxiliary' does not lead to the logits"),
        (ClassToken, "'token' belongs to no unit"),
        (never_called, "'auxiliary.weight' belongs to no unit"),
        (overlapping, "'2.weight' belongs to several units"),
        (incomplete, "'2.weight' belongs to no unit"),
        (misspelt, "seven own no tensor"),
    ],
    ids=[
        "upside_down",
        "taking_turns",
        "called_again_from_above",
        "unit_never_called",
        "unused_module_in_a_unit",
        "result_thrown_away",
        "parameter_held_directly_T5",
        "module_never_called_T8",
        "overlapping",
        "incomplete",
        "misspelt",
    ],
)
def test_units_that_do_not_cover_the_model_once_are_refused(build, says):
    with pytest.raises(StudyError) as caught:
        units_of(build().double(), IMAGES)
    assert says in str(caught.value)


def test_T8_auxiliary_head_of_inception_is_refused_unless_removed():
    torch.manual_seed(0)
    model = torchvision.models.inception_v3(weights=None, init_weights=False)
    with pytest.raises(StudyError, match=r"AuxLogits.*belongs to no unit"):
        units_of(model, torch.zeros(1, 3, 96, 96))
    model.AuxLogits = None
    units = list(units_of(model, torch.zeros(1, 3, 96, 96)))
    assert units[0] == "Conv2d_1a_3x3.conv" and units[-1] == "fc" and len(units) == 2 * 94 + 1


def test_attribute_units_of_another_meaning_is_one_clear_sentence():
    model = toys.net("mlp")
    model.units = 128
    with pytest.raises(StudyError, match="`units` is 128"):
        units_of(model, IMAGES)


def test_tied_weights_are_refused_because_a_step_would_reach_below_itself():
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 72), nn.ReLU(), nn.Linear(72, 72), nn.Linear(72, 4)).double()
    model[3].weight = model[1].weight
    with pytest.raises(StudyError, match=r"'1\.weight' and '3\.weight' are one tensor"):
        units_of(model, IMAGES)


# ---------------------------------------------------------------- nothing is left behind


def test_model_is_left_as_it_was_with_every_training_flag():
    """Frozen batch norm inside a net in training mode must stay frozen."""
    model = toys.net("pooled").train()
    model[3].eval()
    flags = [module.training for module in model.modules()]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    units_of(model, IMAGES)
    assert [module.training for module in model.modules()] == flags
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in model.modules())
