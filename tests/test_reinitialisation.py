"""Every order destroys what it says, with the same numbers, and nothing else; the manifest would tell."""

from __future__ import annotations

import copy
import hashlib
import itertools

import pytest
import torch
import toys
from destroyed import IMAGES, law_of, same_tensors, steps_of, trained_law
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from toys import Lambda

from lib import models
from lib.errors import StudyError
from lib.initialisers import law_named
from lib.reinitialisation import ORDERS, Step, manifest, reinitialised, steps
from lib.units import unit_tensors, units_of

BATCH_NORM = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0.0}


# ---------------------------------------------------------------- what a cascade changes


@pytest.mark.parametrize("prefix", ["nested", "fresh"])
def test_I22_step_k_has_the_k_topmost_units_new_and_all_others_bit_identical(any_net, prefix):
    _, model, images, _ = any_net
    trained = copy.deepcopy(model.state_dict())
    units = units_of(model, images)
    taken = steps_of(model, images, prefix=prefix)
    assert [step.unit for step in taken] == list(units)[::-1]
    norms = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    for step in taken:
        assert set(step.state) == set(trained)
        new = list(units)[len(units) - step.step :]
        for unit, modules in units.items():
            for name in unit_tensors(model, modules):
                value, owner, kind = step.state[name], *name.rsplit(".", 1)
                if unit not in new:
                    assert torch.equal(value, trained[name]), "below the step nothing may change, not one bit"
                elif owner in norms:
                    assert (value == BATCH_NORM[kind]).all(), "batch norm is made fresh, its statistics too"
                else:
                    assert (value != trained[name]).all() and value.abs().max() <= 0.02
                assert value.dtype == trained[name].dtype and value.shape == trained[name].shape


def test_I22_nested_steps_share_earlier_draws_and_fresh_steps_do_not():
    model = toys.net("max_pool")
    names = {unit: unit_tensors(model, modules) for unit, modules in units_of(model, IMAGES).items()}
    for prefix, shared in (("nested", True), ("fresh", False)):
        taken = steps_of(model, prefix=prefix)
        for before, after in itertools.pairwise(taken):
            for earlier in [step.unit for step in taken[: before.step]]:
                assert same_tensors(before.state, after.state, names[earlier]) == shared


def test_I22_last_step_is_the_full_re_initialisation():
    """It does not remember one number of the trained net: two different nets end in the same state."""
    one, other = (toys.net("residual", seed=seed) for seed in (0, 1))
    last, other_last = steps_of(one)[-1].state, steps_of(other)[-1].state
    assert not any(torch.equal(one.state_dict()[name], other.state_dict()[name]) for name, _ in one.named_parameters())
    assert same_tensors(last, other_last, list(last))


def test_T6_layers_of_equal_shape_get_different_weights():
    model = Lambda(
        lambda m, x: m.out(m.second(m.first(x)).flatten(1)),
        first=nn.Conv2d(2, 2, 3, padding=1),
        second=nn.Conv2d(2, 2, 3, padding=1),
        out=nn.Linear(72, 4),
    ).double()
    last = steps_of(model)[-1].state
    assert not torch.isclose(last["first.weight"], last["second.weight"]).any()
    assert not torch.isclose(last["first.bias"], last["second.bias"]).any()
    correlation = torch.corrcoef(torch.stack([last["first.weight"].flatten(), last["second.weight"].flatten()]))[0, 1]
    assert abs(correlation) < 4 / 6


def test_draws_and_seeds_differ_and_the_same_ones_repeat():
    model = toys.net("max_pool")
    states = [
        steps_of(model, draw=draw, seed=seed, prefix=prefix)[-1].state
        for draw, seed, prefix in [(0, 0, "nested"), (1, 0, "nested"), (0, 1, "nested"), (0, 0, "fresh")]
    ]
    for number, state in enumerate(states):
        for other in states[:number]:
            assert not any(torch.isclose(state[name], other[name]).any() for name in state)
    again = steps_of(model)[-1].state
    assert same_tensors(states[0], again, list(again))


def test_a_unit_gets_the_same_numbers_in_every_order_and_under_every_law():
    model = toys.net("max_pool")
    units = units_of(model, IMAGES)
    backwards = dict(reversed(units.items()))
    downwards = list(steps(model, units, law_of(), 3))[-1].state
    upwards = list(steps(model, backwards, law_of(), 3))[-1].state
    assert same_tensors(downwards, upwards, list(downwards))
    # The reverse order ends in the same state, and one unit by itself is a part of it.
    assert same_tensors(downwards, list(steps(model, units, law_of(), 3, order="reverse"))[-1].state, list(downwards))
    for step in steps(model, units, law_of(), 3, order="independent"):
        names = unit_tensors(model, units[step.unit])
        assert same_tensors(step.state, downwards, names)
    ten_times = list(steps(model, units, law_of(0.1), 3))[-1].state
    assert all(torch.allclose(ten_times[name], 10 * downwards[name], rtol=1e-12) for name in downwards)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**40), draw=st.integers(0, 10**6))
def test_every_seed_and_draw_changes_all_of_a_unit_within_the_cut(seed, draw):
    model = toys.net("mlp")
    for step in steps_of(model, draw=draw, seed=seed):
        values = torch.cat([step.state[f"{step.unit}.{kind}"].flatten() for kind in ("weight", "bias")])
        assert len(values.unique()) == len(values) and values.abs().max() <= 0.02


def test_taking_steps_leaves_the_model_as_it_was():
    model = toys.net("residual").train()
    before = copy.deepcopy(model.state_dict())
    steps_of(model)
    assert model.training and same_tensors(model.state_dict(), before, list(before))


def test_buffer_that_no_rule_covers_is_refused():
    model = toys.net("mlp")
    model[1].register_buffer("scale", torch.ones(1, dtype=torch.float64))
    with pytest.raises(StudyError, match=r"1\.scale"):
        reinitialised(model, ("1",), law_of(), torch.Generator())


def test_unknown_words_are_refused():
    model = toys.net("mlp")
    with pytest.raises(StudyError, match="nested, fresh"):
        steps_of(model, prefix="nestled")
    with pytest.raises(StudyError, match="keep-stats"):
        steps_of(model, bn="keep")
    with pytest.raises(StudyError, match="cascade, reverse, independent"):
        steps_of(model, order="sideways")
    with pytest.raises(StudyError, match="'tn' is not known"):
        law_named("tn", model)
    with pytest.raises(StudyError, match="own_law"):
        law_named("own", model)


# ---------------------------------------------------------------- the manifest


def test_manifest_proves_what_changed():
    model = models.build("cnn", torch.Generator().manual_seed(0))
    units = units_of(model, torch.zeros(1, 1, 28, 28))
    law = law_named("tn(0.01)", model)
    taken = [(order, step) for order in ORDERS for step in steps(model, units, law, 0, order=order)]
    table = manifest(model, units, taken)
    assert len(table) == 3 * 4 * 4 and table.groupby(["order", "step"])["numbers"].sum().eq(3_274_634).all()
    top_down = list(reversed(units))
    for row in table.itertuples():
        place = top_down.index(row.unit)
        randomised = {
            "cascade": place < row.step,
            "reverse": place >= 4 - row.step,
            "independent": place == row.step - 1,
        }[row.order]
        assert row.changed == (1.0 if randomised else 0.0)
        trained = torch.cat([model.state_dict()[name].flatten() for name in unit_tensors(model, units[row.unit])])
        unchanged = hashlib.sha256(trained.numpy().tobytes()).hexdigest().startswith(row.digest)
        assert unchanged == (not randomised)
        if randomised:
            assert row.std == pytest.approx(0.8796 * 0.01, rel=0.1 if row.unit == "conv1" else 0.03)


def test_manifest_tells_a_cascade_that_did_nothing():
    """The fault behind Guided Backprop's fame may have been a copy that never got the new weights."""
    model = toys.net("mlp")
    units = units_of(model, IMAGES)
    table = manifest(model, units, [("cascade", Step(0, 1, "5", ("5",), model.state_dict()))])
    assert (table["changed"] == 0).all()
    table = manifest(model, units, (("cascade", step) for step in steps(model, units, trained_law, 0)))
    assert (table["changed"] == 0).all()


# ---------------------------------------------------------------- batch norm


def norm_state(bn, law=None, **options):
    """The fully destroyed state of a net with batch norm, its statistics all random before."""
    model = toys.net("residual")
    return model, steps_of(model, law=law, bn=bn, **options)[-1].state


def test_drawn_batch_norm_comes_from_the_law_and_its_statistics_are_fresh():
    _, state = norm_state("drawn")
    for kind in ("weight", "bias"):
        values = state[f"norm1.{kind}"]
        assert (values.abs() <= 0.02).all() and (values != 0).all() and len(values.unique()) == len(values)
    assert (state["norm1.running_mean"] == 0).all() and (state["norm1.running_var"] == 1).all()


def test_kept_statistics_stay_the_trained_ones_to_the_bit():
    """What the released code does: it re-initialises trainable variables only (trap T18)."""
    model, state = norm_state("keep-stats")
    for name, value in state.items():
        if "running" in name or "num_batches" in name:
            assert torch.equal(value, model.state_dict()[name])
    assert (state["norm1.weight"] == 1).all() and (state["norm1.bias"] == 0).all()


def test_recalibrated_statistics_are_those_of_the_images_and_only_in_destroyed_units():
    images = toys.images(16, seed=4)
    model = toys.net("residual")
    law = law_of(0.5)
    units = units_of(model, images)
    reached = {}
    for step in steps(model, units, law, 0, bn="recalibrate", calibration=images):
        reached[step.unit] = step.state
        for unit, modules in units.items():
            if unit not in step.destroyed:
                assert same_tensors(step.state, model.state_dict(), unit_tensors(model, modules))
    state = list(reached.values())[-1]
    seen = torch.nn.functional.conv2d(images, state["conv1.weight"], padding=1)
    assert torch.allclose(state["norm1.running_mean"], seen.mean((0, 2, 3)), rtol=1e-10)
    assert torch.allclose(state["norm1.running_var"], seen.var((0, 2, 3)), rtol=1e-10)


def test_recalibration_without_images_is_refused():
    with pytest.raises(StudyError, match="calibration"):
        norm_state("recalibrate")
