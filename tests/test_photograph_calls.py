"""The calls of the study of networks for photographs: what they are, what is refused before them, and its tables."""

from __future__ import annotations

import lzma

import numpy as np
import pandas as pd
import pytest
import torch
from made_up import around, rows_of, scores
from scipy import stats
from toy_photographs import declare, write_photographs

from lib import image_models, photograph_calls, photographs, weights
from lib.attributions import CONTROLS
from lib.calls import Call
from lib.errors import StudyError
from lib.gathered import Gathered
from lib.photograph_calls import labels_of, networks_of, photograph_picture_calls
from lib.photograph_calls import photograph_calls as calls_of
from lib.photograph_cascades import cascade_pictures, cascade_scores, recognition_scores
from lib.photograph_maps import edge_pictures, edge_scores, mask_scores
from lib.photograph_networks import accuracy_scores, block_scores
from lib.photograph_tables import accuracy_table, block_table, mask_table, of_network, with_corrected

PLAN = {
    "methods": ["gradient", "gradient_x_input", "edge", "input"], "costly": ["smoothgrad(samples=2)"],
    "orders": ["cascade", "independent"], "products": ["gradient_x_input"], "calibrated": ["gradient"],
    "sweep_methods": ["gradient"],
    "init": ["own", "tn(0.01)"], "bn": ["keep-stats", "fresh"], "count": 16, "image_range": [], "draws": 2,
    "mask_draws": 3,
}  # fmt: skip


class Plan(Gathered):
    """The part of a study that makes calls and gathers them, in a folder of its own."""

    def __init__(self, folder, **params):
        self.folder, self.params = folder, params

    def _of_calls(self, kind, calls, make):
        make(self.folder)
        return self.folder


@pytest.fixture
def study(tmp_path):
    return Plan(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_photographs(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def toy(monkeypatch, study, folder):
    """The toy network as it is given to all calls; nothing of it may be computed, random weights aside."""
    net = declare(monkeypatch)
    monkeypatch.setattr(image_models, "build", lambda name, _: {"toy": net}[name])
    return networks_of(study, ["toy"], ["package"], folder)


# What is given to the computations ----------------------------------------------------------------------------------


def test_every_network_has_its_weights_and_the_photographs(monkeypatch, study, folder):
    declare(monkeypatch)
    found = networks_of(study, ["squeezenet1_0", "toy"], ["package", "download"], folder)
    assert [(each["network"], each["weights_of"], each["dataset"]) for each in found] == [
        ("squeezenet1_0", "package", folder), ("toy", "download", folder),
    ]  # fmt: skip


def test_the_key_tells_weights_and_photographs(monkeypatch, study, tmp_path):
    declare(monkeypatch)
    path = write_photographs(tmp_path)
    (tmp_path / "own.pth").write_bytes(b"1")
    own = str(tmp_path / "own.pth")

    def digest(of="package"):
        return networks_of(study, ["toy"], [of], path)[0]["files_digest"]

    first, of_file = digest(), digest(own)
    assert digest() == first
    (tmp_path / "own.pth").write_bytes(b"2")
    other_file = digest(own)
    (tmp_path / "3.png").write_bytes((tmp_path / "4.png").read_bytes())
    assert len({first, of_file, other_file, digest(), digest("download")}) == 5


def test_labels_are_the_truth_about_the_weights(monkeypatch, study, folder):
    declare(monkeypatch)
    monkeypatch.setattr(photograph_calls, "load", weights.load)
    assert labels_of(study, networks_of(study, ["toy"], ["package"], folder)) == {"toy": "a toy"}


def test_photographs_are_looked_for_in_the_data_folder_of_the_study(monkeypatch, tmp_path, folder):
    declare(monkeypatch)
    monkeypatch.setenv("SALIENCY_DATA", str(tmp_path / "nothing"))
    above, _, name = folder.rpartition("/")
    study = Plan(tmp_path, data_dir=above)
    given = networks_of(study, ["toy"], ["package"], name)
    assert given[0]["files_digest"] == networks_of(study, ["toy"], ["package"], folder)[0]["files_digest"]
    monkeypatch.setattr(image_models, "build", lambda name, _: weights.load(name, "package"))
    assert len(calls_of(study, given, **PLAN)) == 6
    assert len(photograph_picture_calls(study, given[0], files=["3.png"], methods=["gradient"], signed=[], init="own",
                                        bn="fresh")) == 2  # fmt: skip


@pytest.mark.parametrize(
    ("networks", "of", "words"),
    [
        ([], [], "name each network once, and its weights in the same place"),
        (["toy"], [], "name each network once"),
        (["toy"], ["package", "download"], "name each network once"),
        (["toy", "toy"], ["package", "download"], "name each network once"),
        (["toy", "toy9"], ["package", "package"], "^The network 'toy9' is not known; choose one of .*toy"),
        (["toy"], ["nowhere.pth"], "^The weights nowhere.pth cannot be read; name a file that is there"),
    ],
)
def test_wrong_networks_are_refused(monkeypatch, study, folder, networks, of, words):
    declare(monkeypatch)
    with pytest.raises(StudyError, match=words) as caught:
        networks_of(study, networks, of, folder)
    assert str(caught.value).count(". ") == 0 and str(caught.value).endswith(".")


def test_a_folder_without_a_list_is_refused(monkeypatch, study, tmp_path):
    declare(monkeypatch)
    with pytest.raises(StudyError, match="need the list"):
        networks_of(study, ["toy"], ["package"], str(tmp_path / "nothing"))


def test_a_listed_photograph_that_is_not_there_is_named(monkeypatch, study, tmp_path):
    declare(monkeypatch)
    path = write_photographs(tmp_path)
    (tmp_path / "7.png").unlink()
    with pytest.raises(StudyError, match=r"^The photograph .*/7\.png cannot be read; replace it, or take it off the l"):
        networks_of(study, ["toy"], ["package"], path)


# The calls ----------------------------------------------------------------------------------------------------------


def test_each_network_is_asked_everything_once(study, toy):
    calls = calls_of(study, toy, **PLAN)
    by = {call.function: call for call in calls}
    assert [call.function for call in calls] == [
        cascade_scores, recognition_scores, edge_scores, mask_scores, accuracy_scores, block_scores,
    ]  # fmt: skip
    for call in calls[:4]:
        assert call.settings.items() >= (toy[0] | {"count": 16, "image_range": []}).items()
    cascade = by[cascade_scores]
    assert cascade.methods == PLAN["methods"]
    assert cascade.settings.items() >= {name: PLAN[name] for name in ("costly", "sweep_methods", "init", "bn")}.items()
    assert cascade.settings["orders"] == ["cascade", "independent"] and cascade.settings["draws"] == 2
    recognition = by[recognition_scores].settings
    assert (recognition["products"], recognition["draws"]) == (["gradient_x_input"], 2)
    assert (recognition["init"], recognition["bn"]) == ("own", "keep-stats"), "the main setting"
    assert by[edge_scores].methods == ["gradient", "gradient_x_input", "smoothgrad(samples=2)"]
    assert set(by[edge_scores].methods).isdisjoint(CONTROLS)
    assert by[mask_scores].methods == ["gradient"] and by[mask_scores].settings["mask_draws"] == 3
    assert by[accuracy_scores].settings == toy[0]
    assert by[block_scores].settings == {"network": "inception_v3"}


def test_blocks_are_counted_once_for_all_networks(study, toy):
    calls = calls_of(study, [toy[0], toy[0] | {"weights_of": "download"}], **PLAN)
    functions = [call.function for call in calls]
    assert functions.count(block_scores) == 1 and functions.count(accuracy_scores) == functions.count(mask_scores) == 2


@pytest.mark.parametrize(("part", "whole"), [([], True), ([0, 8], True), ([0, 16], True), ([8, 16], False)])
def test_what_is_about_all_photographs_stands_in_the_first_part(study, toy, part, whole):
    functions = [call.function for call in calls_of(study, toy, **PLAN | {"image_range": part})]
    assert (accuracy_scores in functions, block_scores in functions) == (whole, whole)
    assert len(functions) == (6 if whole else 4)


def test_a_part_may_end_with_the_last_photograph(study, toy):
    calls = calls_of(study, toy, **PLAN | {"count": 13, "image_range": [8, 13]})
    assert calls[0].settings["image_range"] == [8, 13]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"products": ["guided_backprop"]}, "^guided_backprop is to be looked at closely, but is not among the meth"),
        ({"calibrated": ["vargrad"]}, "^vargrad is to be looked at closely"),
        ({"sweep_methods": ["gradcam"]}, "^gradcam is to be looked at closely, but is not among the methods; add it"),
        ({"orders": ["independent"]}, "^orders is .'independent'.; start with cascade"),
        ({"count": 17}, "^n_images is 17, but .* has 1 to 16 photographs"),
        ({"image_range": [8]}, "^image_range is .8.; give two places"),
        ({"image_range": [8, 24]}, "^image_range is .8, 24.; give two places"),
        ({"image_range": [0, 4]}, "^image_range is .0, 4.; a part begins and ends at multiples of 8 photographs"),
        ({"image_range": [4, 16]}, "^image_range is .4, 16.; a part begins and ends at multiples of 8"),
        ({"methods": [*PLAN["methods"], "dtd_zplus"]}, "Deep Taylor"),
        ({"methods": [*PLAN["methods"], "gradients"]}, "gradients"),
    ],
)
def test_wrong_plans_are_refused_before_anything_is_computed(study, toy, monkeypatch, change, words):
    monkeypatch.setattr(study, "call", lambda *_, **__: pytest.fail("a call was made"))
    with pytest.raises(StudyError, match=words) as caught:
        calls_of(study, toy, **PLAN | change)
    assert str(caught.value).endswith(".")


def test_a_method_that_a_real_network_has_not_is_refused(study, folder):
    given = networks_of(study, ["efficientnet_lite0"], ["package"], folder)
    with pytest.raises(StudyError, match="Deep Taylor"):
        calls_of(study, given, **PLAN | {"methods": [*PLAN["methods"], "dtd_zplus"]})


def test_galleries_know_their_photographs(study, toy):
    settings = {"methods": ["gradient"], "signed": ["gradient"], "init": "own", "bn": "fresh"}
    calls = photograph_picture_calls(study, toy[0], files=["3.png", "1.png"], **settings)
    assert [(name, call.function) for name, call in calls.items()] == [
        ("cascade", cascade_pictures), ("edges", edge_pictures),
    ]  # fmt: skip
    for call in calls.values():
        assert call.settings.items() >= (toy[0] | {"files": ["3.png", "1.png"]}).items()
    assert calls["cascade"].methods == ["gradient"] and calls["cascade"].settings["signed"] == ["gradient"]
    assert set(calls["edges"].methods) == {"gradient", "guided_backprop", "guided_gradcam"}
    with pytest.raises(StudyError, match=r"^The photograph 'bird\.png' is not in"):
        photograph_picture_calls(study, toy[0], files=["bird.png"], **settings)


# What is gathered ---------------------------------------------------------------------------------------------------


def table_of(**columns):
    """A table of a third, as functions give them."""
    row = {"intervention": "i", "level": "l", "step": 1, "draw": 0, "image": 2, "target": 3, "method": "m"}
    return pd.DataFrame([row | {"metric": "x", "against": "none", "value": 1 / 3} | columns])


def test_a_table_that_names_its_net_keeps_the_names(study):
    named = study._named(Call(table_of, settings={"model": "squeezenet1_0", "dataset": "birds", "seed": 4}))
    assert named[["model", "dataset", "seed"]].values.tolist() == [["squeezenet1_0", "birds", 4]]
    other = study._named(Call(table_of))
    assert other[["model", "dataset", "seed"]].values.tolist() == [["none", "none", 0]]
    partly = study._named(Call(table_of, settings={"model": "squeezenet1_0"}))
    assert partly[["model", "dataset", "seed"]].values.tolist() == [["squeezenet1_0", "none", 0]]


def test_a_call_without_rows_changes_nothing(study, monkeypatch):
    declare(monkeypatch)
    empty = study.call(accuracy_scores, **networks_of(study, ["toy"], ["package"], photographs.PACKAGED)[0])
    found = study.gather([study.call(table_of, model="toy"), empty, study.call(table_of)])
    assert found.model.tolist() == ["none", "toy"] and found.value.tolist() == [0.333333] * 2
    # The bytes of the file are those of the same numbers without it.
    stored = lzma.decompress((study.folder / "scores.csv.xz").read_bytes())
    study.gather([study.call(table_of, model="toy"), study.call(table_of)])
    assert lzma.decompress((study.folder / "scores.csv.xz").read_bytes()) == stored


# Tables -------------------------------------------------------------------------------------------------------------


def named(values, network="resnet18", **more):
    return rows_of(values, model=network, dataset="birds", **more)


def interval(values):
    """The ordinary t interval of some values in three digits."""
    values = np.asarray(values)
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{values.mean():.3f} [{values.mean() - half:.3f}, {values.mean() + half:.3f}]"


def test_the_scores_of_one_network_lose_the_prefix():
    table = scores(
        named(around(0.5), intervention="photographs: cascade"),
        named(around(0.5), intervention="photographs: cascade(init=own)"),
        named(around(0.5), "vgg16", intervention="photographs: cascade"),
    ).astype({"intervention": "category", "model": "category"})
    own = of_network(table, "resnet18")
    assert set(own.intervention) == {"cascade", "cascade(init=own)"} and set(own.model) == {"resnet18"}
    assert len(own) == 60 and set(table.intervention.astype(str)) == {
        "photographs: cascade", "photographs: cascade(init=own)",
    }  # fmt: skip


def test_ssim_is_counted_from_that_of_the_shuffled_map_of_the_same_image_and_method():
    rng = np.random.default_rng(0)
    chance = {method: rng.uniform(0.1, 0.6, 4) for method in ("gradient", "gradcam")}
    values = {(method, step): rng.uniform(0, 1, (4, 2)) for method in chance for step in (1, 2)}
    tables = []
    for method, nulls in chance.items():
        null = {"metric": "ssim", "step": 0, "method": method}
        tables += [rows_of(nulls, against="null_shuffle", **null).assign(draw=-1), rows_of(np.ones(4), **null)]
        tables += [rows_of(nulls + 0.1, against="null_other_image", **null)]
        for step in (1, 2):
            tables += [rows_of(values[method, step], metric="ssim", step=step, method=method)]
            tables += [rows_of(values[method, step], metric="hog", step=step, method=method)]
    tables += [rows_of(values["gradient", 1], metric="ssim", intervention="reverse")]
    table = scores(*tables)
    found = with_corrected(table)
    assert set(found.intervention) == {"cascade"}
    before = found[found.metric != "ssim_corrected"]
    assert before.reset_index(drop=True).equals(table[table.intervention == "cascade"].reset_index(drop=True))
    added = found[found.metric == "ssim_corrected"]
    assert set(added.against) == {"original"} and set(added.columns) == set(table.columns)
    assert len(added) == 2 * 4 * (1 + 2 * 2)
    for method, step in values:
        own = added[(added.method == method) & (added.step == step)].sort_values(["image", "draw"])
        zero = chance[method][:, None]
        assert np.allclose(own.value, ((values[method, step] - zero) / (1 - zero)).ravel(), rtol=1e-12)
    assert (added[added.step == 0].value == 1).all(), "equal maps stay at 1"


def test_accuracy_is_told_with_intervals_in_the_order_of_the_labels():
    rng = np.random.default_rng(0)
    right = {
        (net, k): (rng.uniform(size=30) < p) * 1.0 for net, p in (("a", 0.6), ("b", 0.3)) for k in ("top1", "top5")
    }
    given = {"intervention": "photographs: accuracy", "method": "none", "against": "none", "step": 0}
    table = scores(
        *(named(values, net, metric=metric, **given) for (net, metric), values in right.items()),
        named(np.zeros(3), "a", metric="top1"),
    )
    found = accuracy_table(table, {"b": "second net", "a": "first net", "c": "no photographs with classes"})
    assert found.index.tolist() == ["second net", "first net"]
    assert found.columns.tolist() == ["photographs", "top-1", "top-5"] and found.photographs.tolist() == [30, 30]
    for net, label in (("a", "first net"), ("b", "second net")):
        assert found.loc[label, "top-1"] == interval(right[net, "top1"])
        assert found.loc[label, "top-5"] == interval(right[net, "top5"])
    assert accuracy_table(table, {"c": "none"}).empty


def test_masks_are_told_by_method_and_metric():
    rng = np.random.default_rng(0)
    metrics = ["spearman", "spearman_abs", "hog", "ssim", "ssim(normalisation=p99)", "ssim(normalisation=std)"]
    values = {(method, metric): rng.normal(0, 0.1, 8) for method in ("gradient", "gradcam") for metric in metrics}
    given = {"intervention": "random_mask", "against": "gaussian(1)", "step": 0}
    table = scores(*(named(each, method=method, metric=metric, **given) for (method, metric), each in values.items()))
    found = mask_table(table, ["gradcam", "gradient"])
    assert found.index.tolist() == ["GradCAM", "Gradient"]
    assert found.columns.tolist() == ["ρ", "ρₐ", "HOG", "SSIM", "SSIM, P99", "SSIM, std"]
    signs = set()
    for method, row in (("gradcam", "GradCAM"), ("gradient", "Gradient")):
        for metric, column in zip(metrics, found.columns, strict=True):
            own = values[method, metric]
            half = stats.t.ppf(0.975, 7) * stats.sem(own)
            mean, _, width = found.loc[row, column].partition(" ± ")
            assert float(mean.replace("−", "-")) == pytest.approx(own.mean(), abs=5.1e-5)
            assert float(width) == pytest.approx(half, abs=5.1e-5) and "-" not in mean
            signs.add(mean[0])
    assert signs == {"0", "−"}


def test_one_photograph_gives_a_mean_without_an_interval():
    table = named([-0.25], metric="hog", intervention="random_mask", against="gaussian(1)", step=0)
    cells = mask_table(table, ["gradient"]).loc["Gradient"]
    assert cells["HOG"] == "−0.2500 ± –" and cells["SSIM"] == "– ± –"


def test_blocks_are_told_by_network():
    table = scores(
        *(
            named([value], net, metric=metric, intervention="photographs: blocks")
            for net, numbers in (("inception_v3", (17, 1, 0)), ("resnet18", (6, 0.5, 2)))
            for metric, value in zip(("units", "covered", "shared"), numbers, strict=True)
        ),
        named([3.0], metric="units"),
    ).astype({"model": "category", "metric": "category"})
    found = block_table(table)
    assert found.loc["inception_v3"].to_dict() == {"units": 17, "covered": 1, "shared": 0}
    assert found.loc["resnet18"].to_dict() == {"units": 6, "covered": 0.5, "shared": 2} and len(found) == 2


def test_the_calls_give_what_the_tables_read(study, toy):
    """The whole study at its smallest: one photograph at a time, every call, every table."""
    few = PLAN | {"count": 2, "draws": 1, "mask_draws": 1, "init": ["own"], "bn": ["fresh"], "costly": []}
    few |= {"methods": ["gradient", "gradient_x_input", "input"]}
    calls = [call for call in calls_of(study, toy, **few) if call.function is not block_scores]
    table = study.gather(calls)
    assert set(table.model) == {"toy"} and torch.isfinite(torch.tensor(table.value.to_numpy())).all()
    own = of_network(table, "toy")
    assert (with_corrected(own).metric == "ssim_corrected").sum() == 3 * 2 * (1 + 5)
    assert accuracy_table(table, {"toy": "Toy"}).photographs.tolist() == [16]
    assert mask_table(own, ["gradient"]).shape == (1, 6)


def test_the_network_of_the_blocks_is_a_known_one():
    assert photograph_calls.BLOCKS_OF in image_models.ARCHITECTURES
