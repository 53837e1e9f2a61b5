# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What does a similarity of 0.5 mean?
#
# Randomize a net, compare the new map with the old one, and a metric says 0.5. Is that a lot? The number alone cannot
# tell. It has to be laid beside two others: what the metric says of maps that have *nothing* to do with each other, and
# what it says of maps that are as equal as they can be. This study measures both, for every metric of the other
# studies, and finds that the lower end is often not 0, and not the same for any two methods.

# %% [markdown]
# ## Claims under test
#
# The first version of Adebayo et al. (**A1**, appendix B) calibrates its four metrics on maps that share nothing. Each
# number is a mean over 50 pairs of maps of 299x299 pixels:
#
# | pair | ρ | ρₐ | HOG | SSIM |
# |---|---|---|---|---|
# | two uniform masks | 0.00016 | −0.0015 | 0.078 | 0.00076 |
# | two Gaussian masks, normalised to [−1, 1] | 0.00018 | 0.00043 | −0.0013 | 0.00023 |
#
# From this A1 concludes that high values are meaningful. We test the numbers (**A-87**, **A-88**), the conclusion
# (**A-89**), and a footnote: that what is lost by normalising maps to [−1, 1] does not matter to how they are
# perceived (**A-82**). Nobody's perception is tested here; we ask whether a metric's answer depends on the
# normalisation. The paper has three more rows, Inception's maps beside a Gaussian mask. They need
# ImageNet; the same is shown below for small nets, without a verdict.

# %% tags=["parameters"]
models: list[str] = ["cnn-mnist-5k"]  # nets whose maps are compared; each has a recipe in params/*/models
# attribution methods and controls
methods: list[str] = [
    "gradient",
    "smoothgrad",
    "vargrad",
    "gradient_x_input",
    "integrated_gradients",
    "guided_backprop",
    "deconvnet",
    "edge",
    "input",
    "random",
]
convolutional: list[str] = ["gradcam", "guided_gradcam"]  # further methods, for nets with convolutions
# those of the methods whose maps are shown
shown: list[str] = [
    "gradient",
    "gradient_x_input",
    "guided_backprop",
    "gradcam",
    "guided_gradcam",
]
n_images: int = 10  # test images, spread evenly over the classes
draws: int = 3  # how often the whole net is re-initialised; every draw meets every image
init: str = "tn(0.01)"  # law of the new weights, as printed
pairs: int = 10  # pairs of masks of the two printed laws
tail_pairs: int = 5  # pairs of masks of each further law
side: int = 299  # height and width of a mask, as printed
log_stds: list[float] = [0.25, 0.5, 1.0, 1.5, 2.0]  # spread of the log-amplitude of log-normal masks
others: list[str] = ["student_t(3)", "laplace_power(3)"]  # further laws with heavy tails
device: str = ""  # cpu or cuda; empty: the first GPU if there is one, else the CPU
data_dir: str = ""  # folder of downloaded data sets; empty: SALIENCY_DATA, else data/
out: str = ""  # where results go; empty: reports/scratch/07_metric_calibration

# %%
from lib import calibration, figures
from lib.attributions import CONTROLS
from lib.calibration import PRINTED_LAWS
from lib.map_nulls import null_pictures, null_scores
from lib.mask_scores import mask_pictures, mask_scores
from lib.masks import lognormals
from lib.study import Study

study = Study("07_metric_calibration", globals())

# %% [markdown]
# ## The experiment in a few calls
#
# One call for the masks of the printed laws, one for masks with heavier tails, and one for each net. The masks need no
# net and no image. A net's maps are compared with those of randomized copies, and with maps that share less and less
# with them.

# %%
signed, positive = lognormals(log_stds)
chosen = {}
for net in study.nets:
    named = [*methods, *(convolutional if net.recipe.model == "cnn" else [])]
    chosen[net.name] = sorted(named, key=lambda each: each in CONTROLS)  # controls last

# %%
calls = [
    study.call(mask_scores, laws=list(PRINTED_LAWS), pairs=pairs, side=side),
    study.call(mask_scores, laws=[*signed, *positive, *others], pairs=tail_pairs, side=side),
    *(study.call(null_scores, net=net, methods=chosen[net.name], draws=draws, init=init) for net in study.nets),
]
scores = study.gather(calls)

# %%
net = study.nets[0]
own = net.of(scores)
gallery = list(dict.fromkeys([*PRINTED_LAWS, *signed[1::2], signed[-1]]))
in_gallery = [each for each in shown if each in chosen[net.name]]
pictures = study.pictures(
    {
        "masks": study.call(mask_pictures, laws=gallery, side=side, crop=48),
        "maps": study.call(null_pictures, net=net, methods=in_gallery, init=init),
    }
)

# %% [markdown]
# ## Two masks that share nothing
#
# A *mask* is a map of independent random pixels: it explains nothing. Below are two of each kind, divided by their
# largest value, which is how A1 brings maps to [−1, 1]. The first two kinds are those of the paper. In the others the
# *amplitude* of a pixel is log-normal: most pixels are small, a few are huge. Saliency maps are often of this kind.
#
# Every pixel of the upper row is independent of every pixel of the lower row. All three numbers should be 0.

# %%
laws = [*PRINTED_LAWS, signed[-1]]
study.figure(
    figures.mask_pairs(pictures["masks"], scores),
    "masks",
    f"Nothing is shared, and yet SSIM says {figures.mask_words(scores, laws, 'ssim')}, and HOG says "
    f"{figures.mask_words(scores, laws, 'hog')}. Cut-outs of 48x48 pixels around the largest; the numbers are means "
    "over all pairs of whole masks.",
    "Pairs of random masks, one column per law of the pixels, with three similarities below each pair.",
)

# %% [markdown]
# ### Beside the printed numbers

# %%
study.table(
    calibration.beside_published(scores, PRINTED_LAWS).rename(index=figures.law_words, level=0),
    f"Means over {pairs} pairs of {side}x{side} pixels with 95 % intervals, beside those printed for 50 pairs. SSIM: "
    "window of 5, range 2, maps divided by their largest value.",
    5,
    "printed",
)

# %% [markdown]
# Two of the printed numbers ask for an explanation: 0.078, which is not 0, and 0.00023, which we do not find. The rank
# correlations come first, because they need none.

# %% [markdown]
# ## Rank correlation: chance has a formula
#
# If two maps of $d$ pixels are independent, the ranks of one are a random permutation of the ranks of the other. Nothing
# else is needed, neither a law nor a large $d$, to see that Spearman's correlation then has mean 0 and
#
# $$\operatorname{sd}(\rho) = \frac{1}{\sqrt{d-1}},$$
#
# which is 0.0033 for 299x299 pixels, and 0.00047 for a mean of 50. So the printed rank correlations should be draws from
# a normal law with this spread. Divide each by it and look.

# %%
standard = calibration.standard_scores(scores, side)
study.figure(
    figures.chance_strip(standard),
    "chance",
    f"Rank correlations of unrelated maps are sampling noise. Printed: {figures.chance_words(standard, 'printed')}. "
    f"Measured here: {figures.chance_words(standard, 'ours')}. Every dot is ρ or ρₐ of one kind of pair, divided by "
    "the standard error that theory gives it.",
    "Dots of printed and measured mean rank correlations on an axis of standard errors, before a normal density.",
)

# %% [markdown]
# So far the metric is as good as it can be: for independent pixels a rank correlation has no offset, whatever the
# tails. (The farthest printed number would be rare for 50 pairs of 299x299 pixels. The appendix also gives the size as
# "299 by 229", which hardly changes the scale; fewer pairs or a dependence between them would.)

# %% [markdown]
# ## HOG: not every direction is as likely
#
# HOG cuts a map into cells of 16x16 pixels. In each it sums up the size of the gradient in nine directions, and the
# metric is the correlation of all these sums. For two independent *uniform* masks it is near 0.08, for two Gaussian ones
# near 0. Why?
#
# The gradient of a pixel is $(x_\text{right} - x_\text{left},\ x_\text{below} - x_\text{above})$. If the pixels are
# uniform, each difference has a triangular law on [−2, 2], so that the gradients fill a *square*. Its diagonals are
# longer than its sides. Integrate the size of the gradient along a ray at angle $\theta$ from the nearest axis, and what
# a direction gets is
#
# $$w(\theta) \propto \frac{5 - 3 \tan\theta}{\cos^3\theta}, \qquad 0 \le \theta \le 45^\circ:$$
#
# the diagonal gets 13 % more than the axis. Two masks prefer the same directions, and that correlates. Gaussian
# gradients fill a *disc*, and no direction is preferred. With heavy tails it gets extreme. One large pixel stands alone;
# its neighbours to the right and left see a horizontal step, those above and below a vertical one. Nearly all of the
# gradient then lies in two directions, for *every* mask.
#
# If this is the whole explanation, subtracting from each feature the mean of its direction (*centring* it) must leave
# nothing. It leaves a little, and the same for uniform and for Gaussian masks: scikit-image takes the gradient of the
# outermost pixels to be 0, so the cells at the border hold less, again in every mask. Leave the outermost blocks out
# as well. (One pair of masks scatters by 0.02, so it takes some fifty pairs to see the border.)

# %%
study.figure(
    figures.orientation_bars(scores, laws),
    "orientations",
    f"HOG correlates because masks share directions, and the border: {figures.mask_words(scores, laws, 'hog')}. "
    f"Directions centred: {figures.mask_words(scores, laws, 'hog_centred')}. Without the border too: "
    f"{figures.mask_words(scores, laws, 'hog_inside')}. Bars: mean feature of each direction; black: the formulas "
    "above. (0° and 180° are the same direction, cut in two by the edge of a bin.)",
    "Bars of the mean HOG feature by direction of the gradient for uniform, Gaussian and heavy-tailed masks.",
)

# %% [markdown]
# ## SSIM: small windows look alike
#
# SSIM compares windows of 5x5 pixels, in the range $L$ of the values:
#
# $$\text{SSIM} = \frac{2\mu_a\mu_b + C_1}{\mu_a^2 + \mu_b^2 + C_1} \cdot
#   \frac{2\sigma_{ab} + C_2}{\sigma_a^2 + \sigma_b^2 + C_2}, \qquad C_1 = (0.01 L)^2,\ C_2 = (0.03 L)^2.$$
#
# The constants keep the quotients finite where a window is flat. But look at what they do to two windows that share
# nothing: the products average to 0, and what remains is
#
# $$\mathbb E\,\frac{C_1}{\mu_a^2 + \mu_b^2 + C_1} \cdot \mathbb E\,\frac{C_2}{\sigma_a^2 + \sigma_b^2 + C_2}.$$
#
# This is near 0 only if the windows vary much more than the constants. If they vary much less, it is near *1*: two flat
# windows are the same. For Gaussian pixels with standard deviation $\sigma$ both means are integrals that can be done,
# with $F_k(z) = z e^z E_k(z)$ and the exponential integrals $E_k$:
#
# $$\mathbb E\,\text{SSIM} = F_1\!\left(\frac{25\, C_1}{2\sigma^2}\right) F_{24}\!\left(\frac{12\, C_2}{\sigma^2}\right).$$
#
# Dividing a Gaussian mask by its largest pixel, some 4.4 standard deviations out, leaves a $\sigma$ of 0.23. With a
# uniform mask it is 0.58. Heavy tails leave next to nothing. So the *division by the largest value* decides, and
# with it one single pixel.

# %%
study.figure(
    figures.ssim_by_spread(scores),
    "spread",
    "SSIM of unrelated masks is a function of how much a window varies. Divided by the largest value: "
    f"{figures.mask_words(scores, laws, 'ssim')}; by the root mean square: "
    f"{figures.mask_words(scores, laws, 'ssim(normalisation=std)')}. Marks: laws x normalisations x ranges; curve: the "
    "formula above.",
    "SSIM against the standard deviation inside a typical window, marks for masks and a falling theoretical curve.",
)

# %% [markdown]
# Which reading of the paper's words gives the printed number for Gaussian masks? The formula lets us ask how far that
# number lies from each, in standard errors of a mean of 50 pairs.

# %%
study.table(
    calibration.ssim_readings(scores),
    f"SSIM of two Gaussian masks, theory and mean over {pairs} pairs; without arguments: divided by the largest value, "
    "range 2. Last column: how far the printed number lies from theory.",
    4,
    "readings",
)

# %% [markdown]
# Masks divided by their largest value, with the range that [−1, 1] has, do not give it. Range 1 comes nearer. What fits
# are masks that were *not* divided, or divided by their root mean square, and these do not lie in [−1, 1].
# The settings of the authors' released code (Gaussian windows, absolute maps stretched to [0, 1]) are no way out either:

# %%
released = scores[
    scores.metric.isin(["ssim", "ssim_released", "hog", "hog_released"]) & (scores.intervention == "masks")
]
table = released.pivot_table(index="method", columns="metric", values="value", observed=True)
table = table.loc[[*PRINTED_LAWS, *signed, *positive, *others]].rename(index=figures.law_words)
study.table(table.rename_axis(index=None, columns=None), "Two independent masks, as printed and as released.", 3)

# %% [markdown]
# ## How heavy are the tails?
#
# Now turn one knob, the spread of the log-amplitude, and watch the metrics on masks that stay independent all the time.

# %%
heaviest = [signed[-1], *others]
study.figure(
    figures.tail_curves(scores),
    "tails",
    f"The heavier the tails, the more alike two unrelated masks: SSIM {figures.mask_words(scores, heaviest, 'ssim')}; "
    f"HOG {figures.mask_words(scores, heaviest, 'hog')}; rank correlation "
    f"{figures.mask_words(scores, heaviest, 'spearman_abs')}. Solid: random signs, dashed: one sign; "
    f"{tail_pairs} pairs each, 95 % intervals.",
    "Three panels of curves against the spread of the log-amplitude: SSIM rises to one, HOG rises, ranks stay at zero.",
)

# %% [markdown]
# Three things to take along. SSIM rises to 1 without any resemblance, and its cure is a scale that one pixel cannot set.
# HOG rises for another reason, and the means of its directions are all of it. (The left end of its solid curve is no
# slip: a mask of nearly equal amplitudes has steps of −2, 0 and 2 only, which again is a matter of few directions.) And
# the rank correlation does not move. So is it the metric to trust? Not yet: independent pixels have no ties.

# %% [markdown]
# ## From masks to maps
#
# A1 compares Inception's maps with Gaussian masks too and finds nothing, as one should. Here is the same for our nets.

# %%
named = [each for each in ("gradient", "integrated_gradients", "gradient_x_input") if each in chosen[net.name]]
pixels = study.images(net)[0, 0].numel()
study.table(
    calibration.beside_masks(own, named, pixels).rename(index=figures.spoken),
    f"Maps of {net.name} beside Gaussian masks: means over {n_images} images, and the standard error of ρ and ρₐ by "
    "chance.",
    4,
    "beside-masks",
)

# %% [markdown]
# But a mask is a null that no saliency map would ever be mistaken for. It has other tails, no smoothness, no zeros where
# the image is black. A *matched* null keeps what a map owes to something else than the question asked:
#
# | null | keeps | lets go |
# |---|---|---|
# | Gaussian mask | nothing | all |
# | pixels shuffled | the values: tails, share of zeros | their places |
# | another image | also the method's smoothness, the centred object | the image |
# | another class | also the image, its zeros, its edges, and the net | the class explained |
#
# No single one is *the* null. Whoever says that a map is about the class needs the last; whoever says that it is about
# the image needs the third.

# %%
image = study.examples(net)["image_ids"][0]
study.figure(
    figures.null_grid(pictures["maps"], own, image),
    "nulls-maps",
    f"The last column is what sanity checks look at. After all units are random, SSIM is "
    f"{figures.beside_null_words(own, in_gallery, 'ssim')}; the null is the map for another class. Signed maps of "
    f"{net.name} for one image, each scaled by its own 99th percentile; below each map its similarity to the first.",
    "Grid of saliency maps, one row per method: the map, and maps for another class, another image, shuffled, random.",
)

# %% [markdown]
# ### Nulls, raw values, ceilings
#
# For every method: what remains after the whole net is random, what the nulls reach, and, for methods that draw noise,
# what a second draw of noise reaches on the same net. If the red diamond stands among the nulls, the metric has nothing
# to say, however far to the right they all stand.

# %%
metrics = ["ssim", "spearman_abs", "spearman_abs_fg"]
for trained in study.nets:
    mine, rows = trained.of(scores), chosen[trained.name]
    told = [figures.in_words(mine, rows, metric, "null_other_image", "calibration") for metric in metrics[:2]]
    study.figure(
        figures.null_rows(mine, rows, metrics),
        f"nulls-{trained.name}",
        f"{trained.name}, maps of two different images: SSIM {told[0]}; absolute rank correlation {told[1]}. Means and "
        f"95 % intervals, {n_images} images x {draws} draws.",
        "Dot plot with a panel per metric and a row per method: a random net's map, four nulls, and the ceiling.",
    )

# %% [markdown]
# ### Counted from the null upwards
#
# A similarity $s$ with a null $s_0$ can be put on a scale of its own, 0 at the null and 1 for equal maps:
#
# $$s^* = \frac{s - s_0}{1 - s_0}.$$
#
# Products with the input show why it matters *which* null. Counted from a shuffled map, or from another image, a part
# of their similarity is left to the end. Counted from the map of the same image for another class, which shares their
# zeros, nothing is. The two answers do not contradict each other: what a product keeps is the *image*.

# %%
for metric, words in (("ssim", "SSIM"), ("spearman_abs", "Absolute rank correlation")):
    study.table(
        calibration.corrected_table(own, chosen[net.name], metric).rename(index=figures.spoken),
        f"{words} of a wholly random {net.name}, raw and counted from three nulls (negative: below the null).",
        2,
        f"corrected-{metric}",
    )

# %% [markdown]
# ## Does the normalisation decide?
#
# A1 brings every map to [−1, 1] by its largest value. We have seen on masks that this lets one pixel set the scale of
# SSIM. On real maps, divide by the 99th percentile (and clip), or by the root mean square, and ask A1's question again:
# are Gradient ⊙ input and integrated gradients still "similar" (SSIM of at least 0.5, the rule of A-22) when the upper
# half of the net is random? Ranks do not see a scale; for them the question does not arise.

# %%
explaining = [each for each in chosen[net.name] if each not in CONTROLS]
asked = ["gradient_x_input", "integrated_gradients", "guided_gradcam"]
readings = {"largest value": "ssim", "99th percentile": "ssim(normalisation=p99)", "rms": "ssim(normalisation=std)"}
for trained in study.nets:
    mine = trained.of(scores)
    told = [f"{key}: {figures.in_words(mine, asked, readings[key], intervention='calibration')}" for key in readings]
    study.figure(
        figures.normalisation_rows(mine, explaining, threshold=0.5),
        f"normalisation-{trained.name}",
        f"{trained.name}, SSIM after the first → last step, by what maps are divided by. {'; '.join(told)}. Shown are "
        "means over the steps of the upper half, with 95 % intervals; dotted: the threshold of A-22.",
        "Dot plot, one row per method: SSIM under three normalisations, and its null under the same.",
    )

# %% [markdown]
# ## The scale, method by method
#
# So what does 0.5 mean? Take the worst null of a method, and of that null the value that only one pair in forty
# exceeds. Below it, a similarity says nothing that a map for another class, of another image or of shuffled pixels would
# not say too. The ceiling is what two draws of noise reach on the same net; above it there is nothing to be had.

# %%
words = {"ssim": "SSIM", "spearman_abs": "ρₐ", "spearman_abs_fg": "ρₐ, foreground"}
scale = calibration.what_means_similar(own, chosen[net.name], list(words))
study.table(
    scale.rename(index=words, level=0).rename(index=figures.spoken, level=1),
    f"{net.name}: a similarity means something above the first number; `exceeding` is the share of images and draws in "
    "which a wholly random net gets there.",
    2,
    "scale",
)

# %% [markdown]
# **Advice.** Do not read a similarity by itself. Compute it for maps that share everything but what you are asking about
# (the image, the class, the places of the pixels), show these nulls beside it, and report what exceeds them. Where the
# image has an empty background, compare the foreground. Use ranks where the tails are heavy. If you want SSIM, divide
# maps by a scale that all pixels set, and say which range you used; a published SSIM without both cannot be compared
# with another. If you want HOG, centre the directions and leave the border out. And calibrate on the maps that you have, not on Gaussian noise.

# %% [markdown]
# ## Verdicts
#
# A claim is *supported* if the whole interval lies on its side of the threshold, *contradicted* if the whole interval
# lies on the other side, else *inconclusive*. The second reading of A-88 is SSIM without normalisation and with range 1.

# %%
where = {"A-82": f"normalisation-{net.name}", "A-87": "orientations", "A-88": "spread"}
verdicts = study.claims(scores, figure=f"nulls-{net.name}", elsewhere=where)
study.table(verdicts.drop(columns="expected"), "Verdicts on this run; the box above shows every part.", digits=4)

# %% [markdown]
# ## Deviations, easy, difficult
#
# - **Normalised to [−1, 1]** is read as division by the largest absolute value. A1 prints neither SSIM's range nor its
#   window's weights; we take range 2, which the interval [−1, 1] has, equal weights, and show range 1.
# - **Masks are not tied to images.** A1 averages over 50 images; for masks this can only mean 50 pairs. Interval: over
#   pairs.
# - **HOG needs maps of 48x48 pixels** for one block of its cells, so maps of 28x28 have no HOG here.
# - **A-82** rests on small nets for now. A1 shows SSIM for ImageNet only and finds MNIST too artificial for it: an image
#   that is four fifths black has many windows in which both maps are 0, and these count as equal.
# - **Null of another class.** The class is drawn, each of the others as likely. The net is the same, so a method that
#   tells the same of every class has a high null by right.
# - **Easy**: everything about masks. **Difficult**: to choose a null, because each answers another question.

# %% [markdown]
# ## Try it yourself
#
# Change a value in the parameters cell and run all cells; nothing published is overwritten.
#
# - `side = 80` and `pairs = 200`: by how much does chance widen, and does SSIM of Gaussian masks rise or fall? (How large
#   is the largest of 6 400 pixels?)
# - `others = ["student_t(1)", "laplace_power(0.5)"]`: Cauchy's tails, and tails lighter than Gaussian ones. Which metric
#   notices first?
# - `models = ["mlp-mnist-5k"]`: without convolutions maps are rougher. Which null moves?
# - `methods = ["gradient_x_input", "lrp_epsilon", "random"]` and `convolutional = []`: are the nulls of ε-LRP those of
#   Gradient ⊙ input?
# - `init = "own"`: does the random net come nearer to the null?

# %%
study.save()
