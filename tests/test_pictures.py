"""Maps as pictures: where the colours end, and what is left of a bare axis."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.figures.pictures import bare, show_grey, show_positive, show_signed
from lib.figures.words import two_digits


@pytest.fixture
def axis():
    figure, axis = plt.subplots()
    yield axis
    plt.close(figure)


def limits(axis):
    return axis.images[-1].get_clim()


def test_colours_end_at_a_percentile_of_the_absolute_values(axis):
    # 0, -1, 2, -3 ... -99, 100: the 99th percentile of the absolute values is 99.
    picture = (np.arange(101.0) * np.where(np.arange(101) % 2, -1, 1))[None]
    show_signed(axis, picture)
    assert limits(axis) == (-99.0, 99.0)
    show_signed(axis, picture, 97.0)
    assert limits(axis) == (-97.0, 97.0)
    show_positive(axis, np.abs(picture))
    assert limits(axis) == (0.0, 99.0)
    show_grey(axis, picture)
    assert limits(axis) == (0.0, 100.0)


def test_a_map_that_is_mostly_0_ends_at_its_largest_value_and_one_of_zeros_at_1(axis):
    picture = np.zeros((20, 20))
    for show in (show_signed, show_positive, show_grey):
        show(axis, picture)
        assert limits(axis)[1] == 1.0
    picture[3, 4] = 7.0
    for show in (show_signed, show_positive, show_grey):
        show(axis, picture)
        assert limits(axis)[1] == 7.0


def test_a_bare_axis_has_neither_ticks_nor_frame(axis):
    bare(axis)
    assert not len(axis.get_xticks()) and not len(axis.get_yticks())
    assert not any(spine.get_visible() for spine in axis.spines.values())


def test_numbers_of_sentences():
    numbers = {0.125: "0.12", -0.5: "−0.50", -0.004: "0.00", 12.0: "12.00", float("nan"): "undefined"}
    assert [two_digits(number) for number in numbers] == list(numbers.values())
