"""Pairs of pictures: which half decides is right by construction, and the two parts of a data set are never mixed."""

from __future__ import annotations

import csv
import io
import shutil
import zipfile

import pytest
import torch
from PIL import Image

from lib import data, enlarged, pairs, tiny_imagenet
from lib.data import data_dir
from lib.errors import StudyError
from lib.pairs import OTHER, RELEVANT, Halves


def numbered(count):
    """Pictures whose pixels all hold the picture's number, with labels in a scrambled order."""
    pictures = torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 2, 3, 4).contiguous()
    return pictures, torch.arange(count) * 7 % 10


def test_a_thousand_pairs_are_right():
    pictures, labels = numbered(120)
    task = pairs.pairs(pictures, labels, 1000, "a thousand")
    assert task.images.shape == (1000, 2, 3, 8) and task.labels.dtype == torch.int64
    uses, lefts = torch.zeros(120), 0
    for image, label, relevant, other in zip(
        task.images, task.labels, task.regions[RELEVANT], task.regions[OTHER], strict=True
    ):
        halves = image[:, :, :4].unique().int().tolist(), image[:, :, 4:].unique().int().tolist()
        (left,), (right,) = halves
        deciding = [number for number in (left, right) if labels[number] < 5]
        assert len(deciding) == 1 and label == labels[deciding[0]]
        assert (image[:, relevant] == deciding[0]).all() and (image[:, other] == left + right - deciding[0]).all()
        assert relevant.sum() == 12 and not (relevant & other).any() and (relevant | other).all()
        uses[left] += 1
        uses[right] += 1
        lefts += deciding[0] == left
    # 60 pictures of each group for 1000 pairs: each 16 or 17 times. Fair coins: 500 ± 4 standard deviations.
    assert set(uses.tolist()) == {16.0, 17.0}
    assert 436 < lefts < 564


def test_pictures_of_the_two_groups_meet_at_random():
    pictures, labels = numbered(1000)
    task = pairs.pairs(pictures, labels, 500, "meeting")
    halves = Halves.of(task.images, task.regions[RELEVANT])
    first, second = (labels[each[:, 0, 0, 0].long()] for each in (halves.relevant, halves.other))
    counts = torch.zeros(5, 5).index_put_((first, second - 5), torch.ones(500), accumulate=True)
    # 25 cells of 20 on average; chi-squared with 16 degrees of freedom stays below 45 in 9 999 of 10 000 draws.
    assert ((counts - 20) ** 2 / 20).sum() < 45


def test_pairs_are_drawn_again_the_same_and_differ_by_seed():
    once, again, other = (pairs.pairs(*numbered(40), 30, seed) for seed in ("a", "a", "b"))
    assert torch.equal(once.images, again.images) and torch.equal(once.labels, again.labels)
    assert not torch.equal(once.images, other.images)
    assert not torch.equal(once.regions[RELEVANT], other.regions[RELEVANT])


def test_halves_come_apart_and_together():
    task = pairs.pairs(*numbered(40), 30, "halves")
    halves = Halves.of(task.images, task.regions[RELEVANT])
    assert torch.equal(halves.joined, task.images)
    turned = Halves(halves.relevant, halves.other, ~halves.left).joined
    assert torch.equal(turned, torch.cat([task.images[..., 4:], task.images[..., :4]], dim=3))


# ---------------------------------------------------------------- digits


@pytest.fixture
def no_files(tmp_path, monkeypatch, digits):
    """An empty data folder."""
    monkeypatch.setenv("SALIENCY_DATA", str(tmp_path))
    data.load.cache_clear()
    yield tmp_path
    data.load.cache_clear()


def test_pairs_of_digits_never_mix_training_and_test_pictures(no_files):
    digits, found = data.load("mnist-5k"), data.load("mnist-5k-pairs")
    assert found.train_images.shape == (2500, 1, 28, 56) and found.test_images.shape == (500, 1, 28, 56)
    assert found.train_images.dtype == torch.float32 and found.name == "mnist-5k-pairs"

    def seen(images):
        return {image.numpy().tobytes() for image in images}

    sources = seen(digits.train_images), seen(digits.test_images)
    assert not sources[0] & sources[1]
    for images, source in zip((found.train_images, found.test_images), sources, strict=True):
        halves = seen(images[..., :28].contiguous()) | seen(images[..., 28:].contiguous())
        assert halves <= source and len(halves) > 900


def test_labels_of_pairs_of_digits_are_those_of_the_digits(no_files):
    digits, found = data.load("mnist-5k"), data.load("mnist-5k-pairs")
    labels = {
        image.numpy().tobytes(): label
        for image, label in zip(digits.test_images, digits.test_labels.tolist(), strict=True)
    }
    halves = Halves.of(found.test_images, found.test_regions[RELEVANT])
    assert [labels[image.contiguous().numpy().tobytes()] for image in halves.relevant] == found.test_labels.tolist()
    assert all(labels[image.contiguous().numpy().tobytes()] >= 5 for image in halves.other)


def test_class_counts_and_outputs():
    assert data.class_count("mnist-5k-pairs") == 5 and data.class_count("mnist-5k") == 10
    assert pairs.outputs_of("mnist-5k-pairs") == [0, 1, 2, 3, 4]
    assert pairs.outputs_of("tiny-imagenet-pairs") == [988, 967, 954, 928, 576]


def test_the_key_of_a_net_knows_what_pairs_rest_on():
    assert pairs in data.loaders("mnist-5k-pairs") and data._mnist_5k in data.loaders("mnist-5k-pairs")
    assert tiny_imagenet in data.loaders("tiny-imagenet-pairs")


# ---------------------------------------------------------------- TinyImageNet, in a stand-in of few pictures


def jpeg(colour, size=(64, 64), mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.fixture
def archive(no_files, monkeypatch):
    """The archive with three training and two validation pictures of each class; the pixels tell which."""
    monkeypatch.setattr(tiny_imagenet, "TRAIN_PER_CLASS", 3)
    monkeypatch.setattr(tiny_imagenet, "TEST_PER_CLASS", 2)
    path = no_files / tiny_imagenet.ARCHIVES[0]
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as file:
        lines = []
        for place, (wnid, _) in enumerate(tiny_imagenet.CLASSES.values()):
            for number in range(4):
                grey = place == 0 and number == 0
                colour = 200 if grey else (20 * place, 60 * number, 100)
                name = f"tiny-imagenet-200/train/{wnid}/images/{wnid}_{number}.JPEG"
                file.writestr(name, jpeg(colour, mode="L" if grey else "RGB"))
            for number in range(2):
                # Numbers of validation pictures are scattered over the classes, 9 before 10.
                name = f"val_{place + (1 - number) * 10}.JPEG"
                lines.append(f"{name}\t{wnid}\t0\t0\t63\t63")
                file.writestr(f"tiny-imagenet-200/val/images/{name}", jpeg((20 * place, 60 * (1 - number), 200)))
        lines.append("val_99.JPEG\tn00000000\t0\t0\t63\t63")
        file.writestr("tiny-imagenet-200/val/val_annotations.txt", "\n".join(lines))
    return path


def test_tiny_imagenet_is_read_class_by_class(archive):
    found = data.load("tiny-imagenet-10")
    assert found.train_images.shape == (30, 3, 64, 64) and found.test_images.shape == (20, 3, 64, 64)
    assert found.train_labels.tolist() == [place for place in range(10) for _ in range(3)]
    assert found.test_labels.tolist() == [place for place in range(10) for _ in range(2)]
    # A grey picture has three equal channels.
    assert found.train_images[0].sub(200 / 255).abs().max() < 0.02
    for images, count, blue in ((found.train_images, 3, 100), (found.test_images, 2, 200)):
        for place in range(1, 10):
            for number in range(count):
                colour = torch.tensor([20 * place, 60 * number, blue]).view(3, 1, 1) / 255
                assert (images[count * place + number] - colour).abs().max() < 0.02


def test_tiny_imagenet_is_the_same_from_an_unpacked_folder(archive, no_files):
    packed = data.load("tiny-imagenet-pairs")
    with zipfile.ZipFile(archive) as file:
        file.extractall(no_files)
    shutil.rmtree(archive.parent)
    data.load.cache_clear()
    unpacked = data.load("tiny-imagenet-pairs")
    assert torch.equal(packed.train_images, unpacked.train_images)
    assert torch.equal(packed.test_images, unpacked.test_images)
    assert packed.train_images.shape == (2500, 3, 64, 128) and packed.test_images.shape == (500, 3, 64, 128)


def test_the_enlarged_photographs_are_those_of_the_ten_classes(archive):
    small, found = data.load("tiny-imagenet-10"), data.load("tiny")
    assert found.name == "tiny" and data.class_count("tiny") == 10
    assert found.train_images.shape == (60, 3, 75, 75) and found.test_images.shape == (20, 3, 75, 75)
    assert torch.equal(found.train_labels, torch.cat([small.train_labels, small.train_labels]))
    assert torch.equal(found.test_labels, small.test_labels)
    # The stand-in's pictures have one colour each, whatever their size.
    for large, before in ((found.train_images[:30], small.train_images), (found.test_images, small.test_images)):
        assert (large.mean((2, 3)) - before.mean((2, 3))).abs().max() < 1e-5
    assert torch.equal(found.train_images[30:], found.train_images[:30].flip(3))
    assert {enlarged, tiny_imagenet, data._tiny_imagenet} <= set(data.loaders("tiny"))


def test_absent_tiny_imagenet_says_what_is_missing_and_two_ways_to_get_it(no_files):
    for act in (data.ensure, data.load):
        with pytest.raises(StudyError, match=r"not in .*put the archive .* or the\s+unpacked folder .*SALIENCY_DATA"):
            act("tiny-imagenet-pairs")
        with pytest.raises(StudyError, match="The ten classes of TinyImageNet are not in"):
            act("tiny")


def altered(archive, name, content=None):
    """The archive without one file, or with other content in it."""
    with zipfile.ZipFile(archive) as file:
        kept = {each: file.read(each) for each in file.namelist() if each != name}
    assert len(kept) + 1 == len(zipfile.ZipFile(archive).namelist())
    with zipfile.ZipFile(archive, "w") as file:
        for each, old in kept.items():
            file.writestr(each, old)
        if content is not None:
            file.writestr(name, content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train/n12267677/images/n12267677_1.JPEG", None, r"has no file train/n12267677/images/n12267677_1\.JPEG"),
        ("train/n12267677/images/n12267677_1.JPEG", b"nonsense", r"n12267677_1\.JPEG in .* is damaged"),
        ("train/n12267677/images/n12267677_1.JPEG", jpeg((1, 2, 3), (32, 64)), "has 32 x 64 pixels"),
        ("val/images/val_10.JPEG", None, r"has no file val/images/val_10\.JPEG"),
        ("val/val_annotations.txt", None, r"has no file val/val_annotations\.txt"),
        ("val/val_annotations.txt", b"val_0.JPEG\tn12267677\t0", "does not name 2 validation pictures"),
    ],
)
def test_incomplete_or_damaged_pictures_are_refused(archive, name, content, message):
    altered(archive, f"tiny-imagenet-200/{name}", content)
    with pytest.raises(StudyError, match=message):
        data.load("tiny-imagenet-10")


def test_a_damaged_archive_is_refused(archive):
    archive.write_bytes(archive.read_bytes()[:1000])
    with pytest.raises(StudyError, match="is damaged; replace it"):
        data.load("tiny-imagenet-10")


def test_classes_are_those_of_the_list_beside_the_archive():
    path = data_dir() / "tiny-imagenet-pairs" / "classes.csv"
    if not path.exists():
        pytest.skip(f"{data_dir()} has no tiny-imagenet-pairs (set SALIENCY_DATA)")
    rows = list(csv.DictReader(path.open()))
    assert [(row["name"], row["wnid"], int(row["imagenet_index"])) for row in rows] == [
        (name, wnid, number) for name, (wnid, number) in tiny_imagenet.CLASSES.items()
    ]
    assert [row["group"] for row in rows] == ["A"] * 5 + ["B"] * 5


def test_a_hundred_pairs_are_the_first_of_all(digits):
    few = data.load("mnist-100-pairs")
    every = data._pairs("mnist-100", "mnist-100-pairs")
    for name in ("train_images", "train_labels", "test_images", "test_labels"):
        assert torch.equal(getattr(few, name), getattr(every, name)[:100])
    assert all(torch.equal(masks, every.test_regions[name][:100]) for name, masks in few.test_regions.items())
    assert data.class_count("mnist-100-pairs") == 5
    assert data.loaders("mnist-100-pairs")[1:] == [
        *data.loaders("mnist-5k-pairs")[:1],
        *data._CODE[data._pairs],
        data._few,
        data._mnist_5k,
    ]
