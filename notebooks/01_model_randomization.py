# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does the map change when the model is destroyed?
#
# A saliency map is offered as an explanation of *this* model. So here is the simplest question one can ask of it:
# if we wreck the model, does the map notice? Adebayo et al. (2018, sections 3.1 and 3.2) destroy a trained network
# layer by layer and compare each method's map with the one it gave before. A map that stays the same cannot have told
# us much about what the network had learned.

# %% [markdown]
# ## Claims under test
#
# The paper exists in two versions. The first (**A1**) says that Guided Backprop and Guided GradCAM do not change at
# all, *however much* is randomized and *whichever* layer is. The corrected one (**A3**) says that they are invariant to
# the *higher* layers only. Both say that the gradient and GradCAM react, that Gradient ⊙ input and integrated
# gradients keep looking like the original although their signs are scrambled, and that the law of the new weights does
# not matter. The box above lists each claim with the rule that decides it; the rules and thresholds were written down
# before the runs.
#
# Similarity is Spearman's rank correlation between the map $E_k$ after $k$ randomized units and the map $E_0$ of the
# intact net, without signs and with them:
#
# $$\rho_a = \operatorname{Spearman}(|E_k|, |E_0|), \qquad \rho = \operatorname{Spearman}(E_k, E_0).$$

# %% tags=["parameters"]
models: list[str] = ["cnn-mnist-5k"]  # nets to randomize; each has a recipe in params/*/models
# attribution methods and controls, run in every order; package.module:function for your own
methods: list[str] = [
    "gradient",
    "smoothgrad",
    "vargrad",
    "gradient_x_input",
    "integrated_gradients",
    "guided_backprop",
    "deconvnet",
    "gradcam",
    "guided_gradcam",
    "edge",
    "input",
    "random",
]
# methods that send back relevance instead of a gradient: only in the top-down cascade
relevance: list[str] = ["deeplift", "lrp_epsilon", "dtd_zplus"]
# methods that take hundreds of passes a map: only in the top-down cascade, and only on the first net
costly: list[str] = [
    "ig_smoothgrad",
    "vargrad(of=integrated_gradients(steps=10),samples=25)",
    "integrated_gradients(reference=mean)",
]
# methods that take thousands of passes a map: as the costly ones, with some of the images and draws, and two laws
slowest: list[str] = ["meaningful_perturbation"]
slowest_images: int = 5  # test images for these, spread evenly over the classes
slowest_draws: int = 1  # draws for these
# cascade: from the logits down; reverse: from the input up; independent: one unit at a time, all others trained
orders: list[str] = ["cascade", "reverse", "independent"]
n_images: int = 10  # test images, spread evenly over the classes
draws: int = 3  # how often the whole net is re-initialised; every draw meets every image
# Of the next three, the first word is the one used everywhere; the others are swept, one at a time, on the first net.
# law of the new weights: tn(0.01) as printed, uniform of the same variance, tn(0.1), own (the training initialiser, as
# released), kaiming
init: list[str] = ["tn(0.01)", "uniform", "tn(0.1)", "own", "kaiming"]
prefix: list[str] = ["nested", "fresh"]  # nested keeps a chain's earlier draws; fresh draws all anew, as released
# explained class: the intact net's prediction, the randomized net's own (as released), or the true label
target: list[str] = ["original", "current", "label"]
# those of the methods that the sweeps can afford: one pass each
sweep_methods: list[str] = [
    "gradient",
    "gradient_x_input",
    "guided_backprop",
    "deconvnet",
    "gradcam",
    "guided_gradcam",
]
gallery: int = 2  # images whose maps are shown
device: str = ""  # cpu or cuda; empty: the first GPU if there is one, else the CPU
data_dir: str = ""  # folder of downloaded data sets; empty: SALIENCY_DATA, else data/
out: str = ""  # where results go; empty: reports/scratch/01_model_randomization

# %%
from IPython.display import Markdown, display

from lib import beside, figures, similarity
from lib.attributions import CONTROLS
from lib.randomization import randomization_maps, randomization_scores
from lib.released import beside_released, with_released_numbers
from lib.scores import means
from lib.study import Study

study = Study("01_model_randomization", globals())

# %% [markdown]
# ## The experiment in one call
#
# For every draw of new weights and every stage of destruction, explain the same class of the same images with the
# same noise, and compare with the intact net's map. Everything below only looks at what this call returns: one row
# per number.

# %%
settings = {"orders": orders, "init": init, "prefix": prefix, "target": target, "costly": relevance}
swept = [each for each in sweep_methods if each in methods]
stale = [each for each in ["guided_backprop"] if each in methods]
once = {"costly": [*relevance, *costly], "sweep_methods": swept, "stale": stale}
few = {"methods": slowest, "n_images": slowest_images, "draws": slowest_draws, "sweep_methods": slowest}
few |= {"orders": ["cascade"], "costly": [], "prefix": prefix[:1], "target": target[:1]}
few |= {"init": [law for law in init if law in (init[0], "own")]}
scores = study.scores(
    randomization_scores, methods, first_net=once, few_images=few if slowest else {}, draws=draws, **settings
)

# %%
net = study.nets[0]
own = net.of(scores)
stages = figures.stage_names(own)
deep = len(stages) > 9
decides = net.recipe.dataset not in beside.DATASETS
photographs = study.images(net).shape[1] == 3
pictured = orders[:1] if deep else orders  # the maps of many stages, in every order, are too many to look at
main = {"orders": pictured, "init": init[0], "prefix": prefix[0], "target": target[0]}
everything = [*methods, *relevance, *costly, *slowest]
maps = study.maps(randomization_maps, everything, gallery, **main)

# %% [markdown]
# ## The networks
#
# Nothing can be learned from wrecking a network that never worked. So first: how good are the trained nets on
# images they have not seen? Published test accuracies are 99.2 % for the `cnn` and 98.7 % for the `mlp`, on MNIST.

# %%
study.table(study.accuracies(scores), "Accuracy on held-out images, with its 95 % interval.", 4, "accuracies")
if not decides:
    display(Markdown(beside.introduced(net.name)))

# %% [markdown]
# ## What exactly is destroyed?
#
# A net is cut into *units*: its layers, or its blocks where it has many. A destroyed unit is drawn anew: weights **and**
# biases, from a normal law with standard deviation 0.01 cut at two standard deviations, as the paper prints; batch norm
# becomes what it was before training. The steps are nested: step 2 keeps what step 1 drew. The class being explained
# stays the one that the intact net predicts. There are three ways to walk: the *cascade* goes from the logits down, the
# *reverse* cascade from the input up, and the *independent* test destroys one unit at a time while all others stay
# trained.
#
# Randomizing the wrong thing is easy, so the library keeps a manifest. In the table, the share of numbers that differ
# from the trained ones must be 0 for a unit that is not to be touched, and 1 for one that is.

# %%
record = study.manifest(orders, init[0], prefix[0])
changed = record.pivot(index="unit", columns=["order", "step"], values="changed").loc[record.unit.unique()[::-1]]
study.table(
    changed[pictured],
    f"Share of changed numbers in each unit of {net.name} (rows), by order and step (columns).",
    0,
)

# %% [markdown]
# ## The cascade: every map, at every stage
#
# Three *controls* run along with the methods and never look at the model: the image itself, its edges, and plain
# noise. Noise "passes" any such test perfectly, the edges fail it; neither explains anything. Keep them in mind when
# reading the curves.

# %% [markdown]
# ### What one sees
#
# Rows are methods, columns are stages: the intact net, then the net randomized down to and including the unit named
# on top. Absolute values first, because this is how saliency maps are usually shown.

# %%
finding = (
    f"Similarity to the intact net's map, first → last step: {figures.in_words(own, methods, 'spearman_abs')}; of the "
    f"maps of two different images: {figures.in_words(own, methods, 'spearman_abs', 'null_other_image')}."
    if photographs
    else "A product with the input shows the image whatever the net has become, because it is zero wherever the image "
    "is; so does the input itself. VarGrad and IG-SmoothGrad are built from noisy copies, which have no zeros."
)

# %%
controls_last = sorted(everything, key=lambda each: each in CONTROLS)
down = {method: maps[method][orders.index("cascade")] for method in controls_last}
for number in range(gallery):
    study.figure(
        figures.map_grid({method: stack[:, number] for method, stack in down.items()}, stages, signed=False),
        f"maps-abs-{number}",
        f"{finding} Absolute maps of {net.name}, each scaled by its own 99th percentile.",
        "Grid of absolute saliency maps, one row per method or control, one column per stage of randomization.",
    )

# %% [markdown]
# The same maps with their signs: red speaks for the class, blue against it. Follow the products with the input from
# left to right: the shape stays, but does red stay red? *Ink* is what is not black: the strokes of a digit, nearly all
# of a photograph.

# %%
signs = figures.in_words(own, methods, "sign_agreement_fg")
with_signs = [each for each in methods if each not in CONTROLS] if deep else controls_last
study.figure(
    figures.map_grid({method: down[method][:, 0] for method in with_signs}, stages, signed=True),
    "maps-signed",
    f"Share of ink pixels that keep their sign, after the first → last step (0.50 is a coin toss): {signs}. "
    f"Signed maps of {net.name}: red positive, blue negative, white zero.",
    "Grid of signed saliency maps, one row per method or control, one column per stage of randomization.",
)

# %% [markdown]
# ### What one measures
#
# Means over images and draws with 95 % intervals. Images and draws are *crossed*, each draw meets each image, and
# the interval counts both as samples: with 10 draws, an interval that treated every image-draw pair as a new
# observation would be several times too narrow.
#
# **A caveat that changes the reading of the left panel.** Where the image is black, Gradient ⊙ input and integrated
# gradients are exactly zero, before and after. Those pixels are tied, and ties agree. If two maps share the zeros
# $p_0$ of an image and are *unrelated* everywhere else, their rank correlation still is
#
# $$\rho_a = \frac{3p_0}{3p_0+(1-p_0)^2},$$
#
# which is 0.98 for an image that is 80 % black. We evaluate this floor for each image shown to the nets and draw its
# range as a band. The right panel ranks the ink pixels only, and the floor is gone. A photograph has hardly any black:
# its floor is near 0, and the outer panels agree.

# %%
shares = {
    trained.name: 1 - similarity.foreground(study.images(trained), 0.0).double().mean(1) for trained in study.nets
}
floors = {name: similarity.tie_floor(share) for name, share in shares.items()}
panels = ["spearman_abs", "spearman", "spearman_abs_fg"]
for trained in study.nets:
    floor = floors[trained.name].min().item(), floors[trained.name].max().item()
    study.figure(
        figures.cascade_curves(trained.of(scores), methods, panels, None if photographs else floor),
        f"curves-{trained.name}",
        f"{trained.name}, absolute maps, first → last step: {figures.in_words(trained.of(scores), methods, 'spearman_abs')}. "
        f"Tie floor {floor[0]:.3f} to {floor[1]:.3f}. Means and 95 % intervals, {n_images} images x {draws} draws.",
        "Three panels of curves of similarity against the stage of randomization: absolute maps, signed maps, absolute "
        "maps on the foreground; one line per method with an interval band.",
    )

# %% [markdown]
# How low is "unrelated", and how high is "the same"? A similarity means little without these two. The null is the
# map of *another image* by the same intact net; the ceiling, for methods that draw noise, is the same image and net
# with other noise.

# %%
nulls = figures.in_words(own, methods, "spearman_abs", "null_other_image")
study.figure(
    figures.beside_nulls(own, controls_last, "spearman_abs"),
    "nulls",
    f"Read every similarity from its own null upwards; maps of two different images reach {nulls}. "
    f"{net.name}, absolute maps, all pixels; means and 95 % intervals.",
    "Dot plot, one row per method: similarity after the first and the last step, the similarity to another image's map, "
    "and for methods that draw noise the similarity between two noise draws.",
)

# %% [markdown]
# ### Signs or magnitudes?
#
# Both versions say that randomization flips the *signs* of Gradient ⊙ input and integrated gradients rather than
# their magnitudes. On ink pixels only: how often does the sign agree with the intact map's (0.5 is a coin toss), and
# how much of the ranking of magnitudes is left?

# %%
ink = ["sign_agreement_fg", "spearman_abs_fg", "spearman_fg"]
told = ["gradient_x_input", "integrated_gradients", "integrated_gradients(steps=15)", "gradient", "guided_backprop"]
few_steps = [1, 2, len(stages) // 2, len(stages) - 1] if deep else range(1, len(stages))
table = means(scores[scores.step.isin(few_steps)], told, ink)
study.table(table, "Ink pixels only: mean sign agreement and rank correlations with the intact map, by step.")

# %% [markdown]
# ### Ties, noise and references
#
# Three ways to leave the tied zeros behind without leaving pixels out. *IG-SmoothGrad* averages integrated gradients
# over noisy copies of the image, which are nowhere exactly zero. *VarGrad* takes their variance instead of the mean,
#
# $$E^{\text{VG}} = \frac1N \sum_i E(x + g_i)^2 - \Bigl(\frac1N \sum_i E(x + g_i)\Bigr)^2,$$
#
# a map of how much the explanation depends on the noise. And integrated gradients from the *mean image* multiply the
# gradient by $x - \bar x$, which is not zero on a black background. If the similarity of integrated gradients were
# about what the net has learned, none of this would change it much; and where a similarity is high, ask first how high
# it is between two different images.

# %%
noisy = ["integrated_gradients", *costly, "smoothgrad", "vargrad"]
shown = "Integrated gradients, whose zeros are few here, and noise"
shown = shown if photographs else "What is left of the agreement of integrated gradients without exact zeros"
study.figure(
    figures.cascade_curves(own, noisy, panels),
    "curves-noise",
    f"{shown}: absolute maps, first → last step, "
    f"{figures.in_words(own, noisy, 'spearman_abs')}. Maps of another image by the intact net reach "
    f"{figures.in_words(own, noisy, 'spearman_abs', 'null_other_image')}. {net.name}; means and 95 % intervals.",
    "Three panels of cascade curves for integrated gradients, its noisy variants, SmoothGrad and VarGrad.",
)

# %% [markdown]
# ### Relevance instead of gradients
#
# DeepLIFT and ε-LRP do not send a gradient back through the net. LRP sends back *relevance*, the logit itself, and at
# each layer shares it out in proportion to what each input contributed,
#
# $$R_i = \sum_j \frac{a_i w_{ij}}{z_j + \epsilon\,\mathrm{sign}(z_j)}\, R_j.$$
#
# DeepLIFT does the same with differences from a reference image. It sounds like a different idea, but on a ReLU net
# LRP with $\epsilon \to 0$ *is* Gradient ⊙ input, to the last digit, and DeepLIFT is too where there are no biases. So the
# curves should lie on each other, ties and all. The third curve is not of this family: deep Taylor decomposition by the
# z⁺ rule lets only positive weights pass relevance, and a product of positive matrices soon forgets what stood above.
# Where ε-LRP is *undefined*, the net is deep and its signals have become smaller than ε: all relevance is lost, and the
# map is empty.

# %%
kin = ["gradient_x_input", *relevance]
floor = floors[net.name].min().item(), floors[net.name].max().item()
study.figure(
    figures.cascade_curves(own, kin, panels, None if photographs else floor),
    "curves-relevance",
    f"Absolute maps, first → last step: {figures.in_words(own, kin, 'spearman_abs')}; on ink pixels only: "
    f"{figures.in_words(own, kin, 'spearman_abs_fg')}. {net.name}; means and 95 % intervals, band: the tie floor, if any.",
    "Three panels of cascade curves for Gradient ⊙ input, DeepLIFT, epsilon-LRP and deep Taylor decomposition.",
)

# %% [markdown]
# ### Masks found by optimisation
#
# Fong & Vedaldi (2017) take no gradient of the logit at all. They search for the smallest smooth mask whose deletion
# takes the class away. A1 shows one figure of it under the cascade, without a word. The search has a random start, so
# ask first how well two searches on the *same* net agree; this is the ceiling in the figure of nulls above.
#
# With weights of std 0.01 a destroyed net gives every image nearly the same probabilities. There is nothing to delete,
# the best mask is empty, and an empty map has no ranks: look for *undefined*. The masks do notice that the net is gone;
# it is the rank correlation that cannot say so. So the same is run with each net's own training initialiser too, which
# leaves logits of the usual size, and the second reading of the claim counts an empty map as similarity 0. The search
# takes thousands of passes a map; a run that leaves it out has no figure here.

# %%
if slowest:
    again = figures.in_words(own, slowest, "spearman_abs", "self")
    laws = {"cascade": init[0], "cascade(init=own)": "own"}
    words = [f"{law}: {figures.in_words(own, slowest, 'spearman_abs', intervention=key)}" for key, law in laws.items()]
    study.figure(
        figures.sweep_curves(own, slowest, laws, "spearman_abs"),
        "curves-slowest",
        f"Absolute maps, first → last step, {'; '.join(words)}; two searches on the intact net agree by {again}. "
        f"{net.name}, {slowest_images} images x {slowest_draws} draws; means and 95 % intervals.",
        "Curves of masks found by optimisation under two laws of the new weights.",
    )

# %% [markdown]
# ## What a model of pure noise draws
#
# At the last step nothing learned is left. Whatever such a map shows cannot come from training; it comes from the
# architecture, from the method, or from the image. So compare it with three things: the trained net's map, the image
# $|x|$, and the image's edges.

# %%
edges = figures.in_words(own, methods, "spearman_abs", "edge")
study.figure(
    figures.full_reinit(own, methods, "spearman_abs"),
    "full-reinit",
    f"A map of a net that never learned anything can still trace the image. Similarity to the image's edges: {edges}. "
    f"{net.name}, absolute maps, all pixels; means and 95 % intervals.",
    "Dot plot for the fully random net, one row per method: similarity to the trained net's map, to the image and to "
    "the image's edges.",
)

# %% [markdown]
# ## One unit at a time
#
# The cascade cannot say *which* layer a map depends on, because everything above it is destroyed as well. So destroy
# one unit and leave all others trained. If A3 is right, Guided Backprop should shrug at the upper units and break at
# the lower ones.

# %%
if "independent" in pictured:
    alone = {method: maps[method][pictured.index("independent")][:, 0] for method in methods}
    damaging = figures.most_damaging_units(own, methods, "spearman_abs")
    study.figure(
        figures.map_grid(alone, figures.stage_names(own, "independent"), signed=False),
        "maps-independent",
        f"One destroyed unit can be enough. Least similar to the intact map, and by which unit: {damaging}. Absolute maps of "
        f"{net.name}; in each column the named unit alone is random, all others are as trained.",
        "Grid of absolute saliency maps, one row per method or control, one column per randomized unit.",
    )

# %%
for trained in study.nets:
    damaging = figures.most_damaging_units(trained.of(scores), methods, "spearman_abs")
    study.figure(
        figures.unit_bars(trained.of(scores), methods, "spearman_abs"),
        f"units-{trained.name}",
        f"{trained.name}: the unit whose loss changes the map most, and the similarity that is left: {damaging}. "
        f"Absolute maps, means and 95 % intervals, {n_images} images x {draws} draws.",
        "Horizontal bars, one panel per unit that is randomized alone, one bar per method.",
    )

# %% [markdown]
# ## From the bottom up
#
# Destroy the same units in the opposite order. A method that listens to the whole net should fall either way; one
# that listens to the first layers only falls at once from below and late from above.

# %%
first = figures.in_words(own, ["gradient", "guided_backprop"], "spearman_abs", intervention="reverse")
study.figure(
    figures.orders_beside(own, methods, "spearman_abs"),
    "orders",
    f"Bottom-up, absolute maps, first → last step: {first}; top-down: "
    f"{figures.in_words(own, ['gradient', 'guided_backprop'], 'spearman_abs')}. Both orders end in the same random "
    f"net. {net.name}; means and 95 % intervals.",
    "Two panels of curves with a shared axis: similarity while the net is destroyed from the logits down, and from the "
    "input up.",
)

# %% [markdown]
# ## Does it depend on our choices?
#
# The papers print one law and leave the rest open; the released code does something else again. So we change one
# choice at a time. All laws start from the same uniform numbers, so that two laws are compared draw by draw. Read each
# panel as one question: do the lines of this method lie on each other?

# %%
laws = {each: figures.setting_words(each) for each in figures.swept(own, "init")}
study.figure(
    figures.sweep_curves(own, swept or methods, {"cascade": f"{init[0]}, as printed", **laws}),
    "laws",
    f"Largest change of a mean against {init[0]}, over steps: {figures.largest_changes(own, swept, laws)}. "
    f"{net.name}, absolute maps; one panel per method, one line per law of the new weights.",
    "One panel per method with a cascade curve for each law of re-initialisation.",
)

# %% [markdown]
# Two more choices: whether a step keeps the draws of the step before (`nested`) or draws all its units anew (`fresh`),
# and which class is explained. The released notebooks explain whatever class the *randomized* net prefers at each
# stage, so that a part of the change they show is a change of class.

# %%
others = {each: figures.setting_words(each) for field in ("prefix", "target") for each in figures.swept(own, field)}
if others:
    study.figure(
        figures.sweep_curves(own, swept or methods, {"cascade": f"{prefix[0]}, class {target[0]}", **others}),
        "choices",
        f"Largest change of a mean, over steps: {figures.largest_changes(own, swept, others)}. {net.name}, absolute "
        "maps; one panel per method, one line per choice.",
        "One panel per method with a cascade curve for each choice of prefix and explained class.",
    )

# %% [markdown]
# ## How to be "entirely invariant"
#
# A1 printed a Guided Backprop that does not change *at all*, and A3 took it back, with thanks for a bug that was found
# and no word on what it was. Here is one way to get that curve. Guided Backprop needs changed ReLUs, so people make a
# *copy* of the net with hooks in it. Load new weights into the original afterwards, and the copy never hears of it.
#
# This cannot happen here unnoticed: before a modified backward pass is used, its logits are compared, bit for bit, with
# those of the net that is to be explained.

# %%
study.figure(
    figures.stale_beside_true(own),
    "stale",
    'A copy that never gets the new weights reproduces A1\'s "no change", at 1 to the last digit; the true curve falls: '
    f"{figures.in_words(own, ['guided_backprop'], 'spearman_abs')} after the first → last step. {net.name}, means and "
    "95 % intervals.",
    "Curves of Guided Backprop from a stale copy, flat at one, from the randomized net, falling, and of the gradient.",
)

# %% [markdown]
# ## Beside the authors' own numbers
#
# The notebooks released with the correction hold the only published numbers of this experiment, for ten MNIST images.
# They differ from the printed protocol: each net's own training initialiser instead of std 0.01, all units drawn anew at
# every step, and the class that the *randomized* net prefers is explained. Nothing here was tuned towards them.

# %%
for architecture in with_released_numbers(study.nets):
    ours = scores[(scores.model == architecture) & (scores.intervention == "cascade")]
    study.table(
        beside_released(ours, everything),
        f"{architecture}: our mean similarity of absolute maps beside the released one.",
    )

# %% [markdown]
# ## Verdicts
#
# A claim is *supported* if the whole interval lies on its side of the threshold, *contradicted* if the whole
# interval lies on the other side, else *inconclusive*; with several parts, one contradicted part contradicts it.
# Each trained net is a part of its own: a claim about training must hold for each of them.

# %%
where = {"A-01": "accuracies", "A-02": "accuracies", "A-07": "laws", "A-08": "laws", "A-17": "full-reinit"}
where |= {"A-32": "curves-noise", "A-33": "orders", "A-12": "stale", "A-34": "curves-relevance"}
where |= {"A-35": "curves-slowest"} if slowest else {}
where |= dict.fromkeys(["A-40", "A-41", "A-42", "A-43", "A-44"], f"units-{net.name}")
verdicts = study.claims(scores, figure=f"curves-{net.name}", elsewhere=where)

# %%
if decides:
    study.table(
        verdicts.drop(columns="expected"), "Verdicts on this run's nets; the box above shows every part.", digits=3
    )
else:
    study.table(
        beside.what_they_say(own),
        f"What {net.name} says about claims that it does not decide: the value furthest on the wrong side, and whether "
        "what the claim asks holds here. Upper: the half of the units nearest the logits; lower: the third nearest the "
        "input; higher: the others.",
        name="beside",
    )

# %% [markdown]
# ## Deviations, easy, difficult
#
# - **Explained class.** The paper does not say whether the class stays fixed while the model changes. We keep the
#   intact net's prediction, so that a change of class cannot pass for a change of map, and show the other readings.
# - **Law.** The paper prints std 0.01; the released code re-runs each net's training initialiser. We run both, and the
#   uniform law that A1's appendix mentions without its bounds: ours has the variance of the printed law.
# - **Draws.** The released figures use one draw of random weights; a draw is as much a sample as an image is.
# - **IG-SmoothGrad** takes 25 noisy copies of 10 steps each; the authors' code takes 25 or 50 of 50 steps.
# - **Costly methods and sweeps** run on the first net only; what rests on one training seed says so in its rule.
# - **Constant maps.** GradCAM of a destroyed net can be zero everywhere. A constant map has no rank correlation; such
#   values are left out of the mean and counted, and above 20 % of them a verdict is "inconclusive".
# - **Easy**: the architectures and the recipe. **Difficult**: Guided Backprop. It is right only if *every* ReLU call
#   is caught and the pass runs on the randomized weights.

# %% [markdown]
# ## Try it yourself
#
# Change a value in the parameters cell and run all cells; nothing published is overwritten.
#
# - `init = ["own"]`: weights as at the start of training, everywhere. Which curves move, and does any verdict?
# - `target = ["current"]`: explain what the broken net believes. Whose curve rises most?
# - `models = ["mlp-mnist-5k"]` and drop `gradcam` and `guided_gradcam` from `methods`: no convolution, no CAM. Is
#   DeconvNet's map still about the image?
# - Add `"integrated_gradients(reference=pixelmin)"` to `costly`. Why is it the same as the plain one, to the last digit?
# - Add `"yourpackage.yourmodule:your_function"` to `methods`: it takes `(model, images, targets)` to maps of the
#   images' shape.

# %%
study.save()
