# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does the map change when there was nothing to learn?
#
# Give every training image the label of some other image, drawn by lot, and train again. The labels now have nothing to
# do with the pictures. A network with millions of weights can learn them by heart all the same, and then it "knows" its
# training set and nothing else. If a saliency map shows what a network has learned about the world, its map must be
# another one now. Adebayo et al. (2018, section 4) ask whether it is.

# %% [markdown]
# ## Claims under test
#
# Both versions of the paper (**A1**, **A3**) report the same: the gradient and SmoothGrad change substantially, GradCAM
# falls into disconnected patches, Guided Backprop changes visibly but still marks most of the digit as positive, and
# Gradient ⊙ input and integrated gradients change in sign while the shape of the input stays. They add that an analyst
# could take the maps of such a network for legitimate explanations, and that the effect is strongest where the input is
# sparse.
#
# The papers give bar charts and no numbers. The authors' released chart for the `cnn` on MNIST, read off with a ruler,
# has rank correlations of absolute maps $\rho_a$ of about .17 for the gradient, .57 for Guided Backprop and .99 for
# the two products with the input.

# %% tags=["parameters"]
models: list[str] = ["cnn-mnist-5k"]  # nets trained on true labels; each has a recipe in params/*/models
permuted: list[str] = ["cnn-mnist-5k-permuted"]  # for each of them, in order: the same net fitted to permuted labels
again: list[str] = ["cnn-mnist-5k-seed1"]  # for each of them, in order: trained on true labels from another seed
# attribution methods and controls; package.module:function for your own
methods: list[str] = [
    "gradient",
    "gradient_x_input",
    "guided_backprop",
    "gradcam",
    "guided_gradcam",
    "deconvnet",
    "deeplift",
    "lrp_epsilon",
    "dtd_zplus",
    "competitive_gradient_x_input",
    "competitive_gradient_x_input(keep=random)",
    "edge",
    "input",
    "random",
]
# methods that take many passes a map: not for untrained nets, and not for each net's own class
costly: list[str] = ["smoothgrad", "integrated_gradients", "ig_smoothgrad(samples=5)", "vargrad"]
n_images: int = 20  # test images, spread evenly over the classes
draws: int = 2  # nets that were never trained, to compare with
proxy_images: int = 100  # test images on which a classifier tries to tell the two nets' maps apart
gallery: int = 2  # images whose maps are shown, the first of them a digit 0
device: str = ""  # cpu or cuda; empty: the first GPU if there is one, else the CPU
data_dir: str = ""  # folder of downloaded data sets; empty: SALIENCY_DATA, else data/
out: str = ""  # where results go; empty: reports/scratch/02_data_randomization

# %%
from lib import figures, similarity
from lib.attributions import CONTROLS
from lib.label_randomization import label_randomization, label_randomization_maps
from lib.label_tables import accuracy_table, class_table, proxy_table, sparsity_table
from lib.proxy_classifier import told_apart
from lib.study import Study

study = Study("02_data_randomization", globals())

# %% [markdown]
# ## The experiment in one call
#
# The labels are permuted once, as in the paper; a net of the same architecture is trained on them until it has learned
# more than 95 % by heart, and the run stops with a sentence if it has not. Then both nets explain the same test images
# for the same class, the one that the net of true labels predicts.
#
# Two comparisons stand beside this one, and without them a similarity says little. *How similar are the maps of two
# nets that mean the same?* None of the papers reports this: we train a second net on the **true** labels, from another
# seed. And *how similar are the maps of a net that was never trained?*

# %%
everything = sorted([*methods, *costly], key=lambda each: each in CONTROLS)
calls = []
for net, other, second in zip(study.nets, study.nets_named("permuted"), study.nets_named("again"), strict=True):
    true, shuffled = net.recipe.dataset, other.recipe.dataset
    parts = {"permuted_labels": (shuffled, "train_labels")}
    parts |= {"test_images": (true, "test_images"), "test_labels": (true, "test_labels")}
    beside = {"permuted": other, "again": second}
    given = {"methods": methods, "costly": costly, "draws": draws, "beside": beside, "parts_of": parts}
    calls.append(study.call(label_randomization, net=net, **given))

# %%
net, beside = study.nets[0], dict(calls[0].beside)
proxies = [each for each in ("gradient", "gradient_x_input", "guided_backprop") if each in methods]
proxy = {"methods": proxies, "beside": {"permuted": beside["permuted"]}, "n_images": proxy_images}
scores = study.gather([*calls, study.call(told_apart, net=net, **proxy)])
own = net.of(scores)
# Those of the papers' figures come first in captions.
papers = ["gradient", "smoothgrad", "gradient_x_input", "integrated_gradients", "guided_backprop", "gradcam"]
papers += ["guided_gradcam", "ig_smoothgrad(samples=5)"]

# %% [markdown]
# ## What was learned
#
# The net of permuted labels knows its training set as well as the other one does, and is as good as a guess on images
# it has not seen.

# %%
caption = "Accuracy of the nets, with 95 % intervals: permuted labels on the training images, true ones on test images."
study.table(accuracy_table(scores), caption, 4, "accuracies")

# %% [markdown]
# ## What one sees
#
# From left to right: the net of true labels, the same net trained once more from another seed, the net of permuted
# labels, and a net that was never trained. The first two agree on what a digit is, and often not on which pixels of it
# to mark. Keep that in mind when you look at the third column.

# %%
at = study.call(label_randomization_maps, net=net, methods=everything, beside=beside, n_images=gallery)
maps = study.pictures({"maps": at})["maps"]
columns = ["true labels", "true labels, again", "permuted labels", "never trained"]
signs = figures.in_words(own, papers, "sign_agreement_fg", intervention="labels")
study.figure(
    figures.map_grid({method: maps[method][:, 0] for method in everything}, columns, signed=False),
    "maps-abs",
    "Products with the input draw the digit whatever the labels were; so does the input itself. Absolute maps of "
    f"{net.name} for a test image of the first class, each scaled by its own 99th percentile.",
    "Grid of absolute saliency maps of one image, one row per method, one column per net.",
)

# %%
study.figure(
    figures.map_grid({method: maps[method][:, 0] for method in everything}, columns, signed=True),
    "maps-signed",
    f"Share of ink pixels with the same sign under true and permuted labels (0.50 is a coin toss): {signs}. Signed maps "
    f"of {net.name}: red positive, blue negative, white zero.",
    "Grid of signed saliency maps of one image, one row per method, one column per net.",
)

# %%
for number in range(1, gallery):
    study.figure(
        figures.map_grid({method: maps[method][:, number] for method in everything}, columns, signed=True),
        f"maps-signed-{number}",
        f"The same for an image of another class. Signed maps of {net.name}: red positive, blue negative, white zero.",
        "Grid of signed saliency maps of another image, one row per method, one column per net.",
    )

# %% [markdown]
# ## What one measures
#
# The papers' two bar charts are the first two panels: rank correlation of absolute maps and of signed maps. We add the
# third, on ink pixels only, because on the black background the products with the input are zero under *any* labels,
# and tied zeros agree (the notebook on random gradients derives how much they contribute). The triangle is the
# comparison that nobody reports: a second net of true labels. **A bar is remarkable where it is far from its triangle.**

# %%
panels = ["spearman_abs", "spearman", "spearman_abs_fg"]
for trained in study.nets:
    mine = trained.of(scores)
    study.figure(
        figures.label_bars(mine, everything, panels),
        f"bars-{trained.name}",
        "Absolute maps under permuted labels resemble those under true labels by, in brackets those of two nets of true "
        f"labels each other by: {figures.label_similarities(mine, papers, 'spearman_abs')}. {trained.name}, means and "
        f"95 % intervals over {n_images} images.",
        "Three panels of horizontal bars, one bar per method: similarity of absolute maps, of signed maps, and of "
        "absolute maps on the foreground; triangles for a second net of true labels, ticks for another image's map.",
    )

# %% [markdown]
# So the gradient "changes substantially", as the papers say; but look at its triangle before you conclude that it has
# heard of the labels. Where bar and triangle lie close together, what looks like a reaction to the labels is the
# ordinary difference between two trainings of the same net. The test can only tell that a map depends on the weights.
# Whether it depends on *what was learned* is the distance from the triangle to the bar.

# %% [markdown]
# ### Sparse inputs
#
# A product with the input keeps the zeros of the input. If unrelated maps share the zeros of an image, a share $p_0$ of
# its pixels, they have $\rho_a = 3p_0 / (3p_0 + (1-p_0)^2)$. The table holds this floor for the images studied here beside
# what was measured: "strongest for sparse inputs" is a statement about zeros.

# %%
empty = {each.name: 1 - similarity.foreground(study.images(each), 0.0).double().mean(1) for each in study.nets}
study.table(
    sparsity_table({each.name: each.of(scores) for each in study.nets}, empty),
    "Gradient ⊙ input under true and permuted labels: mean similarity of absolute maps, beside the floor of the ties.",
    3,
    "sparsity",
)

# %% [markdown]
# ### GradCAM in pieces
#
# GradCAM is said to break into disconnected patches. Count them: connected regions in which the map is above half of its
# own maximum. One piece is a spot, many pieces are fragments.

# %%
pieces = [each for each in ("gradcam", "guided_gradcam", "guided_backprop", "gradient") if each in methods]
count = figures.label_words(own, pieces[0], "components")
study.figure(
    figures.label_dots(own, pieces, {"components": "pieces above half of the maximum"}, "number of pieces"),
    "pieces",
    f"{figures.spoken(pieces[0])}, mean number of pieces: {count}. {net.name}, means and 95 % intervals over images, and "
    "over draws where nets were drawn.",
    "Dot plot, one row per method: number of connected pieces of the map for the net of true labels, of permuted labels, "
    "and untrained nets.",
)

# %% [markdown]
# ### Is the digit "relevant"?
#
# Guided Backprop is said to give positive relevance to most of the digit even under random labels. Half would be chance
# if signs were a coin toss. Look at the nets that were never trained: whatever share they give to the digit cannot be a
# finding about learning.

# %%
positive = [each for each in ("guided_backprop", "gradient", "gradient_x_input", "deconvnet") if each in methods]
titles = {"positive_share_fg": "ink pixels", "positive_share_bg": "background pixels"}
ink = figures.label_words(own, "guided_backprop", "positive_share_fg", percent=True)
study.figure(
    figures.label_dots(own, positive, titles, "share of pixels with positive relevance", chance=0.5),
    "positive",
    f"Guided Backprop, share of the digit that is positive: {ink}. {net.name}, means and 95 % intervals; dotted: a coin "
    "toss.",
    "Two panels of dots, one row per method: share of ink pixels and of background pixels with positive relevance, for "
    "the three kinds of net.",
)

# %% [markdown]
# ### Which class is explained?
#
# The papers do not say which class is explained for the second net. Above it is the class of the first. If each net
# explains the class that it predicts itself, a part of the difference is a difference of class.

# %%
study.table(
    class_table(own, [each for each in methods if each not in CONTROLS]),
    f"Mean similarity of absolute maps under true and permuted labels; {net.name}.",
)

# %% [markdown]
# ### Could you tell?
#
# "An analyst could take them for legitimate" is a statement about people, and we give no verdict on it. What can be
# measured is whether the difference is there to be seen: a random forest looks at maps of both nets and says, for images
# it was not fitted to, which net a map is of. Half is guessing.

# %%
caption = "Share of maps that a random forest puts down to the right net, cross-validated, with 95 % intervals"
study.table(proxy_table(own), f"{caption}; {net.name}.", name="proxy")

# %% [markdown]
# ## Verdicts
#
# Each net of true labels is a part of its own: a claim about training must hold for each. The comparison between MNIST
# and Fashion-MNIST needs runs on both, so it is decided on the contents page.

# %%
where = {"A-05": "accuracies", "A-06": "accuracies", "A-52": "pieces", "A-54": "positive", "A-58": "sparsity"}
verdicts = study.claims(scores, figure=f"bars-{net.name}", elsewhere=where)
study.table(verdicts.drop(columns="expected"), "Verdicts on this run's nets; the box above shows every part.", digits=3)

# %% [markdown]
# ## Deviations, easy, difficult
#
# - **Recipe.** The paper asks for more than 95 % of the permuted labels and names no recipe. We take larger batches and
#   a larger rate than for the true labels and no weight decay, and stop after a fixed number of steps. The two nets so
#   differ in more than their labels; the net trained again differs in its seed alone.
# - **Seeds.** One net of permuted labels for each architecture and data set. Training seeds of the true labels are parts
#   of their own; they share that one net.
# - **Class.** Not stated in the paper; ours is the class that the net of true labels predicts, for all nets.
# - **IG-SmoothGrad** takes 5 noisy copies of 10 steps each, where notebook 01 takes 25 and the authors' code 25 or 50 of
#   50 steps: it costs ten times what all the others cost together.
# - **Pieces** are counted above half of the maximum, and pixels that touch at a corner belong together; the paper judges
#   by eye.
# - **Easy**: permuting labels. **Difficult**: waiting for them to be learned. For the first third of the training nothing
#   seems to happen.

# %% [markdown]
# ## Try it yourself
#
# Change a value in the parameters cell and run all cells; nothing published is overwritten.
#
# - `permuted = ["cnn-mnist-5k"]`: the run refuses. Why must it?
# - `models = ["mlp-mnist-5k"]`, `permuted = ["mlp-mnist-5k-permuted"]`, `again = ["mlp-mnist-5k-seed1"]`, and drop `gradcam`
#   and `guided_gradcam`: does a net without convolutions remember the image as well?
# - Add `"integrated_gradients(reference=mean)"` to `methods`. It has no tied zeros; where does its bar end?
# - Write a recipe with fewer iterations for the permuted labels. At which share of learned labels do the maps change?

# %%
study.save()
