# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does the saliency map fail, or the task that it is tested on?
#
# A sanity check destroys a network and asks whether the map notices. Guided Backprop, said Adebayo et al. (2018), does
# not. But suppose that a digit's pixels are what *any* network, even a random one, responds to most. Then a trained and
# a random network may highlight the same pixels for different reasons, and the check blames the method for what the
# task has done. Yona & Greenfeld (2021) draw the consequence: change the task, so that the right place to look is not
# the most obvious one, and see whether the maps follow.

# %% [markdown]
# ## Claims under test
#
# **Y** is Yona & Greenfeld, **A1** and **A3** are the first and the corrected version of Adebayo et al. Y print no
# number but three test accuracies, 0.99, 0.99 and about 0.77; all else is judged by eye from seven figures (E-26). So
# the thresholds are ours, fixed before the first run. With $\rho_a$ the rank correlation of absolute maps:
#
# - **Half a digit.** Guided Backprop differs between trained and random net (Y-02: $\rho_a < 0.6$, and the share of the
#   map in the deleted half differs by more than 0.1), and so does the gradient, which Y call VBP (Y-04). On the natural
#   task Guided Backprop does not (Y-03: $\rho_a \ge 0.9$): the effect depends on the task (Y-05). And the net looks at
#   the half that decides (Y-06).
# - **A shape beside a digit.** The maps of a net that names the shape highlight the shape (Y-09, Y-10), those of a net
#   that names the digit the digit (Y-11, Y-12). All differ from the random net's (Y-13). Attending to one object is the
#   only way to solve either task (Y-14).
# - **Pairs of photographs.** After fine-tuning, positive saliency is on the relevant half only (Y-16, Y-17); before,
#   and in a random net, on both (Y-18, Y-19).
# - **Conclusions.** Both methods fare equally well (Y-20) and pass (Y-21). The outcome of a sanity check depends on the
#   distribution of the data (Y-22). And the premise: a random net's map can already highlight the digit (Y-23).
#
# Accuracies are Y-01, Y-07, Y-08 and Y-15.

# %% tags=["parameters"]
# the net of the natural task, and those of confounded tasks on the same digits, in any order
models: list[str] = ["cnn-mnist-5k", "cnn-mnist-5k-half", "cnn-mnist-5k-shapes", "cnn-mnist-5k-shapes-digit"]
# localised on few images, beside Guided Backprop and the gradient, the paper's two, which always are on many
methods: list[str] = [
    "smoothgrad",
    "gradient_x_input",
    "integrated_gradients",
    "gradcam",
    "guided_gradcam",
    "deconvnet",
    "deeplift",
    "lrp_epsilon",
    "dtd_zplus",
    "pattern_attribution",
    "edge",
]
cascade_methods: list[str] = ["guided_backprop", "gradient", "gradcam", "guided_gradcam"]  # in the cascade
# a net fine-tuned on pairs of pictures; perhaps the same stopped early, and nets of other models; empty: no pairs
pair_models: list[str] = ["resnet18-mnist-5k-pairs"]
# localised on few pairs, beside the paper's two methods
pair_methods: list[str] = [
    "smoothgrad(samples=10)",
    "gradient_x_input",
    "integrated_gradients(steps=10)",
    "gradcam",
    "guided_gradcam",
    "deconvnet",
    "edge",
]
n_images: int = 40  # test images of each task, spread evenly over its labels
few_images: int = 16  # of them, for the methods that are not the paper's, and for the cascade
n_pairs: int = 20  # test pairs, spread evenly over the five classes
few_pairs: int = 5  # of them, for the methods that are not the paper's
draws: int = 3  # random nets that every trained net is compared with
init: list[str] = ["tn(0.01)", "own"]  # what random weights are drawn from; the first is used in all figures
device: str = ""  # cpu or cuda; empty: the first GPU if there is one, else the CPU
data_dir: str = ""  # folder of downloaded data sets; empty: SALIENCY_DATA, else data/
out: str = ""  # where results go; empty: reports/scratch/05_confounded_tasks

# %%
from lib import figures
from lib.confounded_calls import PAPER, accuracy_calls, half_calls, picture_calls, posterior_table, shape_calls
from lib.contradictions import answers
from lib.pair_calls import nets_of_pairs, pair_calls, pair_picture_calls, weights_of
from lib.study import Study
from lib.task_nets import nets_by_task

study = Study("05_confounded_tasks", globals())
nets = nets_by_task(study.nets, alone=bool(pair_models))
tuned, stopped, others = nets_of_pairs(study.nets_named("pair_models"))

# %% [markdown]
# ## A back door, and how to close it
#
# What decides a saliency map $S$? The model $M$, which is either trained or random, and the image $X$. But the task
# $T$ decides both: it says what the model was trained for and what the images look like. In the language of causal
# graphs the way $M \leftarrow T \to X \to S$ is a *back door*: a difference between maps may come through it, and so may
# the lack of one.

# %%
study.figure(
    figures.causal_graph(),
    "graph",
    "The task acts on the map in more than one way. Solid: the graph as Y print it. Dashed: an arrow that it lacks.",
    "Causal graph: arrows from task to model and image, from both to the saliency map, dashed from task to map.",
)

# %% [markdown]
# Conditioning on the task closes the door. For an image $x$ that could come from several tasks, the causal effect of
# training is the average over them,
#
# $$\Lambda(x) = \sum_t \bigl(S(x; M_t) - S(x; M')\bigr)\, \Pr(T = t \mid X = x),$$
#
# where $M_t$ is trained for task $t$ and $M'$ is random. The test of Adebayo et al. is what is left if one admits
# natural tasks only. (A slip, E-36: in the graph as printed $M$ only says *trained or random*, and nothing leads from
# $T$ to $S$ but through $M$ and $X$. Then, given $X$, the door is closed already, and the sum over $t$ has nothing to sum.
# It needs the dashed arrow: which trained model, and hence which map, depends on the task.)
#
# The weights follow from Bayes' rule. Take the natural task and the half-digit task below as equally likely. An intact
# digit has density $p(x)$ under the first; under the second it is deleted every other time, which leaves $p(x)/2$. A
# halved digit never occurs in nature.

# %%
study.table(
    posterior_table().rename(columns=figures.NET_WORDS),
    "Posterior probability of each task, for the images of the two experiments below; the tasks of an experiment are "
    "taken as equally likely beforehand.",
    3,
    "posterior",
)

# %% [markdown]
# ## The computations
#
# For each task: have the nets learned it, and do their predictions follow what counts? Maps of trained and of random
# nets, measured against masks that are right by construction. The effect $\Lambda$. And the cascade of the first study,
# unit by unit. All nets of an experiment explain the *same* images, each for the class that it predicts itself, as in
# the paper. A random net is the end of a cascade: every weight drawn anew. A section whose nets are not
# among the parameters of a run keeps its text and has no figures.

# %%
plan = {"methods": methods, "cascade_methods": cascade_methods, "few_images": few_images}
plan |= {"draws": draws, "init": init}
calls = accuracy_calls(study) + half_calls(study, nets, **plan) + shape_calls(study, nets, **plan)
shown = picture_calls(study, nets, draws, init[0])
if tuned:
    sizes = {"n_pairs": n_pairs, "few_pairs": few_pairs, "draws": draws}
    for same in ([tuned, *stopped], *([other] for other in others)):
        calls += pair_calls(study, *same, methods=PAPER, few_methods=pair_methods, **sizes)
    shown |= pair_picture_calls(study, {"photographs": tuned}, PAPER)
scores, pictures = study.gather(calls), study.pictures(shown)

# %%
of = {word: net.of(scores) for word, net in nets.items()}
of |= {"pairs": tuned.of(scores)} if tuned else {}
beside = {other.recipe.model: other.of(scores) for other in others}
named = {figures.NET_WORDS[word]: own for word, own in of.items()}
study.table(
    figures.accuracy_table(named | {f"net of pairs, {model}": own for model, own in beside.items()}),
    "Accuracy on all test images of each net's own task, with 95 % intervals. Y print 0.99 for both tasks with shapes and "
    "about 0.77 for pairs, and call the half-digit task learned perfectly.",
    4,
    "accuracy",
)

# %% [markdown]
# ## Half a digit
#
# Take MNIST, and delete the bottom half of every other image. The task is to say whether it was deleted. The text of
# the paper deletes the bottom half, the caption of its first figure the top half (E-20); we follow the text, and the
# caption as a second reading where there is a net for it.
#
# An intact digit now has two lives. It is the same pixels, but for the natural net all of its ink speaks for a digit,
# while for the half-digit net only one half can tell anything. So here is an image on which the *correct* answer to
# "where does the evidence stand?" depends on the task and not on the image. First, does the prediction really hang on
# that half? Take it away, or give it back, and see.

# %%
if "half" in nets:
    removed, restored = ("half", "half_removed"), ("half", "half_restored")
    study.table(
        figures.check_table(of["half"], {"intact, half deleted": removed, "halved, half given back": restored}),
        "The half-digit net follows what was done: share of predictions that change, with 95 % intervals.",
        3,
        "half-check",
    )

# %%
if "half" in nets:
    study.figure(
        figures.task_gallery(
            pictures["half"],
            {"intact 1": 0, "intact 2": 1, "halved 1": 2, "halved 2": 3},
            ["random", "natural", "half"],
            PAPER,
        ),
        "half-maps",
        "The same digit, three nets. Rank correlation with the random net's map, on intact digits: "
        f"{figures.net_words(of['half'], PAPER, 'spearman_abs', ['natural', 'half'], against='random')}. Red is "
        "positive, blue negative, each map scaled by itself (after Y, Fig. 1).",
        "Grid of digits and halved digits with maps by Guided Backprop and the gradient of a random net, a net for "
        "digits and a net that tells halved digits.",
    )

# %% [markdown]
# The eye sees differences, and it would see them between any two nets. How large is a difference that means nothing?
# Compare two *random* nets. If their maps are as unlike as those of a trained and a random net, then being unlike a
# random net is no achievement. The figure shows both, for every method. On the natural task Y expect about 1 for Guided
# Backprop, taken over from A1; A3 has withdrawn that number since. (Methods that multiply by the input have
# $\rho_a \approx 1$ whatever the net: all their maps are 0 on the same empty pixels. That is arithmetic, see study 04.)

# %%
alike = [("spearman_abs", "absolute maps: $\\rho_a$", None), ("spearman", "signed maps: $\\rho$", None)]
if "half" in nets:
    study.figure(
        figures.net_dots(of["half"], [*PAPER, *methods], alike, ["random", "natural", "half"], against="random"),
        "half-alike",
        "To differ from a random net is easy; another random net does it too. Similarity to the map of a random net: "
        f"{figures.net_words(of['half'], PAPER, 'spearman_abs', ['random', 'natural', 'half'], against='random')} "
        "(absolute maps, intact digits). Grey: of one random net to another. Means with 95 % intervals.",
        "Dots with intervals, one row per method: similarity to a random net's maps for a random, the natural and the "
        "half-digit net.",
    )

# %% [markdown]
# So much for *different*. Is it different *in the right way*? Let $B$ be the share of $|E|$ in the half that decides.
# A map that knows nothing puts half of its mass there; one that merely copies the digit puts there as much as the digit
# has ink. `Input (control)` is that: the image itself. A map that follows the task must go beyond it. Beside $B$: the
# share in the four rows about the cut, the pointing game (does the largest value lie in the half?), and the area under
# the ROC curve of $|E|$ as a detector of the half.

# %%
halves = [
    ("mass_share_abs_half", "$B$: share of $|E|$", 0.5),
    ("pointing_half", "pointing game", 0.5),
    ("auc_half", "AUC", 0.5),
    ("mass_share_abs_cut", "share of $|E|$ at the cut", 1 / 7),
    ("density_ink", "density on the ink", 1.0),
]

# %%
if "half" in nets:
    three, shares = ["random", "natural", "half"], (of["half"], PAPER, "mass_share_abs_half")
    ink = figures.net_words(of["half"], ["input"], "mass_share_abs_half", ["half"])
    study.figure(
        figures.net_dots(of["half"], [*PAPER, *methods, "input"], halves, three),
        "half-share",
        f"How much of a map lies in the half that decides: {figures.net_words(*shares, three)}; of the ink, {ink}. Intact "
        "digits, means with 95 % intervals.",
        "Five panels of dots with intervals, one row per method: share in the half, pointing game, AUC, share at the cut, "
        "density on the ink, for three nets.",
    )

# %%
if "half-top" in nets:
    top = (of["half-top"], PAPER, "mass_share_abs_half", ["random", "natural", "half-top"])
    study.figure(
        figures.net_dots(of["half-top"], [*PAPER, "input"], halves[:3], top[-1]),
        "half-top",
        f"The caption's reading, where the top half is deleted. Share of |E| in that half: {figures.net_words(*top)}. Intact "
        "digits, means with 95 % intervals.",
        "Three panels of dots with intervals: share in the top half, pointing game and AUC, for three nets.",
    )

# %% [markdown]
# Where exactly? Average the maps of all intact digits, each scaled to sum 1. The task can be solved in more than one
# place. Ink anywhere below the cut will do. But so will the last row above it: ink that *ends* there has been cut.

# %%
if "half" in nets:
    study.figure(
        figures.mean_map_grid(pictures["half mean"], ["random", "natural", "half"], PAPER, cut=14),
        "half-mean",
        "Mean absolute maps of intact digits. Right: share of each row of pixels, dotted that of the ink; dashed, the cut. "
        f"The four rows about it, a seventh of the image, hold "
        f"{figures.net_words(of['half'], PAPER, 'mass_share_abs_cut', ['random', 'natural', 'half'])}.",
        "Mean maps of three nets by two methods, and profiles over the rows of the image.",
    )

# %% [markdown]
# Now the images that *were* halved. What does the net see there? Nothing, and this is the evidence: the half is empty.
# A faithful map must say so about pixels on which there is nothing to be seen. The gradient could: had there been ink, the
# logit would have fallen, so it is negative there. Guided Backprop sets negative signals to 0 on their way down and grows
# its maps out of what is active. Products with the input cannot; their maps are 0 wherever the image is. Compare the
# half-digit net with the random one: has training moved the map towards the evidence, or away from it?

# %%
if "half" in nets:
    absent = figures.net_words(of["half"], PAPER, "mass_share_abs_half", three, tag="images=halved")
    study.figure(
        figures.net_dots(of["half"], [*PAPER, "input"], halves[:3:2], three, tag="images=halved"),
        "half-absence",
        f"Absence as evidence: on halved digits, the share of |E| in the half that is missing is {absent}. Means with 95 % "
        "intervals.",
        "Two panels of dots with intervals for two methods and the input: share in the missing half, and AUC.",
    )

# %% [markdown]
# ### The formula, evaluated
#
# Maps of nets with other weights have other sizes, by orders of magnitude, so that $S(x; M_t) - S(x; M')$ of raw maps
# is just the larger of the two. We scale each map to norm 1. Then $\lVert S - S' \rVert = \sqrt{2 - 2 \cos}$ lies between
# 0 and 2, and is $\sqrt 2$ for maps that have nothing to do with each other. Three things to look at. Is the effect
# larger than that of exchanging one *random* net for another? Is it larger for the confounded task than for the natural
# one? And what does the average over tasks keep? It is an average of *signed* maps with the same $S'$ taken off each
# (E-25): where two tasks call the same pixel positive and negative, they cancel.

# %%
effect = [("effect", "size of the effect", 2**0.5)]
if "half" in nets:
    effects = ["random", "natural", "half", "posterior"]
    given = {"against": "random", "name": "causal_effect"}
    study.figure(
        figures.task_gallery(pictures["half"], {"intact 1": 0, "intact 2": 1}, ["effect of natural", "effect of half",
                             "effect of posterior"], PAPER),
        "half-effect-maps",
        "The two terms of the sum, S(x; M_t) − S(x; M′), and their average Λ(x) with weights 2/3 and 1/3. Its size is "
        f"{figures.net_words(of['half'], PAPER, 'kept', ['posterior'], **given)} of the mean size of its terms.",
        "Differences between the maps of trained and random nets on two digits, task by task and averaged.",
    )  # fmt: skip

# %%
if "half" in nets:
    study.figure(
        figures.net_dots(of["half"], PAPER, effect, effects, line="maps that have nothing in common", **given),
        "half-effect",
        f"Size of the causal effect for maps of norm 1: {figures.net_words(of['half'], PAPER, 'effect', effects, **given)}. "
        "The random net stands for one random net in place of another. Intact digits, means with 95 % intervals.",
        "Dots with intervals for two methods: size of the effect for random, natural and half-digit net and on average.",
    )

# %% [markdown]
# ## A shape beside a digit
#
# The second experiment has its own control. Beside each digit stands a filled rectangle, a hollow circle, or nothing.
# One net names the shape; another, trained on the very same images, names the digit. What is evidence to one is clutter
# to the other. Again, check first that this is so: remove one object, and see whose prediction moves.

# %%
if "digit" in nets:
    removals = {
        f"{figures.NET_WORDS[net]}, {thing} removed": (net, f"{thing}_removed")
        for net in ("shape", "digit")
        for thing in ("shape", "digit")
    }
    study.table(
        figures.check_table(of["shape"], removals),
        "Each net follows its own object: share of predictions that change, with 95 % intervals.",
        3,
        "shape-check",
    )

# %%
if "digit" in nets:
    four = ["random", "shape", "digit", "natural"]
    rows = {"nothing": 0, "rectangle 1": 2, "rectangle 2": 3, "circle 1": 4, "circle 2": 5}
    study.figure(
        figures.task_gallery(pictures["shape"], rows, four, PAPER, outlined=["shape"]),
        "shape-maps",
        "Density of the positive map on the shape (1 is even): "
        f"{figures.net_words(of['shape'], PAPER, 'density_shape', four)}. In the images, the mask of the shape is "
        "outlined (after Y, Figs. 2, 4 and 5).",
        "Grid of digits with shapes, and maps by Guided Backprop and the gradient of a random net, a net that names the "
        "shape, one that names the digit, and the natural net.",
    )

# %% [markdown]
# In numbers: let $R_O$ be the share of positive mass on an object $O$, grown by one pixel. The digit is several times
# as large as the shape, so to compare the two, divide by the area: the *density* is 1 for an even map, for objects of
# all sizes.

# %%
shapes = [
    ("mass_share_shape", "$R$: share on shape", None),
    ("density_shape", "density on shape", 1.0),
    ("pointing_shape", "pointing, shape", None),
    ("auc_shape", "AUC, shape", 0.5),
    ("mass_share_digit", "$R$: share on digit", None),
    ("density_digit", "density on digit", 1.0),
    ("pointing_digit", "pointing, digit", None),
    ("auc_digit", "AUC, digit", 0.5),
]

# %%
if "digit" in nets:
    study.figure(
        figures.net_dots(of["shape"], [*PAPER, *methods, "input"], shapes, four, columns=4),
        "shape-density",
        f"Share of the positive mass on the shape: {figures.net_words(of['shape'], PAPER, 'mass_share_shape', four)}. On the "
        f"digit: {figures.net_words(of['shape'], PAPER, 'mass_share_digit', four)}. Images with a shape, means with 95 % "
        "intervals.",
        "Eight panels of dots with intervals, one row per method: share, density, pointing game and AUC for the shape and "
        "for the digit, for four nets.",
    )

# %%
if "digit" in nets:
    study.figure(
        figures.net_dots(of["shape"], [*PAPER, *methods], alike, four, against="random"),
        "shape-alike",
        "Similarity to the map of a random net; grey, of one random net to another. "
        f"{figures.net_words(of['shape'], PAPER, 'spearman_abs', four, against='random')} (absolute maps, images with a "
        "shape). Means with 95 % intervals.",
        "Dots with intervals, one row per method: similarity to a random net's maps for four nets.",
    )

# %% [markdown]
# ## Pairs of pictures
#
# The third experiment leaves digits. Two pictures stand side by side, one of each of two groups of five classes, in
# random order: acorn, espresso, banana, ice cream, gondola to the one, wok, cauliflower, space heater, pay-phone,
# baboon to the other. The label is the class of the picture of group 1. So a net must find out which picture counts, and
# forget the other. Y fine-tune a ResNet-18 that was trained on ImageNet and compare it with itself before, and with a
# random net. The quick preset plays the same with digits: of two side by side, name the one below 5.
#
# All maps explain the true class; before fine-tuning that is its output among the classes of old. Let $H$ be the share
# of positive mass on the half that decides. Again, first the check: exchange one half, and see who follows.

# %%
licence = figures.IMAGENET_LICENCE if tuned and tuned.recipe.dataset.startswith("tiny-imagenet") else ""
if tuned:
    study.table(
        figures.exchange_table(of["pairs"]),
        "What the fine-tuned net predicts after one half was exchanged: shares of the test pairs, with 95 % intervals.",
        3,
        "pairs-check",
    )
    study.figure(
        figures.learning_curves({tuned.recipe.model: of["pairs"], **beside}),
        "pairs-learning",
        f"The published accuracy of {figures.PUBLISHED_ACCURACY} (dashed) is reached {figures.passed_at(of['pairs'])} by "
        f"{tuned.name}. Accuracy on the test pairs while nets are fine-tuned.",
        "Curves of the test accuracy against the iteration of fine-tuning, one panel per net.",
    )

# %%
if tuned:
    study.figure(
        figures.pair_gallery(pictures["pairs of photographs"], PAPER, ["fine-tuned", "pretrained", "random"]),
        "pairs-maps",
        "Positive saliency of the true class; the half that decides is framed (after Y, Figs. 3, 6 and 7). Share of the "
        f"positive mass on it: {figures.half_words(of['pairs'], PAPER)}. The net: {weights_of(tuned)}. {licence}".strip(),
        "Grid of pairs and of their positive maps by Guided Backprop and the gradient, for a fine-tuned, a pretrained and "
        "a random net.",
    )

# %% [markdown]
# The eye takes a map for localised once its *brightest* spots lie on one side. $H$ counts all of the positive mass, and
# most of it is faint. Short strokes mark the thresholds of Y-16 and Y-17. The net before fine-tuning explains the true
# class too, so where it knows that class in a pair, it has a reason to favour its half.

# %%
if tuned:
    study.figure(
        figures.half_dots(of["pairs"], [*PAPER, *pair_methods]),
        "pairs-half",
        f"H, the share of positive mass on the half that decides: {figures.half_words(of['pairs'], PAPER)}. Before "
        f"fine-tuning the net is right in {figures.untuned_words(of['pairs'])} of the pairs, among its outputs for the five "
        f"classes. Maps without positive mass: {figures.undefined_words(of['pairs'], [*PAPER, *pair_methods])}. Means with "
        "95 % intervals.",
        "Dots with intervals, one row per method: share of the positive mass on the relevant half for the fine-tuned, the "
        "pretrained and the random net.",
    )

# %% [markdown]
# Does it depend on the architecture? The same pairs, methods and random nets again, for every other net of this run.

# %%
for other in others:
    own = beside[other.recipe.model]
    study.figure(
        figures.half_dots(own, [*PAPER, *pair_methods]),
        f"pairs-half-{other.recipe.model}",
        f"{weights_of(other)}. H: {figures.half_words(own, PAPER)}. Right before fine-tuning: "
        f"{figures.untuned_words(own)}. Maps without positive mass: "
        f"{figures.undefined_words(own, [*PAPER, *pair_methods])}. Means with 95 % intervals.",
        f"Dots with intervals, one row per method: share of the positive mass on the relevant half for {other.recipe.model}.",
    )

# %% [markdown]
# ## What training adds
#
# Is one of the two methods better? A large share on an object is no merit by itself: Guided Backprop puts most of its
# mass on ink for *any* net. What a net has learned shows in the difference to a random one. So here is, for each task, the
# share of the map on what matters under the trained net, less the same under random nets, image by image.

# %%
gains = figures.gains(of, PAPER)
study.figure(
    figures.gain_dots(gains),
    "gain",
    f"What training adds to the share of a map on what matters. {figures.gain_words(gains)}. Means with 95 % intervals over "
    "images and random nets.",
    "Dots with intervals for two methods, one row per task: difference between trained and random nets.",
)

# %% [markdown]
# ## Which random net?
#
# A premise of the whole argument is that a random net highlights the digit already. That depends on what "random" means.
# The first study draws weights *and biases* from a narrow law; an untrained net, as its authors would start it, has
# positive biases, and then empty pixels are not silent. Compare the random nets themselves.

# %%
laws = {law: "" if law == init[0] else f"init={law}" for law in init}
if "half" in nets:
    study.table(
        figures.law_of_random(of["half"], PAPER, laws, "density_ink"),
        "What random nets highlight on intact digits, by the law of their weights: density of the positive map on the ink "
        "(1 is even), mean and 95 % interval.",
        2,
        "laws",
    )

# %% [markdown]
# ## One unit after the other
#
# So far $M'$ was random from top to bottom, as in the paper. That cannot decide what A3 maintains since its correction:
# that Guided Backprop does not notice when the *upper* layers are destroyed (E-23). For this we run the cascade of the
# first study on the confounded tasks, beside the natural net on the same images. If Yona & Greenfeld are right about the
# cause, the curve of Guided Backprop must fall on the confounded tasks where it stays up on the natural one. A3's
# reading is that it stays up on all: above about 0.7 over the upper half of the units.

# %%
cascades = {"half": ["natural", "half", "half-top"], "shape": ["natural", "shape", "digit"]}
for word, compared in cascades.items():
    if word in nets:
        curves = figures.as_cascades(of[word], "natural")
        named = {
            each: words for each, words in figures.cascade_words(compared).items() if each in set(curves.intervention)
        }
        upper = figures.upper_words(of[word], "guided_backprop", [each for each in compared if each in nets])
        study.figure(
            figures.sweep_curves(curves, cascade_methods, named),
            f"cascade-{word}",
            f"Guided Backprop when the upper half of the units is destroyed: {upper}. Similarity to the intact net's map, "
            "means with 95 % intervals.",
            "Curves of similarity while a net is destroyed from the logits down, one panel per method, one line per task.",
        )

# %% [markdown]
# ## Verdicts
#
# A claim is *supported* if the whole interval lies on its side of the threshold, *contradicted* if it lies on the other,
# else *inconclusive*. The second reading deletes the top half (Y-01, Y-02, Y-04, Y-06), asks for more (Y-16, Y-17), or
# for the cascade on the tasks with shapes (Y-22).

# %%
where = {"Y-01": "accuracy", "Y-07": "accuracy", "Y-08": "accuracy", "Y-06": "half-share", "Y-22": "cascade-half"}
where |= {f"Y-{number:02}": "shape-density" for number in (9, 10, 11, 12)}
where |= {"Y-20": "gain"}
where |= {f"Y-{number}": "pairs-half" if tuned else "graph" for number in (16, 17, 18, 19)}
where |= {"Y-15": "pairs-learning" if tuned else "accuracy"}
where |= {"Y-13": "shape-alike", "Y-14": "shape-check", "Y-23": "half-share"}
verdicts = study.claims(scores, figure="half-alike", elsewhere=where)
study.table(
    verdicts.drop(columns=["expected", "decided by"]), "Verdicts on this run; the box above shows every part.", digits=3
)

# %% [markdown]
# ## What the papers disagree about
#
# Three contradictions between Y and its predecessors can be decided here. A difference *between methods* (X-07) is one
# thing, a difference *owed to training* another: compare with the section "What training adds".

# %%
deciding = {"Y-22": "One unit after the other", "Y-03": "Half a digit", "Y-20": "What training adds"}
told = ["verdict", "second reading", "value", "interval"]
for claim, answer in zip(deciding, answers(verdicts, deciding).values(), strict=True):
    study.table(verdicts.loc[[claim], told], answer, 3)

# %% [markdown]
# ## Deviations, easy, difficult
#
# - **Nets.** "Standard CNN" is all that is said; ours is the `cnn` of the first study, with its ten outputs, of which a
#   task uses two, three or ten. The others are never right and soon never large.
# - **The half.** Text and caption disagree (E-20). We delete rows 15 to 28.
# - **Shapes.** Nothing is said about them. Rectangles are filled, 4 to 8 pixels a side; circles are hollow, of radius 3
#   to 5, their line one pixel wide; all at full brightness, at most a tenth of their pixels on ink, or else in the
#   corner with least. Masks are grown by a pixel and may touch.
# - **Pairs.** Not described beyond their classes. Ours are 64 x 128 pixels, 2 500 for training and 500 for testing from
#   the two splits of TinyImageNet; Adam, rate 0.0001, 32 pairs a step. The ImageNet weights are not torchvision's own but
#   a quantised and fine-tuned version of them (Stock et al. 2020).
# - **The random net.** Not described. Ours is the fully destroyed net of the first study, and an untrained one beside it.
# - **Explained class.** Each net explains what it predicts itself, the random one too; the first study holds the
#   trained net's class fixed. In the cascade we do the same, so that curves can be compared with those there.
# - **PatternAttribution** estimates its patterns in each net anew, on images of the confounded task.
# - **Numbers.** All of them are ours: Y compare pictures.
# - **Easy**: masks that are right by construction, once one has decided on them. **Difficult**: to find a number that
#   says what "highlights" means. A share depends on the size of the object, a density on the empty rest, and AUC on
#   pixels that nobody looks at.

# %% [markdown]
# ## Try it yourself
#
# - `init = ["own"]`: does the conclusion about Guided Backprop survive random nets that start like real ones?
# - Add `"random"` to `methods`: which panels does a map of noise win?
# - Add `"smoothgrad(of=guided_backprop)"`: whom does smoothing help, the object or the rest?
# - `cascade_methods = ["guided_backprop", "deconvnet", "dtd_zplus"]`: does what holds for Guided Backprop hold for its
#   relatives?

# %%
study.save()
