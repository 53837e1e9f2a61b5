# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How old is this hand, and does the map know?
#
# **What follows is a surrogate; the original cannot be tested.** Adebayo et al. (2018) trained Inception v4 to tell a
# child's age from a radiograph of the hand. Those images cannot be passed on. We draw hands instead, and train a small
# net of the same kind. Whatever is shown here, is shown of that net and of drawn hands.
#
# The picture that this stands in for is the strongest in the paper: Guided Backprop of a network that reads bone age,
# beside Guided Backprop of the same network with every weight, bias and variable drawn anew; one cannot tell, it says,
# which is which. Can one?

# %% [markdown]
# ## Claims under test
#
# - **A-36** (**A1**, the first version of the paper, Fig. 7): the two maps are *indistinguishable*. There is one hand, and
#   no number. We ask for a rank correlation $\rho_a \ge 0.9$ of the sizes of the two maps, and for an SSIM of which
#   enough is left once we count it from that of *another* hand's map, $s_0$, upwards:
#
# $$s^* = \frac{s - s_0}{1 - s_0} \ge 0.8.$$
#
# - **X-02** (a contradiction, not a claim): **A3**, the corrected version, no longer has this figure. It says that Guided
#   Backprop does not notice what happens to the *higher* layers, and does notice what happens to those near the input.
#   A net that is re-initialised completely has lost both. So both papers cannot be right about it.
#
# "Indistinguishable" is a statement about eyes. A similarity cannot contradict that somebody once looked at two pictures
# and saw no difference; it says whether there is one to be seen.

# %% tags=["parameters"]
seeds: list[int] = [0]  # of training, each a net of its own; the first is used in the figures
train_hands: int = 320  # hands that each net is trained on, at least 32
iterations: int = 60  # of training, with batches of 32 hands
test_hands: int = 100  # further hands on which its errors are measured
n_images: int = 10  # further hands that are explained, at least 2
draws: int = 2  # how often each net is re-initialised; every draw meets every hand
methods: list[str] = ["guided_backprop", "gradient", "edge", "input"]  # two methods and two controls
orders: list[str] = ["cascade", "reverse"]  # cascade: from the output down; reverse: from the input up
# laws of the new weights; the first is used everywhere, the others for the cascade; own: the one training started from
init: list[str] = ["tn(0.01)", "own"]
shown: list[float] = [24.0, 84.0, 144.0, 204.0]  # ages of the hands in the figures, in months from 12 to 216
device: str = ""  # cpu or cuda; empty: the first GPU if there is one, else the CPU
data_dir: str = ""  # nothing is read from it: hands are drawn
out: str = ""  # where results go; empty: reports/scratch/09_bone_age

# %%
from lib import figures
from lib.attributions import CONTROLS
from lib.bone_age_calls import bone_age_calls, bone_age_picture_calls
from lib.bone_age_tables import error_table, error_words, of_net, on_clean_hands
from lib.study import Study

study = Study("09_bone_age", globals())

# %% [markdown]
# ## The computations
#
# For each training seed a net is trained, its errors are measured on hands it has not seen, and it is destroyed unit by
# unit, from the output down and from the input up. It has one output, the age, and this output is what all maps explain.

# %%
given = {"seeds": seeds, "recipe": {"train_hands": train_hands, "iterations": iterations}, "init": init}
plan = {"methods": methods, "orders": orders, "n_images": n_images, "test_hands": test_hands, "draws": draws}
calls = bone_age_calls(study, **given, **plan)
gallery = bone_age_picture_calls(study, **given, methods=methods, ages=shown)
scores, pictures = study.gather(calls), study.pictures(gallery)["hands"]
own = of_net(scores, seeds[0])
looking = [each for each in methods if each not in CONTROLS]
laws = {"cascade": init[0], **{f"cascade(init={law})": law for law in init[1:]}}

# %% [markdown]
# ## Hands
#
# Bone age is read off the gaps. A child's bones are ossified in the middle only, and cartilage looks like flesh, so the
# bones of a finger lie apart; they grow together until, at about eighteen, hardly a line is left. The small bones of the
# wrist come one after the other. That, and the thickness of the bones, is all that age changes here. Size, pose,
# position, contrast, brightness and noise have random generators of their own, which know nothing of age.

# %%
study.figure(
    figures.hand_strip(pictures, shown),
    "drawn-hands",
    "With age the gaps between the bones close and the wrist fills. Above, hands that differ in age alone; below, as the "
    "net sees them: sizes, poses, contrasts and noise vary too.",
    "Two rows of drawn radiographs of hands, from the youngest to the oldest.",
)

# %% [markdown]
# ## The net
#
# Two strided convolutions and three *Inception* blocks, each with branches of 1x1, 3x3 and 5x5 kernels and of pooling
# that are laid side by side; batch norm and ReLU after each convolution; a mean over all places; one output $y$. It
# minimises the mixture of L1 and L2 that the paper names without its weights (ours are equal),
#
# $$\ell(y, t) = \tfrac12\bigl(|y - t| + (y - t)^2\bigr),$$
#
# where one unit is 60 months, so that the two terms are of one size. Does it tell age? Compare with somebody who always
# says the mean age of the hands trained on.

# %%
study.table(
    error_table(scores, seeds),
    f"Mean absolute error in months on {test_hands} hands that the nets have not seen, with 95 % intervals.",
    1,
    "errors",
)

# %%
of_the_net, of_the_mean = error_words(own)
study.figure(
    figures.told_ages(own),
    "ages",
    f"The net is off by {of_the_net} months in the mean; always saying the mean age would be off by {of_the_mean}. "
    f"One dot per hand that it has not seen, training seed {seeds[0]}.",
    "Scatter plot of told over true age, with the diagonal.",
)

# %% [markdown]
# ## What one sees
#
# This is the figure of the paper, with the gradient beside it and one more kind of random net. The paper's text draws new
# weights from a truncated normal law with standard deviation 0.01; its code runs the initialiser that training started
# from. Every variable is drawn anew, so batch norm forgets its statistics too (the code keeps them). Cover the titles,
# and try to say which map belongs to a net that can tell age.

# %%
close, *others = looking
columns = {"image": "image"} | figures.map_columns(close, init)
for each in others:
    columns |= figures.map_columns(each, init[:1])
study.figure(
    figures.hand_maps(pictures, shown, columns | {"edge": "Edges (control)"}),
    "maps",
    f"After all weights were drawn from {init[0]}: {figures.complete_words(own, looking, 'cascade')}. Signed maps, red "
    "positive, blue negative, each scaled by its own 99th percentile.",
    "Grid of hands and maps: rows are ages, columns methods of the trained and of random nets.",
)

# %% [markdown]
# ## What one measures
#
# Now all hands and all draws. The grey tick is the null: how alike the *trained* net's maps of two different hands are.
# It is 0 on the scale of $s^*$. What does not get beyond it is not a likeness of *this* hand's map.

# %%
study.figure(
    figures.complete_dots(own, methods, laws, {"spearman_abs": 0.9, "ssim_corrected": 0.8}),
    "complete",
    f"{init[0]}: {figures.complete_words(own, looking, 'cascade')}. Dotted: what A-36 asks of Guided Backprop. Controls "
    f"never look at the net. Means and 95 % intervals, {n_images} hands x {draws} draws, training seed {seeds[0]}.",
    "Three panels of dots with intervals: rank correlation, SSIM, and SSIM counted from that of another hand.",
)

# %% [markdown]
# A drawn hand lies in noise, and the noise opens ReLUs all over the image. Is that the whole difference? So once more with
# *clean* hands: the same, without noise and on a background that is black. The net is the same, too, and was not trained
# on such hands.

# %%
clean = on_clean_hands(scores, seeds[0])
study.figure(
    figures.hand_maps(pictures, shown, {"clean": "image"} | figures.map_columns(close, init, "clean, ")),
    "clean-maps",
    "On black, a random net's map shows the hand too: it correlates with the hand's edges by "
    f"{figures.in_words(clean, [close], 'spearman_abs', 'edge')}. Signed maps, red positive, blue negative, each scaled by "
    "its own 99th percentile.",
    "Grid of hands on black and maps: rows are ages, columns Guided Backprop of the trained and of random nets.",
)

# %%
study.figure(
    figures.complete_dots(clean, methods, laws, {"spearman_abs": 0.9, "ssim_corrected": 0.8}),
    "clean",
    f"Without noise, on black, {init[0]}: {figures.complete_words(clean, looking, 'cascade')}. The trained net's map of "
    f"another hand has an SSIM of {figures.in_words(clean, looking, 'ssim', 'null_other_image')}. Dotted: what A-36 would "
    f"ask for. Means and 95 % intervals, {n_images} hands x {draws} draws, training seed {seeds[0]}.",
    "Three panels of dots with intervals, as above, for hands without noise on a black background.",
)

# %% [markdown]
# Where a random net's map does resemble that of a trained one, the papers have a reason for it: both look like the hand,
# and its edges. So here is what the random net's maps of clean hands resemble: the trained net's map, the image, or its
# edges. Part of every number is owed to the black around the hand, where images, edges and maps of a random net are all 0:
# shared zeros make a rank correlation by themselves (study 04).

# %%
study.figure(
    figures.full_reinit(clean, methods),
    "resemblance",
    f"With all weights from {init[0]}, maps of clean hands correlate with the image by "
    f"{figures.in_words(clean, looking, 'spearman_abs', 'input')}, with its edges by "
    f"{figures.in_words(clean, looking, 'spearman_abs', 'edge')}. Means and 95 % intervals.",
    "Dots with intervals, one row per method: similarity to the trained net's map, to the image, to its edges.",
)

# %% [markdown]
# ## Which layers?
#
# X-02 asks where the change comes from. If A3 describes this net, Guided Backprop stays what it was from the output down
# until the lower layers are reached, and is another map at once from the input up.

# %%
study.figure(
    figures.cascade_curves(own, methods, ["spearman_abs", "ssim"]),
    "cascade",
    f"From the output down, first → last step: {figures.in_words(own, looking, 'spearman_abs')}. Means and 95 % intervals.",
    "Two panels of curves of similarity against the stage of randomization, one line per method.",
)

# %%
if "reverse" in orders:
    study.figure(
        figures.orders_beside(own, looking),
        "orders",
        "From the input up, the lowest unit alone → all: "
        f"{figures.in_words(own, looking, 'spearman_abs', intervention='reverse')}. Left: from the output down; right: from "
        "the input up. Means and 95 % intervals.",
        "Two panels of curves: similarity while the net is destroyed from the output down, and from the input up.",
    )

# %% [markdown]
# ## Verdicts
#
# The claim must hold for each training seed. The second reading draws the new weights from the net's own initialiser.

# %%
verdicts = study.claims(scores, figure="complete", elsewhere={})
study.table(
    verdicts.drop(columns=["expected", "decided by"]), "Verdict on this run; the box above shows every part.", 3
)

# %% [markdown]
# ## Deviations, easy, difficult
#
# - **Everything is a stand-in.** Drawn hands for radiographs, six units and 26 000 weights for Inception v4, 96x96 pixels.
#   The verdict is on the surrogate. Of the original it says one thing: that the finding does not follow from the method
#   and the kind of network alone.
# - **Guided Backprop here is right in the sense of its definition**: every ReLU is changed, those inside the branches too,
#   and the library checks that none was missed. A map of a copy that never got the new weights would be the same map, and
#   indistinguishable indeed; study 01 shows that fault on purpose.
# - **The grid** in the maps of random nets comes from kernels of 3x3 pixels in steps of 2: some pixels stand under four of
#   them, others under one. Inception v4 begins with such a convolution too.
# - **Loss.** The weights of L1 and L2 are not printed; nor is the unit that they are mixed in.
# - **Easy**: to draw a hand. **Difficult**: to say what two eyes would call the same.

# %% [markdown]
# ## Try it yourself
#
# - `iterations = 1`: a net that has learned nothing. Does its map of a hand look any different?
# - `orders = ["cascade", "reverse", "independent"]` adds each unit alone to the scores.
# - Put `"gradcam(layer=mixed3)"` into `methods`: where does the net look?

# %%
study.save()
