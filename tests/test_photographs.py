"""Photographs of a folder with a list, and those inside scikit-image: which are taken, what is read or refused."""

from __future__ import annotations

import csv
import io
import itertools

import numpy as np
import pytest
import skimage.data
from PIL import Image

from lib.errors import StudyError
from lib.image_sets import PHOTOGRAPHS
from lib.photographs import LIST, PACKAGED, UNKNOWN, Entry, digest, entries, named, picture, spread

FILES = [f"{letter}.png" for letter in "abcdefghij"]
CLASSES = [7, 0, 999, 3, 3, 12, 5, 1, 2, 40]


def pixels(number, shape=(6, 5, 3)):
    return np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)


def write_list(folder, rows, columns=("file", "class_index")):
    with (folder / LIST).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path):
    """Ten pictures with classes and a column that nobody asks for."""
    for number, file in enumerate(FILES):
        Image.fromarray(pixels(number)).save(tmp_path / file)
    write_list(tmp_path, zip(FILES, "x" * 10, CLASSES, strict=True), ("file", "note", "class_index"))
    return tmp_path


def test_entries_are_the_rows_of_the_list_in_its_order(folder):
    expected = [Entry(number, *row) for number, row in enumerate(zip(FILES, CLASSES, strict=True))]
    assert entries(str(folder)) == expected


def test_a_name_stands_for_a_folder_of_the_data(folder, monkeypatch):
    monkeypatch.setenv("SALIENCY_DATA", str(folder.parent))
    assert entries(folder.name) == entries(str(folder))
    first = entries(folder.name)[0]
    assert np.array_equal(picture(folder.name, first), pixels(0))
    assert digest(folder.name, [first]) == digest(str(folder), [first])


@pytest.mark.parametrize(
    ("count", "numbers"), [(1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (5, [0, 2, 4, 7, 9]), (10, list(range(10)))]
)
def test_photographs_are_spread_evenly_from_the_first_to_the_last(folder, count, numbers):
    assert [each.number for each in spread(str(folder), count)] == numbers


def test_a_range_is_a_part_of_those_that_were_chosen(folder):
    chosen = spread(str(folder), 5)
    assert spread(str(folder), 5, [0, 5]) == chosen
    parts = [spread(str(folder), 5, part) for part in ([0, 2], [2, 3], (3, 5))]
    assert [len(part) for part in parts] == [2, 1, 2] and [*itertools.chain(*parts)] == chosen


@pytest.mark.parametrize("part", [[0], [0, 1, 2], [2, 2], [3, 1], [-1, 2], [0, 6]])
def test_a_range_outside_is_refused(folder, part):
    with pytest.raises(StudyError, match=r"^image_range is \[.*; give two places, from 0 up to n_images, 5\.$"):
        spread(str(folder), 5, part)


@pytest.mark.parametrize("count", [0, -1, 11])
def test_more_photographs_than_there_are_are_refused(folder, count):
    with pytest.raises(StudyError, match=rf"^n_images is {count}, but .* has 1 to 10 photographs\.$"):
        spread(str(folder), count)


def test_photographs_are_found_by_name_in_the_order_asked(folder):
    assert [each.number for each in named(str(folder), ["d.png", "a.png"])] == [3, 0]
    with pytest.raises(StudyError, match=r"^The photograph 'z.png' is not in .*; choose one of a.png, b.png, .*\.$"):
        named(str(folder), ["a.png", "z.png"])


def test_a_picture_is_read_as_it_was_written(folder):
    for each in entries(str(folder)):
        found = picture(str(folder), each)
        assert found.mode == "RGB" and np.array_equal(found, pixels(each.number))


@pytest.mark.parametrize("file", ["grey.png", "grey.jpeg", "palette.png"])
def test_grey_and_palettes_become_colours(tmp_path, file):
    original = Image.fromarray(pixels(1, (8, 9)))
    original = original.convert("P") if "palette" in file else original
    original.save(tmp_path / file)
    found = np.asarray(picture(str(tmp_path), Entry(0, file, 0)))
    assert found.shape == (8, 9, 3) and len(np.unique(found)) > 20
    stored = np.asarray(Image.open(tmp_path / file).convert("L"))
    assert all(np.array_equal(found[..., channel], stored) for channel in range(3))


def test_a_digest_tells_content_labels_and_places(folder):
    def now():
        return digest(str(folder), entries(str(folder)))

    first = now()
    assert now() == first
    # What is in no photograph and in no class does not count.
    write_list(folder, zip(FILES, CLASSES, strict=True))
    assert now() == first
    found = {first, digest(str(folder), entries(str(folder))[:9])}
    write_list(folder, zip(FILES, [8, *CLASSES[1:]], strict=True))
    found.add(now())
    write_list(folder, zip(FILES[::-1], CLASSES[::-1], strict=True))
    found.add(now())
    write_list(folder, zip(FILES, CLASSES, strict=True))
    Image.fromarray(pixels(99)).save(folder / "c.png")
    found.add(now())
    assert len(found) == 5


# What is refused ----------------------------------------------------------------------------------------------------


def test_a_folder_without_a_list_is_refused(tmp_path):
    for name in (str(tmp_path), str(tmp_path / "nothing")):
        with pytest.raises(StudyError) as caught:
            entries(name)
        message = str(caught.value)
        assert message.startswith(f"The photographs {name!r} need the list ") and LIST in message
        assert "file and class_index" in message and "'photos'" in message and message.endswith(".")


def test_a_list_that_is_no_text_is_refused(tmp_path):
    (tmp_path / LIST).write_bytes(b"file,class_index\n\xff\xfe,3\n")
    with pytest.raises(StudyError, match="need the list"):
        entries(str(tmp_path))


@pytest.mark.parametrize("content", ["", "file,class_index\n"])
def test_an_empty_list_is_refused(tmp_path, content):
    (tmp_path / LIST).write_text(content)
    with pytest.raises(StudyError, match="lists no photograph; give it the columns file and class_index and a row"):
        entries(str(tmp_path))


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (("file", "label"), ["b.png", "3"]),
        (("name", "class_index"), ["b.png", "3"]),
        (("file", "class_index"), ["b.png", "cat"]),
        (("file", "class_index"), ["b.png", "-1"]),
        (("file", "class_index"), ["b.png", "2.5"]),
        (("file", "class_index"), ["b.png", ""]),
        (("file", "class_index"), ["b.png"]),
    ],
)
def test_a_row_without_a_file_or_a_class_is_named(tmp_path, columns, row):
    whole = columns == ("file", "class_index")
    write_list(tmp_path, [["a.png", "1"], row] if whole else [row], columns)
    place = 2 if whole else 1
    with pytest.raises(StudyError, match=rf"labels\.csv, row {place}: give the columns file and class_index, a number"):
        entries(str(tmp_path))


def test_a_file_that_is_not_there_or_damaged_is_named(folder):
    whole = io.BytesIO()
    Image.fromarray(pixels(0, (60, 60, 3))).save(whole, "JPEG")
    for content in (None, b"", b"no picture", whole.getvalue()[:40], whole.getvalue()[:-400]):
        if content is None:
            (folder / "b.png").unlink()
        else:
            (folder / "b.png").write_bytes(content)
        with pytest.raises(StudyError, match=r"^The photograph .*b\.png cannot be read; replace it, or take it off"):
            picture(str(folder), Entry(1, "b.png", 0))


# The photographs inside scikit-image --------------------------------------------------------------------------------


def test_the_packaged_photographs_have_no_classes():
    found = entries(PACKAGED)
    assert [each.file for each in found] == list(PHOTOGRAPHS)
    assert [each.number for each in found] == list(range(10)) and {each.label for each in found} == {UNKNOWN}
    assert UNKNOWN < 0, "no class of a network has this number"
    assert [each.number for each in spread(PACKAGED, 4)] == [0, 3, 6, 9]
    assert digest(PACKAGED, found) == digest(PACKAGED, found[:1]) == PACKAGED


@pytest.mark.parametrize("file", ["coffee", "camera"])
def test_a_packaged_photograph_is_that_of_scikit_image(file):
    (entry,) = named(PACKAGED, [file])
    assert np.array_equal(picture(PACKAGED, entry), getattr(skimage.data, file)())


def test_of_two_views_the_first_is_taken(monkeypatch):
    left, right = pixels(0), pixels(1)
    monkeypatch.setattr(skimage.data, "stereo_motorcycle", lambda: (left, right, np.zeros(3)), raising=False)
    (entry,) = named(PACKAGED, ["stereo_motorcycle"])
    assert np.array_equal(picture(PACKAGED, entry), left)
