# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does the explanation change when nothing has changed?
#
# Take a trained network. Make every image darker by 1, and add to the first layer's bias exactly what the darkness took
# away. Now there are two networks: one for bright images, one for dark ones. They agree on every class, every logit,
# every activation, every gradient. Nobody who saw what they do could tell them apart. A saliency map that tells them
# apart explains something that is not there (Kindermans et al. 2017, *The (Un)reliability of saliency methods*).

# %% [markdown]
# ## Claims under test
#
# The paper (**K**) trains a network of three layers of 1024 units on MNIST, 98.3 % right, and shifts its images in three
# ways: by a constant, by a checkerboard, and by a shift made so that the explanation of a digit becomes a *cat*. It shows
# a few digits and prints no numbers. Its verdicts, method by method, are the claims K-10 to K-25; K-30 to K-41 are
# methods that it does not show. What should one expect? With $z = Wx + b$ in the first layer,
#
# $$f_2(x + m) = f_1(x) \quad\text{with}\quad b_2 = b_1 - W m,$$
#
# for then $W(x + m) + b_2 = z$, and all that follows is the same. (The paper says that the shift is *added* to the
# biases; with that sign nothing works.) We call a method invariant if its map changes by less than rounding,
#
# $$\delta = \frac{\lVert E_2(x + m) - E_1(x)\rVert_2}{\lVert E_1(x)\rVert_2} < 10^{-6},$$
#
# and not invariant if $\delta > 0.1$, in the mean over images, in double precision. The paper's title says *unreliable*,
# its text that "all attribution methods have points of failure". Its own figures show one that has none, and the
# network it was estimated on decides whether that holds.

# %% tags=["parameters"]
models: list[str] = ["k_mlp-mnist-5k", "cnn-mnist-5k"]  # the network of the paper, and a convolutional one
shifts: list[str] = ["const", "checker", "cat"]  # also checker7 and checker_centre
signal: list[str] = [
    "gradient",
    "guided_backprop",
    "deconvnet",
    "pattern_net(patterns=shared)",
]  # what the paper calls so
# everything else that takes one pass, or a few
methods: list[str] = [
    "gradient_x_input",
    "integrated_gradients",
    "integrated_gradients(reference=black)",
    "integrated_gradients(reference=pixelmin)",
    "integrated_gradients(reference=mean)",
    "deeplift",
    "deeplift(reference=black)",
    "deeplift(reference=mean)",
    "dtd_zero",
    "dtd_zbox",
    "dtd_zbox(low=pixelmin,high=pixelmax)",
    "dtd_w2",
    "pattern_attribution(patterns=shared)",
    "pattern_attribution",
    "pattern_attribution(estimator=linear)",
    "pattern_attribution(estimator=centred)",
]
# methods over noisy copies; the last has noise that grows with the range of the image's pixels
costly: list[str] = [
    "smoothgrad_absolute",
    "smoothgrad_absolute(of=guided_backprop)",
    "smoothgrad_absolute(of=pattern_net(patterns=shared))",
    "smoothgrad_absolute(of=gradient_x_input)",
    "smoothgrad_absolute(of=integrated_gradients(steps=10))",
    "smoothgrad_absolute(of=integrated_gradients(reference=black,steps=10))",
    "smoothgrad_absolute(of=dtd_zero)",
    "smoothgrad_absolute(of=pattern_attribution(patterns=shared))",
    "smoothgrad_absolute(of=pattern_attribution)",
    "vargrad_absolute",
    "smoothgrad",
]
slowest: list[str] = ["meaningful_perturbation", "meaningful_perturbation(fill=zero)"]  # methods that optimise a mask
# what the convolutional network is explained by, where rounding meets the ties of its max-pooling
convolutional: list[str] = [
    "gradient",
    "guided_backprop",
    "deconvnet",
    "gradcam",
    "guided_gradcam",
    "gradient_x_input",
    "integrated_gradients",
    "integrated_gradients(reference=black)",
    "integrated_gradients(reference=mean)",
    "dtd_zero",
]
jitter: float = 0.001  # standard deviation of the noise that breaks ties
n_images: int = 20  # test images, spread evenly over the classes
costly_images: int = 5  # for methods over noisy copies
slowest_images: int = 2  # for methods that optimise a mask
pattern_images: int = 4000  # training images that patterns are estimated on
data_dir: str = ""  # folder of downloaded data sets; empty: SALIENCY_DATA, else data/
out: str = ""  # where results go; empty: reports/scratch/06_constant_shift

# %%
from lib import figures
from lib.equivalence import equivalence_scores
from lib.shift_invariance import shift_invariance
from lib.shift_pictures import shift_pictures
from lib.study import Study

study = Study("06_constant_shift", globals())
net, conv = study.nets

# %% [markdown]
# ## The computations
#
# One call compares the two networks as such, on all images that were not trained on. One compares their maps, for all
# methods that are cheap; two more do so for dearer methods on fewer images. References such as "black", and patterns,
# belong to a network's *data*: those of network 2 come from shifted training images. Where a method is marked *patterns
# of network 1*, both networks share them. The rule z⁺ of deep Taylor decomposition is defined for pixels that are not
# negative, and refuses the others; of our shifts, only the checkerboard leaves it any sense.

# %%
test = {f"test_{part}": (net.recipe.dataset, f"test_{part}") for part in ("images", "labels")}
plain = [name for name in shifts if name != "cat"]
common = {"shifts": shifts, "pattern_images": pattern_images}
calls = [
    study.call(equivalence_scores, net=net, shifts=plain, parts_of=test),
    study.call(shift_invariance, net=net, methods=[*signal, *methods], **common),
    study.call(shift_invariance, net=net, methods=["dtd_zplus"], shifts=["checker"]),
    study.call(shift_invariance, net=net, methods=costly, n_images=costly_images, **common),
    study.call(shift_invariance, net=net, methods=slowest, n_images=slowest_images, **common),
    study.call(shift_invariance, net=conv, methods=convolutional, shifts=shifts),
    study.call(shift_invariance, net=conv, methods=convolutional, shifts=shifts, jitter=jitter),
]

# %%
scores = study.gather(calls)
own = net.of(scores)
shown = ["gradient", "guided_backprop", "pattern_net(patterns=shared)", "gradient_x_input", "integrated_gradients"]
shown += ["integrated_gradients(reference=black)", "dtd_zero", "pattern_attribution(patterns=shared)"]
shown = [each for each in shown if each in [*signal, *methods]]
pictures = study.pictures({"maps": study.call(shift_pictures, net=net, methods=shown, n_images=10, **common)})["maps"]

# %% [markdown]
# ## Two networks that are one
#
# First the premise. Both networks are run on all images that were not trained on, in double precision. The table says how
# many are classified rightly, whether the classes are the same image by image, and the largest relative difference of
# logits, of any activation in any layer, and of the gradient. What is left is rounding.

# %%
study.table(
    figures.equal_networks(own),
    f"Network 2 makes up for the shift: equal classes, and differences of rounding alone. {net.name}; the largest "
    "difference in any block of 100 images, over the largest number there.",
    3,
    "networks",
)

# %% [markdown]
# ## A constant shift
#
# Every pixel less 1: black becomes $-1$, white 0. Below, one digit with both networks' maps. The first three methods
# look at weights and activations alone, which are the same; the paper calls them *signal* methods. The others, which it
# calls *attribution* methods, multiply by the input, or by its difference from a reference.

# %%
study.figure(
    figures.two_networks(pictures, "const", 3, shown),
    "constant",
    "A darker image, a bias that makes up for it, and other explanations: relative change "
    f"{figures.changes_in_words(own, shown, 'const')}. Upper row: network 1 and its image; lower row: network 2 and the "
    "image less 1 (drawn from its darkest to its brightest pixel). Each map by its own scale.",
    "Two rows of maps of one digit. The maps of Gradient ⊙ input, integrated gradients from zero and the zero root are "
    "different in the lower row.",
)

# %% [markdown]
# Why? Both networks have the same gradient $g$, so for Gradient ⊙ input nothing but the input differs:
#
# $$E_2 - E_1 = (x + m) \odot g - x \odot g = m \odot g.$$
#
# A method with a reference $\bar x$ explains $x - \bar x$ and sees the shift only if the reference stays behind,
#
# $$E_{f_2}(x + m;\, \bar x) = E_{f_1}(x;\, \bar x - m).$$
#
# So it is invariant exactly when $\bar x$ moves along with the data. *Zero* never does. *Black*, the smallest pixel value
# of the data, is a single number and moves along with a constant shift, but not with a checkerboard. The *mean image* and
# the smallest value *of each pixel* move along with anything that is added. And the zero root of deep Taylor
# decomposition is Gradient ⊙ input in disguise.
#
# ## A checkerboard
#
# Cells of 4 × 4 pixels, 0 and 1. The paper's checkered box is shown without its numbers; these are ours, and leave black
# at 0, so that the references *black* and *zero* are the same for both networks.

# %%
study.figure(
    figures.two_networks(pictures, "checker", 3, shown),
    "checker",
    "The checkerboard is in the images of network 2 alone, and in the maps of all methods that multiply by them: relative "
    f"change {figures.changes_in_words(own, shown, 'checker')}.",
    "Two rows of maps of one digit. In the lower row the maps of four methods show a checkerboard, the others do not.",
)

# %% [markdown]
# Seen by eye; and by number? The signed map will not do: $m \odot g$ has the signs of $g$, which differ from pixel to
# pixel. But the *size* of the map grows where the board is white. So we correlate $|E|$ with $m$, for both networks, and
# ask how much more it is for the second.

# %%
uneven = [name for name in shifts if name != "const"]
study.figure(
    figures.rise_dots(own, shown, [name for name in uneven if name != "cat"]),
    "rise",
    f"Where the board is white, maps are larger: rise of the correlation {figures.rises_in_words(own, shown, 'checker')}. "
    "Means over images with 95 % intervals.",
    "Dots for each method: at 0 for those that do not multiply by the input, far above 0 for the others.",
)

# %% [markdown]
# ## The table
#
# All methods and shifts. *Cat* is a shift that was made for the first of these images and is put on all of them; more
# about it below. Where the paper printed a verdict, it stands on the right of the cell; a frame marks those that are not
# ours. It shows the signal methods under the constant shift only.

# %%
everything = [*signal, *methods, "dtd_zplus", *slowest]
study.figure(
    figures.shift_table(own, everything, shifts),
    "invariance",
    f"Whether a map stays the same when the network makes up for a shift, and by how much it changes ({net.name}, mean over "
    f"{n_images} images, {slowest_images} for perturbation).",
    "A table of methods and shifts with yes or no in every cell and the relative change below it.",
)

# %% [markdown]
# Read it by the rule above, and no cell is a surprise but those of PatternAttribution.
#
# ## Noise
#
# SmoothGrad averages a method over noisy copies of the image. With the *same* noise for both networks it must inherit
# whatever its base method does, and the paper says so. There is a trap. Usually the noise's strength $\sigma$ is a share
# of the image's own range of values, $0.15\,(\max x - \min x)$. A checkerboard doubles that range. So network 2 gets
# stronger noise, and SmoothGrad of the *gradient* looks as if it failed. The last row shows this; all others have the
# same $\sigma$ for both networks.

# %%
study.figure(
    figures.shift_table(own, costly, shifts),
    "noise",
    "SmoothGrad with noise of one strength inherits the verdict of its base method in every cell; noise that is tied to "
    f"the range of the image (last row) fakes a failure: {figures.changes_in_words(own, ['smoothgrad'], 'checker')} "
    f"with the checkerboard. Mean over {costly_images} images, 50 copies each.",
    "A table of methods over noisy copies and shifts with yes or no in every cell.",
)

# %% [markdown]
# ## Patterns: whose?
#
# PatternAttribution multiplies weights by *patterns*, the direction in the input that a unit's output stands for. They
# are estimated from data. The paper calls the method invariant "by construction", because a shift of the data cancels in
# a covariance. Does it? The estimator that its authors published, for a unit with output $y = w^\top x$ before a ReLU, is
#
# $$a_+ \propto \mathbb E_+[x\,y] - \mathbb E_+[x]\;\mathbb E[y],$$
#
# where $\mathbb E_+$ averages over images with $y > 0$, but $\mathbb E$ over *all*. Shift the data, $x \to x + m$, with
# $y$ as before:
#
# $$\mathbb E_+[(x + m)\,y] - \mathbb E_+[x + m]\;\mathbb E[y] = \dots + m\,\bigl(\mathbb E_+[y] - \mathbb E[y]\bigr),$$
#
# and the bracket is positive for every unit that is ever inactive. So it depends on a choice that the paper does not
# mention. If network 2 *shares* the patterns of network 1, nothing can change, by construction indeed. If its patterns
# are estimated anew, on the images that it is meant for, the published estimator fails as badly as any method here. With
# the plain covariance (*linear*), or with $\mathbb E_+[y]$ in the place of $\mathbb E[y]$ (*centred*), it holds.

# %%
patterned = [each for each in [*methods, *costly] if "pattern_attribution" in each]
study.figure(
    figures.shift_table(own, patterned, shifts),
    "patterns",
    "PatternAttribution is invariant if its patterns are shared or come from a covariance; with the published estimator, "
    f"estimated anew, its maps change by {figures.changes_in_words(own, ['pattern_attribution'], 'const')} under the "
    "constant shift.",
    "A table of PatternAttribution with four ways to get patterns, and three shifts.",
)

# %% [markdown]
# ## A convolutional network, and a tie
#
# In a convolution with zero padding, no single bias per channel makes up for a shift: at the borders the filter sees less
# of it. The bias becomes a map, untied from place to place, $b_2(p) = b_1 - (w * m)(p)$. With it the two networks agree
# again in every activation. And yet their *gradients* do not. Where an image is empty, all positions of a max-pooling
# window hold the same number, up to rounding. Which is the largest is decided in the sixteenth digit, which the shift has
# changed, and the gradient goes there. No mathematics fails here: at a tie the gradient is not defined, and each network
# takes another of the possible ones. Noise too small to be seen, added to the image beforehand, breaks the ties; then
# both agree again. SmoothGrad needs no such help.

# %%
untied = conv.of(scores)
study.figure(
    figures.shift_table(untied, convolutional, shifts),
    "convolutional",
    f"{conv.name}, images as they are: ties of max-pooling on empty background change maps that should be the same.",
    "A table of methods and shifts; the gradient methods stand between yes and no.",
)
study.figure(
    figures.shift_table(untied, convolutional, shifts, f",jitter={jitter:g}"),
    "convolutional-jitter",
    f"{conv.name}, images with noise of strength {jitter:g}: no tie, and every verdict is that of the dense network.",
    "The same table; every gradient method says yes.",
)
