"""Shifts pixel by pixel, and networks that make up for them: equal to rounding where the algebra says so (J-01)."""

from __future__ import annotations

import copy

import pytest
import torch
import toys
from torch import nn

from lib.compensation import compensated
from lib.equivalence import answers, equivalence_scores
from lib.errors import StudyError
from lib.shifts import SHIFTS, named_shift, references, shifted_references

NETS = {
    "dense": lambda: nn.Sequential(nn.Flatten(), nn.Linear(72, 9), nn.ReLU(), nn.Linear(9, 4)),
    "dense without bias": lambda: nn.Sequential(nn.Flatten(), nn.Linear(72, 9, bias=False), nn.ReLU(), nn.Linear(9, 4)),
    "padded": lambda: nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(180, 4)),
    "strided": lambda: nn.Sequential(
        nn.Conv2d(2, 5, 3, stride=2, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(20, 4)
    ),
    "reflecting": lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(144, 4),
    ),
}


def net(name):
    torch.manual_seed(3)
    model = NETS[name]().double().eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.copy_(torch.randn_like(parameter) / 3)
    return model


def a_shift(shape=(2, 6, 6)):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(8))


# Shifts -------------------------------------------------------------------------------------------------------------


def test_the_shifts_pixel_by_pixel():
    for row in range(28):
        for column in range(28):
            white = (row // 4 + column // 4) % 2
            middle = 7 <= row < 21 and 7 <= column < 21
            pixel = {name: named_shift(name, (1, 28, 28))[0, row, column].item() for name in SHIFTS}
            assert pixel == {
                "const": -1.0,
                "checker": white,
                "checker7": (row // 7 + column // 7) % 2 - 0.5,
                "checker_centre": white if middle else 0.0,
            }


def test_a_shift_has_the_images_shape_and_double_precision():
    for name in SHIFTS:
        shift = named_shift(name, (3, 56, 84))
        assert shift.shape == (3, 56, 84) and shift.dtype == torch.float64
        assert torch.equal(shift[0], shift[2])
    # Cells grow with the shorter side: 7 across.
    assert named_shift("checker", (1, 56, 84))[0, 0, :24].tolist() == [0] * 8 + [1] * 8 + [0] * 8


def test_an_unknown_shift_is_refused():
    with pytest.raises(StudyError, match=r"The shift 'dog' is not known; choose one of const, .*, cat\.$"):
        named_shift("dog", (1, 28, 28))


def test_references_of_shifted_images_are_those_of_the_images_shifted():
    images = torch.rand(40, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    shift = a_shift()
    moved = shifted_references(references(images), shift)
    plain = images.double() + shift
    assert moved["black"].unique().item() == pytest.approx(plain.min().item())
    assert moved["white"].unique().item() == pytest.approx(plain.max().item())
    for name, by_pixel in (("pixelmin", plain.amin(0)), ("pixelmax", plain.amax(0)), ("mean", plain.mean(0))):
        assert (moved[name] - by_pixel).abs().max() < 1e-14, name


# Networks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_the_second_network_gives_for_shifted_images_what_the_first_gives_for_the_images(name):
    first, shift = net(name), a_shift()
    before = copy.deepcopy(first.state_dict())
    second = compensated(first, shift)
    images = torch.randn(7, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    found, expected = answers(first, second, images + shift), answers(first, first, images)
    before_it = isinstance(first[0], nn.Flatten)
    assert len(found) == len(expected) == 2 + len([*first.children()]) - before_it
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours - theirs).abs().max() <= 1e-13 * theirs.abs().max()
    # It is no trick: without the shift it gives something else, and the first network is as it was.
    assert (second(images) - first(images)).abs().max() > 0.1
    assert all(torch.equal(value, before[key]) for key, value in first.state_dict().items())


def test_with_zero_padding_one_bias_per_channel_would_not_do():
    first = net("padded")
    bias = compensated(first, torch.full((2, 6, 6), -1.0, dtype=torch.float64))[0].bias.bias[0]
    inside, corner = bias[:, 1:-1, 1:-1], bias[:, 0, 0]
    by_hand = first[0].bias + first[0].weight.sum((1, 2, 3))
    assert (inside - by_hand.view(-1, 1, 1)).abs().max() < 1e-14
    at_corner = first[0].bias + first[0].weight[:, :, 1:, 1:].sum((1, 2, 3))
    assert (corner - at_corner).abs().max() < 1e-14 and (corner - by_hand).abs().min() > 1e-3


def test_single_precision_stays_single():
    second = compensated(net("padded").float(), a_shift())
    assert {parameter.dtype for parameter in [*second.parameters(), *second.buffers()]} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in second.parameters())


def test_a_model_that_sees_its_input_twice_is_refused():
    twice = toys.Lambda(lambda self, x: self.a(x.flatten(1)) + x.flatten(1)[:, :4], a=nn.Linear(72, 4))
    with pytest.raises(StudyError, match="does not see its input through one dense or convolutional layer"):
        compensated(twice.double().eval().requires_grad_(False), a_shift())


# Equivalence --------------------------------------------------------------------------------------------------------


def test_equivalence_is_measured_and_its_failure_too(monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)).eval().requires_grad_(False)
    images, labels = torch.rand(230, 1, 4, 4), torch.randint(3, (230,))
    table = equivalence_scores(model, shifts=["const"], test_images=images, test_labels=labels)
    assert set(table.intervention) == {"network 1", "network 2(const)"}
    errors = table[table.metric == "relative_error"]
    assert (
        len(errors) == 3 * 3
        and set(errors.against) == {"logits", "activations", "gradient"}
        and errors.value.max() < 1e-13
    )
    right = (model(images).argmax(1) == labels).double()
    for network in ("network 1", "network 2(const)"):
        found = table[(table.intervention == network) & (table.metric == "accuracy")].sort_values("image")
        assert found.value.tolist() == right.tolist() and found.target.tolist() == labels.tolist()
    assert table[table.metric == "same_class"].value.tolist() == [1.0] * 230

    # The paper's prose adds the shift to the biases: with that sign nothing agrees.
    wrong = lambda first, shift: compensated(first, -shift)  # noqa: E731
    monkeypatch.setattr("lib.equivalence.compensated", wrong)
    table = equivalence_scores(model, shifts=["const"], test_images=images, test_labels=labels)
    assert table[table.metric == "relative_error"].groupby("against").value.min()["logits"] > 0.1


def test_the_largest_error_of_a_block_is_that_of_a_plain_loop(monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)).double().eval()
    model.requires_grad_(False)
    images = torch.rand(5, 1, 4, 4).double()
    other = copy.deepcopy(model)
    other[1].bias += 0.01 * torch.arange(8)
    monkeypatch.setattr("lib.equivalence.compensated", lambda first, shift: other)
    table = equivalence_scores(model, shifts=["const"], test_images=images, test_labels=torch.zeros(5).long())
    found = table[table.metric == "relative_error"].set_index("against").value
    weights = [(each[1].weight, each[1].bias, each[3].weight, each[3].bias) for each in (model, other)]
    numbers = []
    classes = model(images).argmax(1)
    for inputs, (w, b, v, c) in zip((images, images - 1), weights, strict=True):
        z = inputs.flatten(1) @ w.T + b
        numbers.append((inputs.flatten(1), z, z.relu(), z.relu() @ v.T + c, ((z > 0) * v[classes]) @ w))
    apart = [float((b - a).abs().max() / a.abs().max()) for a, b in zip(*numbers, strict=True)]
    assert found["logits"] == pytest.approx(apart[3]) and found["gradient"] == pytest.approx(apart[4])
    # The images themselves, which the first module reshapes, are no activation.
    assert found["activations"] == pytest.approx(max(apart[1:4]))
