"""Laws of re-initialisation are what they say: distribution, cut, precision, and common uniform numbers."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from lib import models
from lib.initialisers import LAWS, constant, draw, fan_in, truncated_normal

COUNT = 40_000


def drawn(law, shape=(COUNT,), seed=0, name="unit.weight", dtype=torch.float32):
    return draw(law, name, torch.zeros(shape, dtype=dtype), torch.Generator().manual_seed(seed))


def paper_law():
    return LAWS["tn(0.01)"](torch.nn.Linear(1, 1))


@pytest.mark.parametrize("name", ["unit.weight", "unit.bias"])
def test_tn_001_is_scipys_truncated_normal_cut_at_two_standard_deviations(name):
    """`torch.nn.init.trunc_normal_` with its default cut at -2 and 2 fails this: p is 0 at this number of values."""
    values = drawn(paper_law(), name=name).double()
    law = stats.truncnorm(-2, 2, scale=0.01)
    assert stats.kstest(values.numpy(), law.cdf).pvalue > 0.01
    assert 0.0199 < values.abs().max() <= 0.02 * (1 + 1e-6)
    assert values.std().item() == pytest.approx(0.8796 * 0.01, rel=4 / math.sqrt(2 * COUNT))
    assert abs(values.mean().item()) < 4 * 0.0088 / math.sqrt(COUNT)
    wrong = torch.nn.init.trunc_normal_(torch.empty(COUNT), std=0.01, generator=torch.Generator().manual_seed(0))
    assert stats.kstest(wrong.numpy(), law.cdf).pvalue < 1e-6


def test_law_is_the_inverse_of_the_distribution_function():
    uniform = torch.linspace(0, 1, 101, dtype=torch.float64)
    expected = torch.from_numpy(stats.truncnorm(-2, 2, scale=0.3).ppf(uniform.numpy()))
    assert torch.allclose(truncated_normal(uniform, 0.3), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_own_laws_are_those_of_the_released_code(name):
    """cnn: TN(0, 0.1), biases 0.1; mlp: TN(0, 2 / sqrt(fan-in)), biases 0."""
    model = models.build(name, torch.Generator().manual_seed(0))
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith("bias"):
            assert (parameter == (0.1 if name == "cnn" else 0.0)).all()
        else:
            std = 0.1 if name == "cnn" else 2 / math.sqrt(parameter[0].numel())
            values = parameter.detach().flatten()[:COUNT].double()
            law = stats.truncnorm(-2, 2, scale=std)
            assert stats.kstest(values.numpy(), law.cdf).pvalue > 1e-3, parameter_name


def test_two_laws_start_from_the_same_uniform_numbers():
    """So that laws can be compared draw by draw: one is the other, scaled."""
    small, large = (drawn(lambda n, t, u, s=std: truncated_normal(u, s), dtype=torch.float64) for std in (0.01, 0.1))
    assert torch.allclose(large, 10 * small, rtol=1e-12)


def test_precision_follows_the_tensor_and_the_numbers_do_not():
    single, double = (drawn(paper_law(), dtype=dtype) for dtype in (torch.float32, torch.float64))
    assert single.dtype == torch.float32 and torch.equal(single, double.float())


def test_constant_and_fan_in():
    assert torch.equal(constant(torch.rand(3, 2), 0.1), torch.full((3, 2), 0.1))
    assert fan_in(torch.empty(7, 5)) == 5 and fan_in(torch.empty(7, 3, 5, 5)) == 75


def test_uniform_law_is_uniform_with_the_variance_of_the_printed_one():
    values = drawn(LAWS["uniform"](torch.nn.Linear(1, 1))).double()
    assert stats.kstest(values.numpy(), stats.uniform(-0.01524, 2 * 0.01524).cdf).pvalue > 0.01
    assert stats.truncnorm(-2, 2, scale=0.01).std() == pytest.approx(0.01524 / math.sqrt(3), rel=1e-3)


def test_kaiming_law_is_pytorchs_kaiming_normal():
    weight = torch.empty(200, 50, 2, 2)
    values = drawn(LAWS["kaiming"](torch.nn.Linear(1, 1)), weight.shape).double().flatten()
    assert stats.kstest(values.numpy(), stats.norm(0, math.sqrt(2 / 200)).cdf).pvalue > 0.01
    torch.nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=torch.Generator().manual_seed(1))
    assert values.std().item() == pytest.approx(weight.std().item(), rel=0.02)
    assert (drawn(LAWS["kaiming"](torch.nn.Linear(1, 1)), (9,), name="unit.bias") == 0).all()
    assert (drawn(LAWS["kaiming"](torch.nn.Linear(1, 1)), (9,), name="norm.weight") == 1).all()
