# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Why do maps look like edges?
#
# A saliency map that traces the outline of a bird looks right: of course the net looks at the bird. But an edge detector
# traces it too, and it has never heard of birds. Adebayo et al. (2018, sections 5.3 and 5.4) therefore step back from
# deep nets to models so small that every map can be worked out with a pencil: a weighted sum of pixels, and one
# convolution with one ReLU. If the maps of *these* look like edges, learning has nothing to do with it.
#
# We do the pencil work here, check each line of it to the last digit, and then ask what is left of it in a trained net.

# %% [markdown]
# ## Claims under test
#
# Of the **linear model** $f(x) = w \cdot x$ both versions of the paper (A1, A3) say that the gradient and SmoothGrad are
# $w$, that integrated gradients are $(x-\bar x)\odot w/2$ and reduce to Gradient ⊙ input, that the gradient of a random
# model is white noise while integrated gradients are a noisy copy of the input, and that Guided Backprop is not defined.
# Of the **sum-pooled convolution** $l(x) = \sum_{ij} \mathrm{ReLU}((w * x)_{ij})$ they say that the gradient at a pixel
# is decided by the pattern of active units around it, so that maps act like edge detectors, and that convolution is
# responsible. They conjecture that stacked convolutions behave alike. Two identities are said in passing: ε-LRP and
# DeepLIFT equal Gradient ⊙ input on ReLU nets without biases, and integrated gradients sum to the output. VarGrad is
# said to be independent of the gradient.
#
# No numbers are printed for any of this. The box above lists each claim with the rule that decides it; rules and
# thresholds were written down before the runs. *Exact* means a relative error below $10^{-10}$ in double precision.

# %% tags=["parameters"]
models: list[str] = ["cnn-mnist-5k", "mlp-mnist-5k"]  # trained nets for the identities; each has a recipe
# images for the small models: data sets, and photos, the photographs inside scikit-image
image_sets: list[str] = ["mnist-5k", "photos"]
n_images: int = 10  # test images of each data set, spread evenly over the classes
photos: int = 6  # photographs
photo_size: int = 48  # their height and width; the dense control has as many weights as its fourth power
draws: int = 20  # random filters, dense layers and linear models; every draw meets every image
stacked_draws: int = 4  # random stacks of convolutions
layers: list[int] = [1, 2, 3]  # convolutions on top of each other
channels: int = 8  # filters in each of these
# what is explained on random sum-pooled nets, with two controls
methods: list[str] = [
    "gradient",
    "guided_backprop",
    "smoothgrad",
    "integrated_gradients",
    "input",
    "random",
]
# what has a closed form on a linear model
linear_methods: list[str] = [
    "gradient",
    "smoothgrad",
    "vargrad",
    "guided_backprop",
    "deconvnet",
    "gradient_x_input",
    "lrp_epsilon(epsilon=0.0)",
    "integrated_gradients",
    "deeplift",
    "integrated_gradients(reference=mean)",
    "deeplift(reference=mean)",
]
# held against Gradient ⊙ input on ReLU nets, with and without biases
identities: list[str] = ["lrp_epsilon(epsilon=0.0)", "deeplift", "integrated_gradients(steps=3)"]
identity_draws: int = 2  # random nets for these
# integrated gradients whose sums are compared with the logit; the claim is decided at 200 steps
paths: list[str] = [
    "integrated_gradients(steps=5)",
    "integrated_gradients(steps=30)",
    "integrated_gradients(steps=200)",
    "integrated_gradients(reference=mean,steps=5)",
    "integrated_gradients(reference=mean,steps=30)",
    "integrated_gradients(reference=mean,steps=200)",
]
noise_levels: list[float] = [0.01, 0.03, 0.1]  # VarGrad's noise, as a share of an image's range
noise_images: int = 5  # test images for this
quadratics: int = 10  # random quadratic functions
samples: int = 1000  # noisy copies for these
# what is compared with the edges on trained nets
net_methods: list[str] = [
    "gradient",
    "smoothgrad",
    "vargrad",
    "gradient_x_input",
    "integrated_gradients",
    "guided_backprop",
    "deconvnet",
    "input",
    "random",
]
device: str = ""  # cpu or cuda; empty: the first GPU if there is one, else the CPU
data_dir: str = ""  # folder of downloaded data sets; empty: SALIENCY_DATA, else data/
out: str = ""  # where results go; empty: reports/scratch/03_sum_pool_conv

# %%
import inspect
import textwrap

from IPython.display import Markdown

from lib import exactness, figures
from lib.edge_masked import edge_map_pictures, edge_map_scores
from lib.exactness import largest_error
from lib.identities import completeness_scores, identity_scores
from lib.linear_model import linear_pictures, linear_scores
from lib.study import Study
from lib.sum_pool import gradient_in_closed_form
from lib.sum_pool_scores import closed_form_scores, edge_scores, sum_pool_pictures
from lib.vargrad_laws import quadratic_scores, vargrad_scores

# %%
study = Study("03_sum_pool_conv", globals())

# %% [markdown]
# ## All computations in one list
#
# The small models need images and no net, the identities need nets. Each line below is one question; everything after
# this only looks at the table that comes back, one row per number.

# %%
data_sets = [name for name in image_sets if name != "photos"]
of_set = {name: {"images": name} for name in data_sets}
if "photos" in image_sets:
    of_set["photos"] = {"images": "photos", "n_images": photos, "size": photo_size}
single = {"methods": methods, "nets": ["sum_pool_conv", "dense_relu"], "draws": draws}
stack = {"methods": methods, "nets": ["stacked_conv"], "draws": stacked_draws, "layers": layers, "channels": channels}
calls = [study.call(quadratic_scores, draws=quadratics, samples=samples, side=8)]
for name in data_sets:
    calls.append(study.call(linear_scores, methods=linear_methods, dataset=name, draws=draws, **of_set[name]))
for given in of_set.values():
    calls.append(study.call(closed_form_scores, draws=draws, **given))
    calls += [study.call(edge_scores, **given, **nets) for nets in (single, stack)]

# %%
for net in study.nets:
    calls += [
        study.call(identity_scores, net=net, methods=identities, draws=identity_draws),
        study.call(completeness_scores, net=net, methods=paths),
        study.call(vargrad_scores, net=net, n_images=noise_images, noise_levels=noise_levels),
        study.call(edge_map_scores, net=net, methods=net_methods),
    ]
scores = study.gather(calls)

# %%
first, net = data_sets[0], study.nets[0]
few = {name: given | {"n_images": 3} for name, given in of_set.items()}
kinds = [each for each in linear_methods if each not in ("vargrad", "deconvnet", "lrp_epsilon(epsilon=0.0)")]
plain = [each for each in methods if each not in ("input", "random")]
three = {"filters": 3, "layers": layers[-1], "channels": channels}
galleries = {"linear": study.call(linear_pictures, methods=kinds, dataset=first, **few[first])}
galleries |= {name: study.call(sum_pool_pictures, methods=plain, **three, **given) for name, given in few.items()}
galleries["edges"] = study.call(edge_map_pictures, net=net, n_images=3, methods=net_methods[:6])
pictures = study.pictures(galleries)

# %% [markdown]
# ## A model with nothing to hide
#
# Let the logit be a weighted sum of pixels, $f(x) = w \cdot x + b$. Its gradient is $w$, at this image and at any other.
# From that alone every method follows.
#
# - *SmoothGrad* averages the gradient over noisy copies. All of them are $w$, so it is $w$; their variance, *VarGrad*,
#   is 0.
# - *Guided Backprop* and *DeconvNet* change what happens at a ReLU. There is none: both are $w$. The papers call Guided
#   Backprop undefined here, but it has no more trouble than the gradient. What is undefined is GradCAM, which needs a
#   convolution.
# - *Integrated gradients* integrate the gradient along the path from a reference $\bar x$ to $x$. The integrand is the
#   constant $w$:
#
# $$E = (x-\bar x)\odot\int_0^1 \nabla f(\bar x+\alpha(x-\bar x))\,d\alpha = (x-\bar x)\odot\int_0^1 w\,d\alpha
#     = (x-\bar x)\odot w.$$
#
# Both versions print $(x-\bar x)\odot w/2$, as if the integral were $\int\alpha\,d\alpha$. It cannot be: a map of
# integrated gradients must sum to $f(x)-f(\bar x)$, and half of it does not. The slip harms no picture, because pictures
# are scaled, but it is a good first test of a library.

# %% [markdown]
# We take two kinds of $w$. One is *trained*: multinomial logistic regression on the training images. The other is *drawn*
# from a normal law, and knows nothing of digits.

# %%
study.figure(
    figures.gallery(figures.rows_of(pictures["linear"], [0, 1])),
    "linear-maps",
    "All methods that take no product with the image give w itself, whatever the image; the others give w where the "
    "image differs from the reference, and nothing elsewhere. A random w is plain noise; times the image, the noise has "
    f"the shape of a digit. Linear models on {first}; red positive, blue negative.",
    "Grid of maps of linear models: rows are a trained and a random weight vector for two digits, columns are methods.",
)

# %% [markdown]
# Now the same as numbers: the largest relative difference of each map from its closed form, over all images and draws.

# %%
states = {"linear": "w trained", "linear(weights=random)": "w random"}
errors = scores[scores.intervention.isin(list(states)) & (scores.metric == "relative_error")]
formulas = {
    "weights": "w",
    "zero": "0",
    "weights_x_input": "x ⊙ w",
    "weights_x_difference": "(x − reference) ⊙ w",
    "half": "(x − reference) ⊙ w / 2",
    "gradient_x_input": "Gradient ⊙ input",
}
largest = (
    errors.groupby(["method", "against", "intervention"], observed=True).value.max().unstack().rename(columns=states)
)

# %%
study.table(
    largest.rename(index=figures.SPOKEN, level=0).rename(index=formulas, level=1).map(figures.power_of_ten),
    "Largest relative difference of a map from the formula beside it.",
    name="linear-errors",
)

# %% [markdown]
# A claim of exactness is worth an assertion, so here they are. If one fails, this report does not appear.

# %%
for state in ("linear", "linear(weights=random)"):
    for method in ("gradient", "smoothgrad", "guided_backprop", "deconvnet"):
        assert largest_error(scores, state, method, "weights") < exactness.EXACT
    assert largest_error(scores, state, "vargrad", "zero") == 0
    for method in ("gradient_x_input", "lrp_epsilon(epsilon=0.0)"):
        assert largest_error(scores, state, method, "weights_x_input") < exactness.EXACT
    for method in ("integrated_gradients", "deeplift"):
        for reference in ("", "(reference=mean)"):
            assert largest_error(scores, state, method + reference, "weights_x_difference") < exactness.EXACT

# %% [markdown]
# And the factor. If the printed formula were right, the ratio of the map to $(x-\bar x)\odot w$ would be one half.

# %%
ratios = scores[scores.metric == "ratio"].groupby(["dataset", "method", "intervention"], observed=True).value
study.table(
    ratios.agg(["min", "max"]).rename(index=figures.SPOKEN, level=1).rename(index=states, level=2),
    "Integrated gradients over (x − reference) ⊙ w, least and largest of all images and draws: 1, not the printed 1/2.",
    6,
    "half",
)

# %% [markdown]
# ### White noise, and a sanity check passed
#
# In a map that is white noise, a pixel knows nothing of its neighbour: the correlation of neighbours is 0 up to chance,
# within $3/\sqrt d$ for $d$ pixels (0.107 on 28 x 28). The drawn $w$ is white by construction; the trained $w$, which
# has seen strokes, is not at all.
#
# And the randomization test of notebook 01, in its purest form: replace the trained $w$ by a random one and compare. The
# gradient changes completely. Integrated gradients seem not to, *although they are $x\odot w$, and $w$ has changed
# completely*: on black pixels both maps are 0, and ties agree.

# %%
noise = scores[scores.metric == "autocorrelation"].groupby("intervention", observed=True).value.mean()
sides = {"original": "map of the trained w", "input": "image"}
ranks = {"spearman": "ρ", "spearman_abs": "ρₐ", "spearman_abs_fg": "ρₐ, ink only"}
kept = scores[scores.against.isin(list(sides)) & scores.metric.isin(list(ranks))]
kept = kept[kept.intervention == "linear(weights=random)"]
table = kept.groupby(["dataset", "method", "against", "metric"], observed=True).value.mean().unstack()
table = table.rename(index=figures.SPOKEN, level=1).rename(index=sides, level=2)

# %%
study.table(
    table[list(ranks)].rename(columns=ranks),
    "Rank correlation of the map of a random w with the map of the trained w, and with the image; means over images and "
    f"draws. Correlation of neighbours: {noise['linear']:.2f} in the trained w, "
    f"{noise['linear(weights=random)']:.3f} in the random ones.",
    name="linear-randomized",
)

# %% [markdown]
# ## One filter, one ReLU, one sum
#
# Now the smallest model with an eye. A filter $w$ of 3 x 3 numbers is moved over the image, negative answers are cut off,
# and the rest is summed:
#
# $$l(x) = \sum_p \mathrm{ReLU}(z_p), \qquad z_p = \sum_{k} w_k\, x_{p+k},$$
#
# where $p$ runs over pixels and $k$ over the nine offsets $(-1,-1),\dots,(1,1)$. This is what PyTorch calls a
# convolution. Pixel $q$ takes part in $z_p$ if $p = q-k$, with weight $w_k$, and a unit passes the derivative on if it is
# on, $a_p = \mathbb 1[z_p>0]$. So
#
# $$\frac{\partial l}{\partial x_q} = \sum_k a_{q-k}\, w_k.$$
#
# The papers print $a_{q+k}$ and let $a_p = \mathbb 1[z_p \ge 0]$. The index is right for a filter that is turned over
# first, the convolution of mathematics. The slope at 0 is a convention, and matters because on a black background every
# $z_p$ *is* 0: with theirs a black sky has the gradient $\sum_k w_k$, with PyTorch's it has 0. Here is the formula as the
# library writes it, with both conventions as switches:

# %%
body = inspect.getsource(gradient_in_closed_form).split('"""')[2]
Markdown(f"```python\n{textwrap.dedent(body).strip()}\n```")

# %% [markdown]
# Does it give what autograd gives? And how far off are the two conventions, alone and together? (1 is the
# sum of the filter's absolute weights, the largest gradient it could give.)

# %%
conventions = {
    "closed_form": "as derived here",
    "slope_one": "with the slope 1 at 0",
    "index_plus": "with the index turned",
    "printed": "with both, as printed",
}
found = scores[(scores.intervention == "sum_pool_conv") & scores.against.isin(list(conventions))]
table = found.groupby(["against", "dataset"], observed=True).value.agg(["mean", "max"]).unstack().loc[list(conventions)]
caption = "Relative difference of autograd's gradient from four closed forms; mean and largest over images and filters."
study.table(table.rename(index=conventions).map(figures.power_of_ten), caption, name="closed-forms")

# %%
assert largest_error(scores, "sum_pool_conv", "gradient", "closed_form") < exactness.EXACT
assert largest_error(scores, "sum_pool_conv", "gradient", "printed") > 0.1
# Every unit gets the signal +1 from the sum, so Guided Backprop has nothing to cut off.
assert largest_error(scores, "sum_pool_conv", "guided_backprop", "gradient") < exactness.EXACT
# Without biases l is homogeneous: scaling x scales l. Euler: Gradient ⊙ input sums to l.
assert largest_error(scores, "sum_pool_conv", "gradient_x_input", "logit") < exactness.EXACT
# What the next section is about.
assert largest_error(scores, "sum_pool_conv", "gradient", "pattern") < exactness.EXACT

# %% [markdown]
# ### At most 512 values
#
# The formula has a startling consequence. The gradient at a pixel does not depend on the *values* around it at all, only
# on which of the nine units around it are on: nine bits, $2^9 = 512$ patterns. A megapixel map of this model has at most
# 512 different numbers in it. And most patterns are rare. Where the image is flat, nine neighbouring units see the same
# thing and are all on or all off; a mixed pattern needs something that changes from one pixel to the next. That is the
# papers' argument for edges.

# %%
single = scores[scores.intervention == "sum_pool_conv"]
counts = single[single.metric == "distinct_values"].groupby("dataset", observed=True).value.agg(["mean", "max"])
uniform = single[single.metric == "uniform_share"].groupby("dataset", observed=True).value.mean()
assert counts["max"].max() <= 512
values = "; ".join(f"{name}: {mean:.0f} values, at most {most:.0f}" for name, mean, most in counts.itertuples())
flat = "; ".join(f"{name} {share:.0%}" for name, share in uniform.items())
shown = pictures[image_sets[-1]]
varied = max("123", key=lambda n: len(figures.common_patterns(shown[f"filter {n}:units on"][-1])))
units, gradient = (shown[f"filter {varied}:{each}"][-1] for each in ("units on", "gradient"))

# %%
study.figure(
    figures.pattern_shares(units, gradient),
    "patterns",
    f"{len(figures.common_patterns(units))} of 512 patterns occur in one picture of {image_sets[-1]}. Mean over all images "
    f"and filters, {values}. Pixels with all nine units on or all off, and so with one of two gradients: {flat}. Shown is "
    "the most varied of three random filters.",
    "Bars of the shares of the commonest on-off patterns, each pattern drawn below its bar.",
)

# %% [markdown]
# ### What one sees
#
# The filters are drawn at random: nobody has taught them anything. Three of them, and below the same methods on two
# other random models: a *dense* layer in the place of the convolution, with as many hidden units as pixels, and a stack
# of convolutions. Beside the image stand its edges (Sobel's magnitude). Look how much depends on the filter: one whose
# numbers sum to something large is on all over a bright picture, or off, and then the map is flat.

# %%
for name in image_sets:
    rows = figures.rows_of(pictures[name], [2], ["image", "edges"])
    study.figure(
        figures.gallery(rows, grey=("image", "edges", "units on")),
        f"maps-{name}",
        "A random filter that never saw a training image can trace the object, and a stack of them does; a random dense "
        f"layer gives noise, unless the map is multiplied by the image. {name}; red positive, blue negative, grey: no map.",
        "Grid of pictures: rows are random models, columns the image, its edges, units that are on, and attribution maps.",
    )

# %% [markdown]
# ### What one measures
#
# How well does a map find the edges? Call *edge pixels* the fifth of the pixels with the largest Sobel magnitude. A map
# finds them if it stands out there, on either side: the score is $|E - \operatorname{median} E|$, and the area under the
# ROC curve (AUC) is the chance that an edge pixel stands out more than another one. 0.5 knows nothing, 1 is a perfect
# edge detector, and the bar for "acts like an edge detector" was set at 0.7.
#
# **Two controls keep us honest.** The image itself takes part as if it were a map, and so does noise. If the *image*
# clears the bar, clearing it says little: on black digits whatever shows ink stands out at the edges of the ink.
#
# The dense layer is the papers' "convolution is responsible" turned into an experiment, and its map can be worked out
# too. With normal rows $w_j$ the gradient is $\sum_j w_j \mathbb 1[w_j\cdot x>0]$, and
#
# $$\mathbb E\, w\,\mathbb 1[w\cdot x>0] = \frac{1}{\sqrt{2\pi}}\,\frac{x}{\lVert x\rVert},$$
#
# because only the component of $w$ along $x$ decides whether the unit is on. So the map of $d$ units is not white noise:
# it is the image, with noise $\sqrt{\pi/d}\,\lVert x\rVert$ per pixel on top. A filter sees nine pixels instead of all;
# averaged over many filters its map is $\sum_k x_q/\lVert \text{patch}_{q-k}\rVert$, the image divided by its *local*
# brightness, which is largest where bright meets dark. Locality makes the edge.

# %%
study.figure(
    figures.edge_finding(scores, methods, 0.7),
    "edge-auc",
    f"One random filter, {figures.edge_words(scores, methods, 'sum_pool_conv')}. A random dense layer instead, "
    f"{figures.edge_words(scores, plain, 'dense_relu')}. Dashed: the bar of 0.7; means and 95 % intervals over images and "
    "draws.",
    "Dot plot, one panel per image set, one row per method: area under the curve for one random filter and for a random "
    "dense layer.",
)

# %% [markdown]
# Three questions to ask of it. Do digits clear the bar, and does the image itself? Where is the dense layer no worse
# than the convolution? (For integrated gradients: they are a product with the image, whatever the model.) And what is
# left on photographs, which have no black background to stand out from?

# %% [markdown]
# ### More than one layer
#
# The papers conjecture that what holds for one convolution holds for stacks of them. For stacks the closed form is gone
# (the signal that reaches a lower ReLU is not +1 any more, so Guided Backprop and the gradient part company), but the
# experiment is the same. One layer here has several filters instead of one, which already makes a difference: the sum
# over filters averages the accidents of a single one away.

# %%
study.figure(
    figures.layers_curves(scores, methods),
    "layers",
    f"From {layers[0]} to {layers[-1]} layers of {channels} random filters, "
    f"{figures.edge_words(scores, plain, 'stacked_conv')}. Means and 95 % intervals over images and draws.",
    "Curves of the area under the curve against the number of random convolutional layers, one panel per image set.",
)

# %% [markdown]
# ## Which methods are one and the same?
#
# From here on the nets are real ones. Section 2.1 says that ε-LRP and DeepLIFT equal Gradient ⊙ input on ReLU nets
# *without biases* and with the zero reference. Why? LRP shares the relevance of a unit among its inputs in proportion to
# $a_i w_{ij}/z_j$. At a ReLU that is on, relevance over activation passes unchanged, $R_j/z_j$ on one side is $R_j/a_j$
# on the other; so $R_i/a_i = \sum_j w_{ij} R_j/z_j$ is nothing but the chain rule, and at the image $R_i = x_i\,\partial
# S/\partial x_i$. *Biases do no harm* as long as they are counted in $z_j$ and $\epsilon$ is 0. DeepLIFT is different: at
# a ReLU it passes $\Delta a/\Delta z$, which is the derivative only if the reference leaves the unit at 0. Without biases
# a black image does that everywhere; with biases it does not.

# %%
states = {
    "identity": "trained",
    "identity(bias=none)": "trained, biases set to 0",
    "identity(weights=random)": "random",
    "identity(weights=random,bias=none)": "random, biases set to 0",
}
found = scores[(scores.method == "deeplift") & (scores.against == "gradient_x_input")]
apart = found[found.intervention == "identity"].groupby(["model", "dataset"], observed=True).value.mean()
words = ", ".join(f"{model}-{dataset} {value:.2f}" for (model, dataset), value in apart.items())

# %%
study.figure(
    figures.error_dots(scores, identities, states, "gradient_x_input"),
    "identities",
    "ε-LRP with ε = 0 is Gradient ⊙ input with and without biases; DeepLIFT is only without. With the trained biases it is "
    f"away by these shares of the largest value: {words}. One dot per image and draw, double precision; dashed: what "
    "counts as exact.",
    "Dots of relative errors on a logarithmic axis, one row per method, four colours for trained and random nets with "
    "and without biases, one panel per net.",
)

# %%
for state in states:
    assert largest_error(scores, state, "lrp_epsilon(epsilon=0.0)", "gradient_x_input") < exactness.EXACT
    if "bias=none" in state:
        assert largest_error(scores, state, "deeplift", "gradient_x_input") < exactness.EXACT

# %% [markdown]
# A third method is in the figure: integrated gradients. Without biases the gradient is the same all along the path from
# black to the image, so they should equal Gradient ⊙ input at any number of steps. On the `mlp` they do. On the `cnn` a
# few images stand out, and they taught us something: where a stroke is saturated, several pixels of a max-pooling window
# answer with *equal* numbers. Which of them gets the gradient is up to the last bit, and the last bit changes along the
# path. Add 0.1 % of noise to these images, which breaks the ties, and the difference is back at $10^{-16}$ (a test of the
# library does so). A gradient at a tie is not defined, and MNIST is full of ties.

# %% [markdown]
# ## What do integrated gradients sum to?
#
# A1 says in a footnote that they sum to the output of the net. The fundamental theorem of calculus along the path says
#
# $$\sum_i E_i = \int_0^1 \frac{d}{d\alpha} S(\bar x+\alpha(x-\bar x))\,d\alpha = S(x)-S(\bar x),$$
#
# and $S(\bar x)$ is 0 only by luck. A gap that does not close with more steps is no error of the quadrature.

# %%
sums = scores[(scores.intervention == "completeness") & (scores.method == paths[-1])]
gaps = sums.groupby("against", observed=True).value.mean()
study.figure(
    figures.completeness_curves(scores),
    "completeness",
    f"The sum of {figures.spoken(paths[-1])} misses the logit by {gaps['logit']:.1%} on average, and the difference from "
    f"the reference's logit by {gaps['logit_difference']:.2%}: more steps close the second gap, not the "
    "first. Means over images with 95 % intervals.",
    "Curves on two logarithmic axes: relative gap against the number of steps, one panel per net; the gap to the logit "
    "stays, the gap to the difference falls.",
)

# %% [markdown]
# ## Is VarGrad independent of the gradient?
#
# VarGrad is the variance of the gradient over noisy copies. A1 calls it independent of the gradient, and for smooth
# functions it is right. Write $h=\partial_i S$; a constant added to $h$ changes no variance. On a linear model VarGrad is
# 0 whatever $w$ is, and for $S=\tfrac12x^\top Qx$ it holds the rows of the Hessian and nothing else:
#
# $$\mathrm{VG}_i = \frac{N-1}{N}\,\sigma^2\sum_j Q_{ij}^2.$$
#
# A ReLU net has no second derivative. It is linear in pieces, and its gradient jumps when the noise pushes a unit across
# its kink. The share of units within reach of the noise grows like $\sigma$, the jumps themselves do not depend on it, so
# VarGrad should grow like $\sigma$, not like $\sigma^2$ as on a smooth function; replace ReLU by Softplus in the *same*
# net, and $\sigma^2$ should be back.

# %%
columns = {
    "standard_errors": "standard errors",
    "spearman_abs": "ρₐ",
    "spearman_abs_fg": "ρₐ, ink only",
}
named = {"quadratic": "quadratic", "vargrad": "ReLU net", "vargrad(activation=softplus)": "Softplus net"}
found = scores[(scores.method == "vargrad") & scores.metric.isin(list(columns)) & scores.intervention.isin(list(named))]
means = found.groupby(["intervention", "model", "dataset", "metric"], observed=True).value.mean().unstack()
caption = "VarGrad: distance from its closed form in standard errors (about 1 if it holds), and rank correlation with the size of the gradient."
study.table(means[list(columns)].rename(columns=columns).rename(index=named, level=0), caption, name="vargrad")

# %%
laws = figures.noise_laws(scores)
powers = [
    f"{model}-{dataset} with {activation} {power:.2f}"
    for (model, dataset), each in laws.items()
    for activation, (_, power) in each.items()
]
study.figure(
    figures.vargrad_curves(scores),
    "vargrad-noise",
    f"VarGrad grows with the noise to the power: {', '.join(powers)}. The prediction is 2 without kinks and 1 with ReLU. With "
    "max-pooling the image sits on a kink where its background is flat, and the smallest noise throws it off. Means over "
    "images with 95 % intervals.",
    "Curves on two logarithmic axes: VarGrad over the squared gradient against the noise, for each net with ReLU and with "
    "Softplus.",
)

# %% [markdown]
# ## Trained nets beside an edge detector
#
# The papers' first figure sets an edge detector beside the maps of Inception v3. That net comes later; here is the same
# question to small nets. Rank correlation of each map with the edges of the image, and, as a null, with the edges of
# *another* image. Mind the left panel: products with the image are zero on the black background, as the edges nearly
# are, and win by these ties alone. So does the image.

# %%
for trained in study.nets:
    own = trained.of(scores)
    ink = figures.in_words(own, net_methods, "spearman_abs_fg", "edge", "edge_detector")
    study.figure(
        figures.edge_likeness(own, net_methods),
        f"edge-likeness-{trained.name}",
        f"On all pixels: {figures.in_words(own, net_methods, 'spearman_abs', 'edge', 'edge_detector')}. On ink only: {ink}. "
        f"{trained.name}, trained; absolute maps against Sobel's magnitude, means and 95 % intervals.",
        "Dot plot in two panels, all pixels and foreground: rank correlation of maps with the edges of the image and of "
        "another image.",
    )

# %% [markdown]
# ### The edges alone
#
# And the other way round: leave nothing of the image but its edges, $x' = x\odot e$ with Sobel's magnitude $e$ scaled to
# $[0,1]$, and explain the same class. If a map is about edges, it should hardly change. (A1 shows this for Inception, by
# eye; whether their edges are soft or binary is not said.)

# %%
study.figure(
    figures.gallery(figures.rows_of(pictures["edges"], [2], [])),
    "masked-maps",
    f"Maps of an image (top) and of its edges alone (bottom), for the same class. {net.name}; red positive, blue negative.",
    "Grid of maps in two rows, for a digit and for the digit multiplied by its edges.",
)

# %%
for trained in study.nets:
    own = trained.of(scores)
    sure = own[own.metric == "confidence"].groupby("step").value.mean()
    study.figure(
        figures.edges_alone(own, net_methods),
        f"edges-alone-{trained.name}",
        f"On all pixels: {figures.in_words(own, net_methods, 'spearman_abs', 'original', 'mask_input')}. On ink only: "
        f"{figures.in_words(own, net_methods, 'spearman_abs_fg', 'original', 'mask_input')}. The net gives the class a "
        f"probability of {sure[0]:.2f} on the image and of {sure[1]:.2f} on its edges. {trained.name}; means and 95 % "
        "intervals.",
        "Dot plot in two panels: similarity of the maps of an image and of its edges alone, and of another image.",
    )

# %% [markdown]
# ## Verdicts
#
# A claim is *supported* if the whole interval lies on its side of the threshold, *contradicted* if the whole interval lies
# on the other side, else *inconclusive*; with several parts, one contradicted part contradicts it. The claims about
# Inception's maps and edges wait for it.

# %%
where = {"A-66": "linear-errors", "A-67": "half", "A-68": "linear-errors", "A-69": "linear-randomized"}
where |= {"A-70": "linear-randomized", "A-71": "linear-randomized", "A-72": "closed-forms", "A-73": "patterns"}
where |= {"A-80": "identities", "A-81": "vargrad", "A-83": "completeness"}
verdicts = study.claims(scores, figure="edge-auc", elsewhere=where)
study.table(verdicts.drop(columns="expected"), "Verdicts of this run; the box above shows every part.", digits=3)

# %% [markdown]
# ## Deviations, easy, difficult
#
# - **Filters.** The papers do not say what law the filter has or how many there were. Ours is standard normal; without
#   biases its scale changes no map. The ledger asked for 20 filters; single filters differ so much that the paper preset
#   takes more.
# - **The measure.** "Act like edge detectors" comes without a number. The AUC, the fifth of the pixels and the bar of 0.7
#   are ours; the same goes for the dense control.
# - **"Convolution is responsible"** is decided for the gradient, whose closed form is the papers' argument. SmoothGrad and
#   integrated gradients, and the other image sets, are the second reading.
# - **Zero padding**, which the papers ask for, draws a frame around a photograph: beyond the border everything is black.
#   These pixels count like all others.
# - **Photographs** are grey (luminance) and small, because the dense control has as many weights as the fourth power of
#   their side.
# - **Linear model.** Trained with a small penalty, so that its minimum is unique; the papers do not say how.
# - **Edge masks** are soft, on small nets only, and decide nothing.
# - **Easy**: the closed forms. **Difficult**: the conventions. The index and the slope at 0 do not show in a picture, and
#   on a black background each of them changes almost every pixel.

# %% [markdown]
# ## Try it yourself
#
# - `methods = ["gradient", "edge", "input"]`: what AUC does the edge detector itself reach?
# - `channels = 64`: the closed form for many filters, the image over its local brightness. Does one layer get better?
# - `photo_size = 24`: fewer pixels, coarser edges. Do photographs clear the bar?
# - `identities = ["lrp_epsilon", "lrp_epsilon(epsilon=0.0)"]`: what does the usual ε = 0.0001 cost?
# - `noise_levels = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]`: where does each law of VarGrad end?

# %%
study.save()
