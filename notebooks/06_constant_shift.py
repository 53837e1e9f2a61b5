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
# methods that a cat is to be drawn into
drawn: list[str] = [
    "gradient_x_input",
    "integrated_gradients",
    "integrated_gradients(reference=black)",
    "dtd_zero",
    "pattern_attribution(patterns=shared)",
]
hows: list[str] = ["permuted", "rescaled", "duplicated", "cancelling", "nested"]  # networks with equal outputs
# methods that explain these
rewired: list[str] = [
    "gradient",
    "gradient_x_input",
    "integrated_gradients",
    "dtd_zero",
    "deeplift",
    "pattern_attribution",
    "pattern_net",
    "guided_backprop",
    "deconvnet",
    "dtd_zplus",
    "dtd_w2",
]
# methods that explain networks whose inputs are normalised first
normalised: list[str] = [
    "gradient",
    "guided_backprop",
    "gradient_x_input",
    "integrated_gradients",
    "dtd_zero",
    "pattern_attribution(patterns=shared)",
    "pattern_attribution",
]
# methods whose maps are summed
summed: list[str] = [
    "gradient",
    "gradient_x_input",
    "integrated_gradients",
    "integrated_gradients(reference=mean)",
    "deeplift",
    "dtd_zero",
    "dtd_zero(bias=out)",
    "dtd_w2",
    "pattern_attribution",
]
network: str = "efficientnet_lite0"  # explains photographs from several references; empty: none
weights: str = "package"  # of that network: package, download, or a file
steps: int = 10  # of integrated gradients with these references
n_photos: int = 3  # photographs, at most 10
photo_size: int = 256  # their height and width, of which that network takes the middle
n_images: int = 20  # test images, spread evenly over the classes
costly_images: int = 5  # for methods over noisy copies
convolutional_images: int = 5  # for the convolutional network
slowest_images: int = 2  # for methods that optimise a mask
samples: int = 5  # images with a cat of their own
borrowed: int = 2  # cats that are tried on other images
draws: int = 1  # networks of each kind with equal outputs
pattern_images: int = 4000  # training images that patterns are estimated on
device: str = ""  # cpu or cuda; empty: the first GPU if there is one, else the CPU
data_dir: str = ""  # folder of downloaded data sets; empty: SALIENCY_DATA, else data/
out: str = ""  # where results go; empty: reports/scratch/06_constant_shift

# %%
from lib import figures
from lib.cat_scores import cat_pictures, cat_scores
from lib.centred import centred_scores, scaled_scores
from lib.completeness import sum_scores
from lib.equivalence import equivalence_scores
from lib.implementation_invariance import rewired_scores
from lib.reference_points import net_reference_scores, reference_point_pictures, reference_point_scores
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
# belong to a network's *data*: those of network 2 come from shifted training images. Where a method is marked *shared
# patterns*, both networks have those of network 1. The rule z⁺ of deep Taylor decomposition is defined for pixels that are not
# negative, and refuses the others; of our shifts, only the checkerboard leaves it any sense.

# %%
test = {f"test_{part}": (net.recipe.dataset, f"test_{part}") for part in ("images", "labels")}
plain = [name for name in shifts if name != "cat"]
few = {"net": net, "pattern_images": pattern_images}
common = few | {"shifts": shifts}
calls = [
    study.call(equivalence_scores, net=net, shifts=plain, parts_of=test),
    study.call(shift_invariance, methods=[*signal, *methods], **common),
    study.call(shift_invariance, net=net, methods=["dtd_zplus"], shifts=["checker"]),
    study.call(shift_invariance, methods=costly, n_images=costly_images, **common),
    study.call(shift_invariance, methods=slowest, n_images=slowest_images, **common),
]
for noise in (0.0, jitter):
    wobbling = {"shifts": shifts, "jitter": noise, "n_images": convolutional_images}
    calls.append(study.call(shift_invariance, net=conv, methods=convolutional, **wobbling))

# %%
kinds = ["scalar", "image", "standardised"]
calls += [
    study.call(cat_scores, methods=drawn, n_images=n_images + samples, samples=samples, borrowed=borrowed, **few),
    study.call(centred_scores, methods=normalised, by=kinds, shifts=plain, **few),
    study.call(scaled_scores, methods=normalised, by=["image"], draws=draws, **few),
    study.call(sum_scores, methods=summed, shifts=["const"], **few),
    study.call(net_reference_scores, steps=50, **few),
    study.call(rewired_scores, methods=rewired, hows=hows, draws=draws, **few),
]

# %%
photographs = {"images": "photos", "size": photo_size, "n_images": n_photos}
pictured = {}
if network:
    photographs |= {"network": network, "weights": weights, "steps": steps}
    calls.append(study.call(reference_point_scores, **photographs))
    pictured["photographs"] = study.call(reference_point_pictures, **photographs)

# %%
scores = study.gather(calls)
own = net.of(scores)
shown = ["gradient", "guided_backprop", "pattern_net(patterns=shared)", "gradient_x_input", "integrated_gradients"]
shown += ["integrated_gradients(reference=black)", "dtd_zero", "pattern_attribution(patterns=shared)"]
shown = [each for each in shown if each in [*signal, *methods]]
pictured |= {
    "maps": study.call(shift_pictures, methods=shown, n_images=10, **common),
    "cats": study.call(cat_pictures, methods=drawn, n_images=10, **few),
}
seen = study.pictures(pictured)
pictures = seen["maps"]

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
    "smoothgrad",
    "SmoothGrad with noise of one strength inherits the verdict of its base method in every cell; noise that is tied to "
    f"the range of the image (last row) fakes a failure: {figures.changes_in_words(own, ['smoothgrad'], 'checker')} "
    f"with the checkerboard. Mean over {costly_images} images, 50 copies each.",
    "A table of methods over noisy copies and shifts with yes or no in every cell.",
)

# %% [markdown]
# ## A cat
#
# Since Gradient ⊙ input of network 2 is $(x + m) \odot g$, anyone who may choose $m$ may choose the explanation. Want a
# cat $\hat s$? Solve for the shift:
#
# $$m = \frac{\hat s}{g} - x, \qquad\text{then cut off at } \pm 0.3,$$
#
# and leave pixels alone whose gradient is too small to divide by (less than a thousandth of the largest). Without the cut
# nothing but the cat would be seen (last column), but the shift would be enormous. With it, the shift is a ghost in
# the image, and it *decides nothing*: network 2 makes up for it. The paper does not say how strong its cat is. Ours is so
# strong that the cut acts on nine tenths of its pixels.

# %%
study.figure(
    figures.cat_gallery(seen["cats"], [3], drawn),
    "cat",
    "Neither the image nor the network knows of a cat; the maps show one. Correlation of the signed map with the drawing "
    f"rises, over {samples} images, by {figures.cat_words(own, drawn)}. What the networks take is drawn from its "
    "darkest to its brightest pixel.",
    "Two rows: a digit, the drawing of a cat and five maps; below it the shifted digit, the shift, and maps in which the "
    "cat is seen, but for the last method.",
)

# %%
study.figure(
    figures.cat_rise(own, drawn),
    "cat-rise",
    "How much more a map correlates with the cat once it is drawn: means over images with their own shifts, 95 % "
    f"intervals. In absolute maps: {figures.cat_words(own, drawn, metric='cat_correlation_abs')}.",
    "Dots for each method, signed and absolute maps; PatternAttribution at 0.",
)

# %% [markdown]
# Integrated gradients from *black* shows less of it: the smallest value of the shifted data is $-0.3$, so this reference
# lifts every pixel by as much, cat or not. And PatternAttribution with shared patterns shows nothing at all, as it must.
#
# A shift is made for one image: it divides by that image's gradient. What does it do to others? Within a class, gradients
# point much the same way.

# %%
borrow = "cat(shift=borrowed)"
study.figure(
    figures.cat_transfer(own, drawn),
    "cat-transfer",
    "The cat belongs to its class. With the shift of another image of the same class the correlation still rises by "
    f"{figures.cat_words(own, drawn, borrow, level='same class')}; with that of another class by "
    f"{figures.cat_words(own, drawn, borrow, level='other class')}. Means with 95 % intervals.",
    "Dots for each method: the rise with the own shift, that of an image of the same class, and that of another class.",
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
    "PatternAttribution is invariant if its patterns are shared or come from a covariance, and not if they are estimated "
    "anew as published. Relative change under the constant shift: "
    f"{figures.changes_in_words(own, ['pattern_attribution', 'pattern_attribution(patterns=shared)'], 'const')}.",
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

# %% [markdown]
# ## Normalise first?
#
# Networks are seldom fed with raw pixels. The paper's discussion says that normalising the data would undo its shift and
# make most failures disappear, though not for every transformation; it leaves both without an experiment. So let network 1
# see $u_1 = x - \mu_1$ and network 2 $u_2 = x + m - \mu_2$, each with a first layer that makes up for its mean,
# $b + W\mu$, and take the maps on $u$, the tensor that the network is given. (On $x$ nothing would be gained.)
#
# If $\mu$ is the *mean image* of the data, then $\mu_2 = \mu_1 + m$ for every $m$: the two networks are one and the same,
# with the same input, and no method can tell them apart. PatternAttribution with patterns estimated anew is cured as well.
# If $\mu$ is *one mean* of all pixels, as is common, it moves by the mean of $m$ alone: the constant is undone, the rest of
# a checkerboard stays. *Standardising* each image by its own mean and deviation is another thing. It undoes a constant,
# but no first layer can make up for it, and a checkerboard changes an image's deviation: then the networks no longer
# agree in what they compute, and every map changes, the plain gradient's too. Normalising can make a method fail.
#
# Does centring help against everything? Let every pixel have another unit, $x_2 = D x_1$ with factors between ½ and 2, and
# the weights with it, $W_2 = W_1 D^{-1}$. The mean image moves along, and yet the gradient becomes $D^{-1} g$: whoever
# measures in other units has other slopes. To be expected is
#
# $$\delta^2 \approx \mathbb E\,(1/d - 1)^2 = 2 - \tfrac43 \log 4 = 0.39^2 .$$
#
# Products with the input do not change, $Du \odot D^{-1} g = u \odot g$. The roles are exchanged: what failed under a shift
# passes, and the signal methods fail. PatternAttribution now passes if its patterns are estimated anew and fails if they
# are *shared*, the reverse of before. Neither choice is right for both.

# %%
study.figure(
    figures.centred_table(own, normalised, kinds, plain),
    "centred",
    "Less the mean image, every map stays the same under every shift; less one mean of all pixels, under the constant "
    "only. With scaled pixels the signal methods fail and products pass. Standardised one by one, without any shift, "
    f"{figures.changed_classes(own, 'standardised')} of the images change their class. Maps on the normalised input.",
    "A table of methods; columns are two shifts with three normalisations each, and scaled pixels.",
)

# %% [markdown]
# ## What maps sum to
#
# The paper tells *attribution* from *signal*: an attribution adds up to the output. Does it? For a network of ReLU layers
# there is an exact account (Euler's theorem),
#
# $$S_c(x) = \sum_i x_i \frac{\partial S_c}{\partial x_i} + \sum_{\text{layers}} b \cdot \frac{\partial S_c}{\partial z},$$
#
# so Gradient ⊙ input, and the zero root with it, misses the share of the biases. Integrated gradients and DeepLIFT add up
# to the *difference* from their reference's logit. PatternAttribution hands relevance to inactive units, where the next
# ReLU drops it.

# %%
study.figure(
    figures.completeness_strips(own, summed),
    "sums",
    f"Gradient ⊙ input misses the share of the biases, {figures.mean_of_sums(own, 'bias_share'):.0%} of the logit in the "
    "mean; integrated gradients and DeepLIFT add up to the difference of two logits; PatternAttribution to "
    f"{figures.mean_of_sums(own, 'completeness', 'pattern_attribution', 'logit'):.2f} times the logit. One dot per image.",
    "Two panels of dots: sums of maps over the logit, and over its difference from the logit of the reference.",
)

# %% [markdown]
# A product with the input is 0 wherever the input is 0. That is why the maps of such methods look like the digit; and it
# is a fact about black being *called* 0. Call it $-1$, and most of the map lies on empty paper.

# %%
study.figure(
    figures.empty_mass_dots(own, summed, {"sums(shift=none)": "network 1", "sums(shift=const)": "network 2, constant"}),
    "empty",
    "Share of each map that lies on empty pixels, for two networks that are one: of Gradient ⊙ input "
    f"{figures.mean_of_sums(own, 'mass_on_empty', 'gradient_x_input'):.0%} and "
    f"{figures.mean_of_sums(own, 'mass_on_empty', 'gradient_x_input', intervention='sums(shift=const)'):.0%}.",
    "Dots for each method and both networks.",
)

# %% [markdown]
# ## The reference decides
#
# Integrated gradients do not explain an image. They explain the *difference* from a reference image $\bar x$, pixel by
# pixel,
#
# $$E_i = (x_i - \bar x_i) \int_0^1 \partial_i S_c\bigl(\bar x + \alpha (x - \bar x)\bigr)\, d\alpha,$$
#
# and who chooses $\bar x$ has a say in $E$. Where the image *equals* the reference the map is 0, whatever the network
# thinks of that pixel: on black a black hat cannot matter, on white a white cup. And between black and white there is
# more than a nuance: $x_i - 0$ is never negative, $x_i - 1$ never positive. If the gradients along both paths were the
# same, every pixel that is *for* the class on black would be *against* it on white.
#
# The paper's first figure shows this with VGG-16. Here it is with an ImageNet network whose weights come inside a package
# (`network: vgg16`, `weights: download` is yours to try). *Zero* is 0 in the numbers that the network takes, for this one
# mid-grey, so that black and white are two references of their own.

# %%
if network:
    photos = scores[scores.intervention == f"reference_point({network})"]
    gap = photos[photos.metric == "completeness_gap"].value.mean()
    study.figure(
        figures.reference_gallery(seen["photographs"], range(min(3, n_photos))),
        "references-photographs",
        f"Three references, three explanations. {network}, class that it predicts; attributions summed over colours, "
        f"without sign, multiplied onto the photograph. With {steps} steps a map's sum is off by {gap:.0%} in the mean.",
        "Photographs, each beside three darkened copies in which other parts are lit.",
    )

# %%
if network:
    study.figure(
        figures.reference_dots(photos),
        "references",
        f"Rank correlation of signed maps with two references: {figures.reference_words(photos)}; without signs "
        f"{figures.reference_words(photos, 'spearman_abs')}. Last row: it is not the error of the integral. {network}, "
        f"{n_photos} photographs, means with 95 % intervals.",
        "Dots for each pair of references, near zero or negative; dots for the same reference near one.",
    )

# %% [markdown]
# Look at black and white: the correlation is not small, it is *negative*. Which pixels speak for the espresso depends on
# whether one asks "why not darkness" or "why not light". None of the answers is wrong. Each is the right answer to
# another question, and the question is chosen by who makes the map.
#
# The same on digits, where zero *is* black, and where two roots of deep Taylor decomposition can be compared: the zero
# root, and the pattern root that is PatternAttribution.

# %%
digits = own[own.intervention == "reference_point"]
study.figure(
    figures.reference_dots(digits),
    "references-digits",
    f"Rank correlation of signed maps: {figures.reference_words(digits)}. {net.name}, means with 95 % intervals.",
    "Dots for each pair of references and roots, signed and absolute maps; below, other images and the same reference.",
)

# %% [markdown]
# One row deserves a second look. PatternAttribution, the one method that neither the checkerboard nor the cat could move,
# gives nearly the same ranks for *another digit, explained for another class*. What hardly looks at the image is hardly
# moved by a change of it. Invariance is not yet a merit.

# %% [markdown]
# ## Equal outputs, other weights
#
# The two networks above have the same weights but for a bias, and that is why the signal methods agree. The paper remarks
# that such methods would *not* agree between networks with equal outputs and different weights. For the plain gradient
# that cannot be: it depends on the function, and the function is the same. For the others it depends on the rewiring. We
# make five kinds of networks out of one. Hidden units *permuted*; *rescaled*, a unit's incoming weights times $\alpha > 0$
# and its outgoing ones divided by it; *duplicated*, two copies with half the outgoing weights each; pairs of units that
# *cancel*, equal below and opposite above; and *nested* pairs, which compute one value in two ways,
# $\mathrm{relu}(\mathrm{relu}(s) - \mathrm{relu}(t)) = \mathrm{relu}(s - \mathrm{relu}(t))$, and cancel.

# %%
study.figure(
    figures.rewired_table(own, rewired, hows),
    "rewired",
    "What depends on the function alone stays the same under every rewiring; what hands signals on by rules of its own "
    f"can be told from how the function is written. {net.name}, patterns estimated anew.",
    "A table of methods and five rewirings with yes or no in every cell.",
)

# %% [markdown]
# ## Verdicts
#
# A claim is *supported* if the whole interval lies on its side of the threshold, *contradicted* if it lies on the other,
# else *inconclusive*. K-10 to K-25 are the cells of the table that the paper printed, together with those that follow from
# the algebra; K-30 to K-41 are methods of ours. Second readings: the convolutional network with its ties broken (K-10 to
# K-16, K-40), patterns estimated anew (K-17, K-24, K-50, K-51), and noise tied to the range of the image (K-57).

# %%
where = {"K-01": "networks", "K-02": "networks", "K-03": "networks", "K-40": "convolutional", "K-50": "patterns"}
where |= {f"K-{number}": "smoothgrad" for number in (*range(18, 26), 57)} | {"K-52": "rise", "K-60": "rewired"}
where |= {"K-53": "cat-rise", "K-54": "cat-rise", "K-55": "cat-rise", "K-56": "cat", "K-35": "patterns"}
where |= {"K-51": "patterns", "K-59": "centred", "K-63": "centred", "K-61": "empty", "K-62": "sums"}
where |= {"K-58": "references" if network else "references-digits"}

# %%
verdicts = study.claims(scores, figure="invariance", elsewhere=where)
study.table(verdicts.drop(columns="expected"), "Verdicts on this run; the box above shows every part.", digits=3)

# %% [markdown]
# ## Deviations, easy, difficult
#
# - **The sign.** The paper adds the shift to the biases in words; it must be subtracted (see above).
# - **"A CNN".** The paper speaks of a CNN and of three layers of 1024 units. The dense network is the one studied; the
#   convolutional one is ours, with a bias map where zero padding demands it.
# - **Training.** Ten epochs of plain descent, as printed. Batch (64) and rate (0.1, falling along a line to 0) are ours.
# - **Biases.** Zero is no root of a unit with a bias. The zero root keeps the biases in its denominators here, which makes
#   it Gradient ⊙ input exactly.
# - **Numbers.** Shifts, cat, noise and image counts are not printed; ours are in the parameters. Double precision
#   everywhere, or "equal" would have no meaning.
# - **Perturbation** optimises a mask for every image and is run on few.
# - **Easy**: the two networks, a line of algebra. **Difficult**: to keep everything else the same. Noise that follows the
#   image's range, references that do not follow the data, ties of max-pooling: each fakes a verdict.

# %% [markdown]
# ## Try it yourself
#
# - `shifts = ["checker7", "checker_centre"]`: which reference tells *zero* from *black* now?
# - Add `"edge"` and `"input"` to `methods`: are they invariant?
# - Add `"lrp_epsilon"` to `methods`. Its $\epsilon$ is small; is its $\delta$ that of `dtd_zero`?
# - `jitter = 0.00000001`: how small may the noise be that breaks a tie?

# %%
study.save()
