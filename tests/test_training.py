"""Recipes are checked, and training does what they say: compared with a plain float64 Adam."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import asdict, replace

import pandas as pd
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from lib import artefacts, data, models, training
from lib.accuracy import correct
from lib.compute import ROOT, generator
from lib.errors import StudyError
from lib.training import Recipe, read_recipe, recipe_files, recipe_from, train

GOOD = {
    "model": "cnn",
    "dataset": "mnist-5k",
    "seed": 0,
    "iterations": 20,
    "batch_size": 16,
    "learning_rate": 0.001,
    "weight_decay": 0.001,
}

pytestmark = pytest.mark.usefixtures("shared_cache")


# Recipes ------------------------------------------------------------------------------------------------------------


def test_a_good_recipe_is_taken_as_it_stands():
    assert asdict(recipe_from(GOOD, "file")) == GOOD | {"precision": "float32", "optimizer": "adam", "weights": ""}
    assert recipe_from(GOOD | {"precision": "bfloat16"}, "file").precision == "bfloat16"
    whole = recipe_from(GOOD | {"weight_decay": 0, "learning_rate": 1}, "file")
    assert type(whole.weight_decay) is float and type(whole.learning_rate) is float


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": None}, ["seed"]),
        ({"learning_rate": "1e-4"}, ["learning_rate", "1e-4", "float"]),
        ({"iterations": "20"}, ["iterations", "int"]),
        ({"iterations": 20.0}, ["iterations", "int"]),
        ({"iterations": True}, ["iterations", "int"]),
        ({"model": 3}, ["model", "str"]),
        ({"batch_size": [16]}, ["batch_size"]),
        ({"iterations": 0}, ["iterations", "above 0"]),
        ({"batch_size": -5}, ["batch_size", "above 0"]),
        ({"learning_rate": 0.0}, ["learning_rate", "above 0"]),
        ({"learning_rate": -0.1}, ["learning_rate", "above 0"]),
        ({"learning_rate": math.nan}, ["learning_rate"]),
        ({"learning_rate": math.inf}, ["learning_rate"]),
        ({"weight_decay": -0.001}, ["weight_decay"]),
        ({"weight_decay": math.nan}, ["weight_decay"]),
        ({"precision": "float16"}, ["precision", "'float16'", "float32, bfloat16"]),
        ({"optimizer": "lion"}, ["optimizer", "'lion'", "adam, sgd"]),
        ({"model": "vgg"}, ["'vgg'", "cnn, mlp"]),
        ({"dataset": "mnist-6k"}, ["'mnist-6k'", "mnist-5k"]),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_with_one_sentence(change, words):
    with pytest.raises(StudyError) as error:
        recipe_from(GOOD | change, "params/x/models/y.yml")
    text = str(error.value)
    assert "\n" not in text and text.endswith((".", ")"))
    assert all(word in text for word in words), text


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_field_is_named(name):
    values = {key: value for key, value in GOOD.items() if key != name}
    with pytest.raises(StudyError, match=f"y.yml: '{name}' is missing; a recipe has exactly model, dataset"):
        recipe_from(values, "y.yml")


def test_an_unknown_field_is_named():
    with pytest.raises(StudyError, match=r"y\.yml: 'momentum' is not a field of a recipe"):
        recipe_from(GOOD | {"momentum": 0.9}, "y.yml")


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "params").glob("*/models/*.yml")))
def test_every_recipe_of_the_project_is_good(name):
    recipe = read_recipe(name)
    variant = f"{recipe.model}-{recipe.dataset}"
    suffix = f"-seed{recipe.seed}" if recipe.seed else ""
    stopped_early = f"-{recipe.iterations}" if recipe.weights and name[-1].isdigit() else ""
    if "smoke" not in name:
        assert name == variant + suffix + stopped_early


def test_names_are_unique_over_all_presets(tmp_path, monkeypatch):
    paths = list((ROOT / "params").glob("*/models/*.yml"))
    assert recipe_files().keys() == {path.stem for path in paths} and len(recipe_files()) == len(paths)
    monkeypatch.setattr(training, "ROOT", tmp_path)
    for preset in ("quick", "paper"):
        (tmp_path / "params" / preset / "models").mkdir(parents=True)
        (tmp_path / "params" / preset / "models" / "net.yml").write_text(json.dumps(GOOD))
    with pytest.raises(StudyError, match="Two recipes are called net"):
        recipe_files()


def test_an_unknown_recipe_is_refused():
    with pytest.raises(StudyError, match=r"No recipe is called 'cnn-mars'; choose one of .*cnn-smoke"):
        read_recipe("cnn-mars")


def test_the_key_follows_every_field():
    recipe = Recipe(**GOOD)
    changes = {"model": "mlp", "dataset": "mnist", "seed": 1, "iterations": 21, "batch_size": 17}
    changes |= {"learning_rate": 0.002, "weight_decay": 0.0}
    changes |= {"precision": "bfloat16", "optimizer": "sgd"}
    assert {*changes, "weights"} == asdict(recipe).keys()
    keys = {recipe.key, *(replace(recipe, **{name: value}).key for name, value in changes.items())}
    assert len(keys) == len(changes) + 1
    begun = replace(recipe, model="resnet18", weights="own")
    keys |= {replace(begun, **changed).key for changed in ({}, {"weights": "download"}, {"iterations": 21})}
    assert len(keys) == len(changes) + 4
    assert recipe.key == Recipe(**GOOD).key


# First weights ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", models.ARCHITECTURES)
def test_first_weights_follow_the_model_s_own_law(name):
    model = models.build(name, generator(0, "weights"))
    for parameter_name, parameter in model.named_parameters():
        values = parameter.detach().double().flatten()
        if parameter_name.endswith("bias"):
            assert values.unique().tolist() == pytest.approx([{"cnn": 0.1, "mlp": 0.0, "k_mlp": 0.0}[name]])
            continue
        fan_in = parameter.numel() // parameter.shape[0]
        std = {"cnn": 0.1, "mlp": 2 / math.sqrt(fan_in), "k_mlp": math.sqrt(2 / fan_in)}[name]
        # A normal law cut at two standard deviations, by an independent implementation.
        sample = values[torch.randperm(len(values), generator=generator("test"))[:20_000]] / std
        assert sample.abs().max() <= 2.0
        assert stats.kstest(sample.numpy(), stats.truncnorm(-2, 2).cdf).pvalue > 1e-3, parameter_name
        assert values.std().item() == pytest.approx(0.8796 * std, rel=0.05 if len(values) < 5000 else 0.01)


# Training -----------------------------------------------------------------------------------------------------------


def test_training_is_the_same_twice_and_differs_by_seed():
    recipe = Recipe(**GOOD)
    torch.manual_seed(1)
    first, history = train(recipe)
    torch.manual_seed(2)
    second, again = train(recipe)
    other, _ = train(replace(recipe, seed=1))
    assert history == again
    for (name, a), b, c in zip(
        first.state_dict().items(), second.state_dict().values(), other.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
        assert not torch.equal(a, c), name
    assert not first.training and not any(parameter.requires_grad for parameter in first.parameters())
    assert [entry["iteration"] for entry in history] == [20]
    # Twenty steps from about ln(10) or worse: it has begun to learn.
    dataset = data.load("mnist-5k")
    start = models.build("cnn", generator(0, "weights"))

    def loss_of(model):
        with torch.no_grad():
            return F.cross_entropy(model(dataset.test_images[:200]), dataset.test_labels[:200]).item()

    assert loss_of(first) < 0.5 * loss_of(start)


def plain_adam(recipe: Recipe, decayed: tuple[str, ...], decoupled: bool = False) -> dict[str, torch.Tensor]:
    """Adam as in the paper of Kingma and Ba, in float64; the penalty's gradient is part of the gradient."""
    dataset = data.load(recipe.dataset)
    model = models.build(recipe.model, generator(recipe.seed, "weights")).double()
    weights = dict(model.named_parameters())
    first = {name: torch.zeros_like(value) for name, value in weights.items()}
    second = {name: torch.zeros_like(value) for name, value in weights.items()}
    batches = training._batches(len(dataset.train_labels), recipe.batch_size, generator(recipe.seed, "batches"))
    for step, batch in enumerate(itertools.islice(batches, recipe.iterations), start=1):
        images, labels = dataset.train_images[batch].double(), dataset.train_labels[batch]
        log = torch.log_softmax(model(images), dim=1)
        loss = -log[torch.arange(len(labels)), labels].mean()
        gradients = torch.autograd.grad(loss, list(weights.values()))
        with torch.no_grad():
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
                if name in decayed and not decoupled:
                    gradient = gradient + recipe.weight_decay * weight
                first[name] = 0.9 * first[name] + 0.1 * gradient
                second[name] = 0.999 * second[name] + 0.001 * gradient**2
                mean, square = first[name] / (1 - 0.9**step), second[name] / (1 - 0.999**step)
                if name in decayed and decoupled:
                    weight -= recipe.learning_rate * recipe.weight_decay * weight
                weight -= recipe.learning_rate * mean / (square.sqrt() + 1e-8)
    return {name: weight.detach() for name, weight in weights.items()}


def share_close(model, expected: dict[str, torch.Tensor], step: float) -> dict[str, float]:
    """For each tensor, the share of weights that agree to a hundredth of one step."""
    found = dict(model.named_parameters())
    close = {name: (found[name].double() - value).abs() < 0.01 * step for name, value in expected.items()}
    return {name: value.double().mean().item() for name, value in close.items()}


@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_three_steps_equal_a_plain_float64_adam(name):
    # A heavy penalty, so that it shows in three steps.
    recipe = Recipe(**GOOD | {"model": name, "iterations": 3, "batch_size": 8, "weight_decay": 0.1})
    model, _ = train(recipe)
    decayed = {"cnn": ("conv1.weight", "conv2.weight", "fc1.weight"), "mlp": ()}[name]
    shares = share_close(model, plain_adam(recipe, decayed), recipe.learning_rate)
    # Where a gradient is nearly 0, float32 and float64 may differ in its sign.
    assert min(shares.values()) > 0.99, shares
    if name == "cnn":
        # The comparison would notice a penalty on all weights, on none, or a decoupled one.
        everything = share_close(model, plain_adam(recipe, tuple(shares)), recipe.learning_rate)
        assert everything["logits.weight"] < 0.9 and everything["fc1.bias"] < 0.9
        for wrong in (plain_adam(recipe, ()), plain_adam(recipe, decayed, decoupled=True)):
            found = share_close(model, wrong, recipe.learning_rate)
            assert all(found[each] < 0.9 for each in decayed), found


def test_three_steps_of_sgd_equal_plain_float64_descent_with_a_falling_rate():
    recipe = Recipe(
        **GOOD | {"model": "k_mlp", "iterations": 3, "batch_size": 8, "learning_rate": 0.1}, optimizer="sgd"
    )
    model, history = training.train_by_sgd(recipe)
    dataset = data.load(recipe.dataset)
    plain = models.build("k_mlp", generator(0, "weights")).double()
    weights, losses, right = dict(plain.named_parameters()), [], 0
    batches = training._batches(len(dataset.train_labels), 8, generator(0, "batches"))
    for rate, batch in zip((0.1, 0.1 * 2 / 3, 0.1 / 3), batches, strict=False):
        logits, labels = plain(dataset.train_images[batch].double()), dataset.train_labels[batch]
        losses.append(-torch.log_softmax(logits, 1)[torch.arange(8), labels].mean())
        right += int((logits.argmax(1) == labels).sum())
        with torch.no_grad():
            for weight, gradient in zip(
                weights.values(), torch.autograd.grad(losses[-1], [*weights.values()]), strict=True
            ):
                weight -= rate * gradient
    for name, found in model.named_parameters():
        assert (found.double() - weights[name]).abs().max() < 1e-6 * weights[name].abs().max(), name
    assert [entry["iteration"] for entry in history] == [3]
    assert history[0]["loss"] == pytest.approx(float(sum(losses)) / 3) and history[0]["accuracy"] == right / 24
    assert not model.training and not any(parameter.requires_grad for parameter in model.parameters())


def test_every_epoch_visits_each_image_at_most_once():
    batches = training._batches(10, 4, generator("test"))
    epochs = [torch.cat([next(batches), next(batches)]).tolist() for _ in range(30)]
    assert all(len(set(epoch)) == 8 and set(epoch) <= set(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 25, "a new order every epoch"
    assert set(itertools.chain(*epochs)) == set(range(10))


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(StudyError, match="batch_size is 5000, but there are only 4000"):
        train(replace(Recipe(**GOOD), batch_size=5000))


def test_correct_is_the_largest_logit():
    class Fixed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.scale * x.flatten(1)

    images = torch.eye(4).repeat(3, 1).reshape(12, 1, 2, 2)
    labels = torch.tensor([0, 1, 2, 3] * 2 + [3, 2, 1, 0])
    right = training.correct(Fixed(), images, labels, batch_size=5)
    assert right.tolist() == [True] * 8 + [False] * 4


# Named nets ---------------------------------------------------------------------------------------------------------


def test_a_named_net_is_trained_once_and_loaded_afterwards(monkeypatch):
    net = training.named_net("mlp-smoke")
    recipe = read_recipe("mlp-smoke")
    assert net.recipe == recipe and net.key == recipe.key and net.name == "mlp-smoke"
    direct, _ = train(recipe)
    for name, value in net.model.state_dict().items():
        assert torch.equal(value, direct.state_dict()[name]), name
    dataset = data.load(recipe.dataset)
    predicted = direct(dataset.test_images).argmax(1)
    summary = json.loads((training.train_named("mlp-smoke") / "summary.json").read_text())
    assert summary["test_accuracy"] == pytest.approx((predicted == dataset.test_labels).double().mean().item())

    def fail(*_args):
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "train", fail)
    folder = training.train_named("mlp-smoke")
    assert {path.name for path in folder.iterdir()} == {
        "model.pt", "config.json", "summary.json", "history.csv", artefacts.CHECKSUMS,
    }  # fmt: skip
    again = training.named_net("mlp-smoke")
    assert torch.equal(again.model.logits.weight, net.model.logits.weight)
    assert not again.model.training and not again.model.logits.weight.requires_grad


def test_half_precision_trains_as_full_precision_does():
    recipe = Recipe(**(GOOD | {"model": "mlp", "iterations": 40}), precision="bfloat16")
    found = {}
    for word in training.PRECISIONS:
        with training.in_precision(word):
            found[word] = train(recipe)
    half, full = found["bfloat16"], found["float32"]
    own = half[0].state_dict()
    assert {value.dtype for value in own.values()} == {torch.float32}
    assert any(not torch.equal(value, own[name]) for name, value in full[0].state_dict().items())
    # The loss falls alike: each pass sees the weights of its own step.
    assert half[1][0]["loss"] == pytest.approx(full[1][0]["loss"], rel=0.1)
    images, labels = data.load("mnist-5k").test_images, data.load("mnist-5k").test_labels
    right = [correct(each[0], images, labels).double().mean().item() for each in (half, full)]
    assert (
        half[0](images[:1]).dtype == torch.float32 and right[0] == pytest.approx(right[1], abs=0.1) and right[1] > 0.5
    )


def test_a_named_net_is_trained_in_the_precision_of_its_recipe(monkeypatch, tmp_path):
    seen = []

    def note(recipe, label):
        seen.append(torch.is_autocast_enabled("cpu"))
        raise StudyError("seen")

    monkeypatch.setenv("SALIENCY_CACHE", str(tmp_path))
    monkeypatch.setattr(training, "train", note)
    for precision in training.PRECISIONS:
        monkeypatch.setattr(training, "read_recipe", lambda name, word=precision: Recipe(**GOOD, precision=word))
        with pytest.raises(StudyError, match="seen"):
            training.train_named("any")
    assert seen == [False, True]


def test_a_net_s_rows_are_its_own():
    net = training.named_net("mlp-smoke")
    table = pd.DataFrame(
        [("mlp", "mnist-5k", 0), ("mlp", "mnist-5k", 1), ("mlp", "mnist", 0), ("cnn", "mnist-5k", 0)],
        columns=["model", "dataset", "seed"],
    )
    assert net.of(table).index.tolist() == [0]
