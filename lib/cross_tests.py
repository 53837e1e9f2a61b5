"""The tests of the table of methods against tests, with thresholds taken from the ledger, and the methods in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lib.thresholds import Rule


@dataclass(frozen=True)
class Reading:
    """One number of a test.

    Attributes
    ----------
    name : beside the number; empty for the first reading.
    rules : what must hold of a method that passes, without ``methods`` and ``label``.
    fails : what must hold of a method that fails, where that is more than the contrary.
    """

    name: str
    rules: tuple[Rule, ...]
    fails: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Column:
    """A test.

    Attributes
    ----------
    key, title : its name, short and for readers.
    group : how methods are spelled where it was measured, a key of `Row.spelled`.
    rule : when a method passes, in words, with the claims that the threshold is taken from.
    claim : whose figure shows it.
    readings : the numbers.
    """

    key: str
    title: str
    group: str
    rule: str
    claim: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class Row:
    """A method.

    Attributes
    ----------
    title, name : for readers, and as it is written in the scores.
    kind : ``methods`` or ``controls``.
    spelled : group of columns -> how it is written there.
    missing : group -> why it was not measured, if there is more to say than that.
    shown : group -> the claim whose figure shows it, where it is another than the column's.
    """

    title: str
    name: str
    kind: str = "methods"
    spelled: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)


def _alike(at: str | list[int], bar: float, **more: Any) -> tuple[Reading, ...]:
    """Similarity of the map before and after on the small nets, everywhere and on the foreground."""
    everywhere = {"metric": "spearman_abs", "at": at, "below": bar, "datasets": ["mnist", "fashion", "mnist-5k"]} | more
    return Reading("", (everywhere,)), Reading("foreground", (everywhere | {"metric": "spearman_abs_fg"},))


def _photographs(at: str, bar: float) -> tuple[Reading, ...]:
    """The same on photographs, raw and counted from the similarity to the map of another image upwards.

    With the null s0, (s - s0) / (1 - s0) < bar is s - (1 - bar) s0 < bar.
    """
    raw = {"intervention": "photographs: cascade", "metric": "spearman_abs", "at": at, "below": bar}
    null = {"against": "null_other_image", "at": 0, "times": round(1 - bar, 6)}
    return Reading("", (raw,)), Reading("null-corrected", (raw | {"minus": null},))


def _shift(name: str) -> tuple[Reading, ...]:
    """The relative change of the map under a shift: on the dense net and, with ties broken, on the convolutional."""
    dense = {"models": ["k_mlp"], "intervention": f"shift({name})", "metric": "relative_change"}
    convolutional = dense | {"models": ["cnn"], "intervention": f"shift({name},jitter=0.001)"}
    same, other = (tuple(rule | bar for rule in (dense, convolutional)) for bar in ({"below": 1e-6}, {"below": 0.1}))
    return (Reading("", same, fails=other),)


COLUMNS = (
    Column(
        "upper",
        "Upper half destroyed",
        "nets",
        "mean ρₐ over the first half of the top-down cascade below 0.7, the bar from which A-14 and A-16 call a method "
        "invariant to higher layers",
        "A-14",
        _alike("upper", 0.7),
    ),
    Column(
        "full",
        "All destroyed",
        "nets",
        "ρₐ below 0.6 once every unit is re-initialised, the bar of A-18, Y-02 and Y-13",
        "A-10",
        _alike("full", 0.6),
    ),
    Column(
        "bottom-up",
        "Lower half destroyed",
        "reverse",
        "mean ρₐ over the first half of the bottom-up cascade below 0.7, the bar of A-14 and A-16",
        "A-33",
        _alike("upper", 0.7, intervention="reverse"),
    ),
    Column(
        "labels",
        "Labels permuted",
        "labels",
        "ρₐ below 0.7 between the nets of true and of permuted labels, as in A-50 and A-51, whose other condition, on "
        "ρ, asks for signs that many methods do not have",
        "A-50",
        _alike([1], 0.7, intervention="labels"),
    ),
    Column(
        "photographs-upper",
        "Photographs, upper half destroyed",
        "photographs",
        "as on the small nets: mean ρₐ below 0.7",
        "A-23",
        _photographs("upper", 0.7),
    ),
    Column(
        "photographs-full",
        "Photographs, all destroyed",
        "photographs",
        "as on the small nets: ρₐ below 0.6",
        "A-23",
        _photographs("full", 0.6),
    ),
    *(
        Column(
            f"shift-{name}",
            title,
            "shift",
            "relative change of the map below 0.000001 passes, above 0.1 fails, as in K-10 to K-41; on the dense net, "
            "and on the convolutional one with the ties of its pooling broken",
            "K-13",
            _shift(name),
        )
        for name, title in (
            ("const", "Shifted by a constant"),
            ("checker", "… by a checker"),
            ("cat", "… by a cat"),
        )
    ),
    Column(
        "localisation",
        "Finds the half that decides",
        "localisation",
        "the share of the map on the half of the digit that decides exceeds that of the ink by 0.1, as in Y-06",
        "Y-06",
        (
            Reading(
                "",
                (
                    {
                        "intervention": "localisation(net=half)",
                        "metric": "mass_share_abs_half",
                        "against": "none",
                        "minus": {"methods": ["input"]},
                        "above": 0.1,
                    },
                ),
            ),
        ),
    ),
    Column(
        "edges",
        "Edges of a destroyed net",
        "edges",
        "ρₐ between the map of a net whose units are all re-initialised and the edges of the picture below 0.4, the "
        "bar from which A-42 calls a map dominated by the picture",
        "A-17",
        (Reading("", ({"metric": "spearman_abs", "against": "edge", "at": "full", "below": 0.4},)),),
    ),
)
"""The tests, in the order of the table."""

_NO_PATTERNS = "not defined for batch norm and sums"
_SLOW = "not measured: 300 passes a map"
_BLIND = "never looks at the model"

ROWS = (
    Row("Gradient", "gradient"),
    Row(
        "SmoothGrad",
        "smoothgrad",
        spelled={"photographs": "smoothgrad(samples=15)", "shift": "smoothgrad_absolute"},
        shown={"shift": "K-57"},
    ),
    Row("Gradient ⊙ input", "gradient_x_input"),
    Row(
        "Integrated gradients",
        "integrated_gradients",
        spelled={"photographs": "integrated_gradients(steps=15)"},
    ),
    Row("Integrated gradients from the mean image", "integrated_gradients(reference=mean)"),
    Row(
        "IG-SmoothGrad",
        "ig_smoothgrad",
        spelled={
            "labels": "ig_smoothgrad(samples=5)",
            "photographs": "ig_smoothgrad(samples=5,steps=5)",
            "shift": "smoothgrad_absolute(of=integrated_gradients(steps=10))",
        },
        shown={"nets": "A-32", "shift": "K-57"},
    ),
    Row("Guided Backprop", "guided_backprop"),
    Row("GradCAM", "gradcam", shown={"shift": "K-40"}),
    Row("Guided GradCAM", "guided_gradcam", shown={"shift": "K-40"}),
    Row("VarGrad", "vargrad", spelled={"photographs": "vargrad(samples=15)", "shift": "vargrad_absolute"}),
    Row("DeconvNet", "deconvnet"),
    Row("DeepLIFT", "deeplift", shown={"nets": "A-34"}),
    Row("ε-LRP", "lrp_epsilon", spelled={"shift": "dtd_zero"}, shown={"nets": "A-34"}),
    Row("Deep Taylor, z⁺", "dtd_zplus", missing={"photographs": _NO_PATTERNS}, shown={"nets": "A-34"}),
    Row("PatternNet, given patterns", "pattern_net(patterns=shared)", missing={"photographs": _NO_PATTERNS}),
    Row(
        "PatternAttribution, given patterns",
        "pattern_attribution(patterns=shared)",
        missing={"photographs": _NO_PATTERNS},
    ),
    Row(
        "PatternAttribution, own patterns",
        "pattern_attribution",
        missing={"photographs": _NO_PATTERNS},
        shown={"shift": "K-35"},
    ),
    Row(
        "Perturbation mask",
        "meaningful_perturbation",
        missing=dict.fromkeys(("reverse", "labels", "photographs"), _SLOW),
        shown={"nets": "A-35"},
    ),
    Row("Competitive gradient ⊙ input", "competitive_gradient_x_input"),
    Row("Edges of the image", "edge", "controls", missing={"shift": _BLIND}),
    Row("The image", "input", "controls", missing={"shift": _BLIND}),
    Row("Noise", "random", "controls", missing={"shift": _BLIND, "localisation": _BLIND}),
)
"""The methods, and the controls that never look at the model."""
