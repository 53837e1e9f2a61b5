"""Time our metrics per pair of 299x299 maps, beside SciPy and scikit-image, and print a table in Markdown.

As in a study: 32 maps of another state of a model are compared with the intact model's, which were prepared once. The
peers compare one pair after the other. `python benchmarks/similarity_speed.py [threads]`, by default 1 as in a study;
the threads are PyTorch's, the peers use one. The table in `similarity_speed.md` is the output of a run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy import stats
from skimage.feature import hog
from skimage.metrics import structural_similarity

from lib.similarity import PreparedMaps, compare

IMAGES = 32
PEER_PAIRS = 4
SIDE = 299
ROUNDS = 7


def milliseconds(functions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Shortest time of each call, in turns, so that a busy moment of the machine does not fall on one of them alone."""
    shortest = dict.fromkeys(functions, float("inf"))
    for _ in range(ROUNDS):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            shortest[name] = min(shortest[name], 1e3 * (time.perf_counter() - started))
    return shortest


def peer(metric: str, a: np.ndarray, b: np.ndarray) -> float:
    """The same number by SciPy or scikit-image, for two maps (C, H, W)."""
    if metric.startswith("spearman"):
        first, second = (np.abs(each).sum(0) if metric == "spearman_abs" else each.sum(0) for each in (a, b))
        return float(stats.spearmanr(first.ravel(), second.ravel()).statistic)
    first, second = (each.sum(0, dtype=np.float64) for each in (a, b))
    first, second = (each / np.abs(each).max() for each in (first, second))
    if metric == "ssim":
        return float(structural_similarity(first, second, win_size=5, data_range=2))
    features = [hog(each, 9, (16, 16), (3, 3), "L2-Hys") for each in (first, second)]
    return float(stats.pearsonr(*features).statistic)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    generator = torch.Generator().manual_seed(0)
    intact, other = torch.randn(2, IMAGES, 3, SIDE, SIDE, generator=generator).unbind(0)
    other = intact + other
    pairs = list(zip(intact.numpy()[:PEER_PAIRS], other.numpy()[:PEER_PAIRS], strict=True))
    print(f"{IMAGES} pairs of {SIDE}x{SIDE} maps with 3 channels, ms per pair, best of {ROUNDS} rounds, ", end="")
    print(f"torch {torch.__version__} on {torch.get_num_threads()} thread(s)\n")
    print("| metric | one side prepared | both sides prepared | SciPy, scikit-image | ratio | ratio, both prepared |")
    print("| --- | --- | --- | --- | --- | --- |")
    for metric in ("spearman_abs", "spearman", "ssim", "hog"):
        known, also_known = PreparedMaps(intact), PreparedMaps(other)
        found = compare(known, also_known, [metric])[metric]
        expected = [peer(metric, *pair) for pair in pairs]
        assert np.allclose(found[:PEER_PAIRS], expected, rtol=0, atol=1e-6)
        times = milliseconds(
            {
                "one": lambda: compare(PreparedMaps(other), known, [metric]),  # noqa: B023
                "both": lambda: compare(also_known, known, [metric]),  # noqa: B023
                "peer": lambda: [peer(metric, *pair) for pair in pairs],  # noqa: B023
            }
        )
        one, both, theirs = times["one"] / IMAGES, times["both"] / IMAGES, times["peer"] / PEER_PAIRS
        print(f"| {metric} | {one:.2f} | {both:.3f} | {theirs:.2f} | {theirs / one:.1f} | {theirs / both:.0f} |")


if __name__ == "__main__":
    main()
