# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does it hold where it was shown: on photographs?
#
# The pictures that made the sanity checks famous are of a bird. A network that was trained on ImageNet is destroyed
# block by block, from the logits down, and next to each other stand the maps it gives of the same junco: some dissolve at
# once, some keep the outline of the bird until almost nothing of the network is left. Digits, as in the first study, have
# black backgrounds and four layers. Photographs have no empty pixel, and the networks have six to nineteen units. So here
# is the experiment at the scale that it was meant for, with the image metrics that come with it.

# %% [markdown]
# ## Claims under test
#
# **A1** is the first version of Adebayo et al. (2018), **A3** the corrected one. Their network is Inception v3, with
# weights that must be downloaded. Each claim marked ◊ is decided on the networks at hand, each by its name.
#
# - **SSIM and HOG.** Gradient ⊙ input and integrated gradients look like the original, and the structural similarity
#   shows it (A-22: SSIM ≥ 0.5 over the upper half of the units), so does HOG, says A1 alone (A-23: ≥ 0.3). Their curves
#   coincide, signed ranks with the gradient's, SSIM with each other. GradCAM, Guided GradCAM and Guided
#   Backprop lie together above the rest.
# - **The bird** stays recognisable in both after several blocks.
# - **Edges.** An edge detector gives maps strikingly like those of Guided Backprop, the methods nearest to it are
#   the least sensitive, and Guided Backprop and Guided GradCAM hardly notice if the image is replaced by its edges
#   as if saliency used mostly these.
# - **Random masks.** What the metrics say of a map and a mask of noise is next to nothing.
# - Inception v3 is cut into 17 blocks that cover it; its top-5 accuracy is 93.9 % (A-03, which needs its own
#   weights and all of ImageNet's validation images).

# %% tags=["parameters"]
networks: list[str] = ["efficientnet_lite0"]  # see lib/image_models.py
# of each network, in the same order: package, download, a known file in the folder weights of the data folder, or a path
weights: list[str] = ["package"]
# photos: those inside scikit-image; else a folder with a labels.csv (file, class_index): a path, or a name in the data folder
photographs: str = "photos"
# cheap ones and controls, run in every order
methods: list[str] = [
    "gradient",
    "gradient_x_input",
    "guided_backprop",
    "gradcam",
    "guided_gradcam",
    "edge",
    "input",
    "random",
]
# methods of many passes a map: only in the top-down cascade
costly: list[str] = [
    "smoothgrad(samples=5)",
    "vargrad(samples=5)",
    "integrated_gradients(steps=5)",
]
# those of the methods that are asked whether they still show the image
products: list[str] = [
    "gradient_x_input",
    "integrated_gradients(steps=5)",
]
# those of the methods that are compared with random masks
calibrated: list[str] = [
    "gradient",
    "gradient_x_input",
    "integrated_gradients(steps=5)",
]
sweep_methods: list[str] = ["gradient", "guided_backprop", "gradcam"]  # for every further word of init and bn
# cascade: from the logits down; reverse: from the input up; independent: one unit at a time, all others trained
orders: list[str] = ["cascade", "independent"]
n_images: int = 2  # photographs, evenly spread over the list
# two places (from, to) of these that this run works on, for a part of a large run; empty: all
image_range: list[int] = []
shown: list[str] = ["coffee"]  # photographs whose maps are shown, by file name
draws: int = 1  # how often the whole network is re-initialised; every draw meets every photograph
mask_draws: int = 5  # random masks for each photograph
init: list[str] = ["tn(0.01)"]  # laws of the new weights; the first is used everywhere, the others are swept
# batch norm of a destroyed unit: fresh (1, 0, mean 0, variance 1); keep-stats as released; drawn. The first everywhere
bn: list[str] = ["fresh"]
device: str = ""  # cpu or cuda; empty: the first GPU if there is one, else the CPU
data_dir: str = ""  # folder of downloaded data; empty: SALIENCY_DATA, else data/
out: str = ""  # where results go; empty: reports/scratch/08_imagenet_cascades

# %%
from lib import figures
from lib.attributions import CONTROLS
from lib.photograph_calls import labels_of, networks_of, photograph_calls, photograph_picture_calls
from lib.photograph_tables import accuracy_table, block_table, mask_table, of_network, with_corrected
from lib.study import Study

study = Study("08_imagenet_cascades", globals())
given = networks_of(study, networks, weights, photographs)
labels = labels_of(study, given)

# %% [markdown]
# ## The computations
#
# For each network: the three orders of destruction of the first study, with SSIM and HOG beside the rank correlations;
# whether the image is still seen in products with it; the maps beside edges and beside noise; and how often the network
# is right. All maps explain the class that the intact network predicts.

# %%
images = {"count": n_images, "image_range": image_range, "draws": draws, "mask_draws": mask_draws}
settings = {"init": init, "bn": bn, "sweep_methods": sweep_methods}
plan = {"orders": orders, "methods": methods, "costly": costly, "products": products, "calibrated": calibrated}
calls = photograph_calls(study, given, **plan, **images, **settings)
look = {"methods": [*methods, *costly], "signed": ["gradient", *products], "init": init[0], "bn": bn[0]}
gallery = photograph_picture_calls(study, given[0], files=shown, **look)
scores, pictures = study.gather(calls), study.pictures(gallery)
of = {network: of_network(scores, network) for network in networks}
own, name = of[networks[0]], labels[networks[0]]

# %% [markdown]
# ## The networks
#
# Nothing is learned from destroying a network that never worked. None of these is the Inception v3 of the papers, nor do
# we have the 50 000 validation images that its 93.9 % refers to. The photographs at hand are few, most of them surely
# training images of all networks, so that these numbers flatter.

# %%
accuracies = accuracy_table(scores, labels)
if len(accuracies):
    study.table(
        accuracies,
        "How often each network is right on all photographs of the set, with 95 % intervals.",
        3,
        "accuracy",
    )

# %% [markdown]
# A claim about *blocks* needs no weights, only the network: Inception v3 is cut into 17 units, and we count whether they
# are disjoint and cover all trainable tensors. (The auxiliary head, which is used in training only, is left out.)

# %%
study.table(
    block_table(scores),
    "The cut of Inception v3: units, share of the trainable tensors that they cover, tensors that belong to two.",
    2,
    "blocks",
)

# %% [markdown]
# ## What one sees
#
# Rows are methods, columns are stages: the intact network, then the network destroyed down to and including the unit on
# top. This is the figure of the papers, with three controls below that never look at the network. First the sizes.

# %%
stages = figures.stage_names(own)
order = [*[each for each in methods if each not in CONTROLS], *costly, *[each for each in methods if each in CONTROLS]]
licence = "" if photographs == "photos" else figures.IMAGENET_LICENCE
for number, file in enumerate(shown):
    study.figure(
        figures.map_grid({each: pictures["cascade"][f"abs:{each}"][:, number] for each in order}, stages, signed=False),
        f"maps-abs-{number}",
        f"Rank correlation with the intact map, first → last step, {figures.in_words(own, order, 'spearman_abs')}. "
        f"Absolute maps of {file} by {name}, each scaled by its own 99th percentile. {licence}".strip(),
        "Grid of absolute saliency maps of one photograph, one row per method or control, one column per stage.",
    )

# %% [markdown]
# Then the signs, for products with the input and for the gradient. Does red stay red?

# %%
signed = ["gradient", *products]
study.figure(
    figures.map_grid({each: pictures["cascade"][f"signed:{each}"][:, 0] for each in signed}, stages, signed=True),
    "maps-signed",
    f"Signed rank correlation, first → last step, {figures.in_words(own, signed, 'spearman')}. Signed maps of {shown[0]} "
    f"by {name}: red positive, blue negative. {licence}".strip(),
    "Grid of signed saliency maps of one photograph for the gradient and two products with the input.",
)

# %% [markdown]
# ## What one measures
#
# Four similarities to the intact network's map: rank correlation of sizes, with signs, SSIM (windows of 5x5 pixels, maps
# divided by their largest value), and the correlation of HOG features (16x16 pixels a cell). Photographs and draws are
# crossed: each draw of new weights meets each photograph.

# %%
metrics = ["spearman_abs", "spearman", "ssim", "hog"]
for network, table in of.items():
    study.figure(
        figures.cascade_curves(table, order, metrics),
        f"curves-{network}",
        f"{labels[network]}: SSIM after the first → last step, {figures.in_words(table, order, 'ssim')}. Means and 95 % "
        f"intervals, {n_images} photographs x {draws} draws.",
        "Four panels of curves of similarity against the stage of randomization, one line per method.",
    )

# %% [markdown]
# **How much of an SSIM is owed to nothing?** A saliency map is almost everywhere close to 0 once it is divided by its
# largest value, and windows that hold nothing look alike. So take the intact map and shuffle its pixels: whatever SSIM
# it has with itself shuffled, $s_0$, is owed to the spread of its values alone. Count from there upwards,
#
# $$s^* = \frac{s - s_0}{1 - s_0}.$$

# %%
for network, table in of.items():
    counted = with_corrected(table)
    study.figure(
        figures.cascade_curves(counted, order, ["ssim", "ssim_corrected"]),
        f"corrected-{network}",
        f"{labels[network]}: SSIM of a map with its own shuffled self is "
        f"{figures.in_words(table, order, 'ssim', 'null_shuffle')}. Counted from there, first → last step: "
        f"{figures.in_words(counted, order, 'ssim_corrected')}. Means and 95 % intervals.",
        "Two panels of curves: SSIM against the stage of randomization, and SSIM counted from that of the shuffled map.",
    )

# %% [markdown]
# Nor is *unrelated* always 0, or *the same* always 1: maps of two photographs by the same intact network have something in
# common, and where a method draws noise, a second run on the same photograph agrees with the first only so far.

# %%
study.figure(
    figures.beside_nulls(own, order, "spearman_abs"),
    "nulls",
    f"Maps of two different photographs reach {figures.in_words(own, order, 'spearman_abs', 'null_other_image')}. "
    f"{name}, absolute maps; means and 95 % intervals.",
    "Dot plot, one row per method: similarity after the first and the last step, to another photograph's map, and between "
    "two noise draws.",
)

# %% [markdown]
# ## Is the bird still there?
#
# A product with the input shows the input wherever the other factor lets it. To see how little that takes, multiply the
# image by white noise, and compare the result with the image.

# %%
seen = [*products, "noise_x_input"]
for network, table in of.items():
    study.figure(
        figures.recognition_curves(table, seen),
        f"recognition-{network}",
        f"{labels[network]}: rank correlation of a map's size with the image's, first → last "
        f"of these steps, {figures.in_words(table, seen, 'spearman_abs', 'input', 'recognition')}. Means and 95 % intervals.",
        "Curves of similarity to the image while the upper half of the network is destroyed, and of noise times image.",
    )

# %% [markdown]
# ## One unit at a time, and from below
#
# The cascade cannot say which unit a map depends on, since all above it are gone too.

# %%
cheap = [each for each in methods if each not in CONTROLS]
for network, table in of.items() if "independent" in orders else ():
    study.figure(
        figures.unit_table(table, cheap),
        f"units-{network}",
        f"{labels[network]}: least similar to the intact map, and by which unit: "
        f"{figures.most_damaging_units(table, cheap, 'spearman_abs')}. Absolute maps; the longest 95 % interval is "
        f"± {figures.widest_interval(table, cheap)}.",
        "Table in colours: rows are methods, columns the one unit that is randomized, cells the similarity that is left.",
    )

# %%
if "reverse" in orders:
    study.figure(
        figures.orders_beside(own, cheap, "spearman_abs"),
        "orders",
        f"From below, first → last step, {figures.in_words(own, cheap, 'spearman_abs', intervention='reverse')}. {name}, "
        "absolute maps; means and 95 % intervals.",
        "Two panels of curves: similarity while the network is destroyed from the logits down, and from the input up.",
    )

# %% [markdown]
# ## Which law, and what becomes of batch norm?
#
# Weights of standard deviation 0.01 let the signal shrink at every layer; the network's own initialiser keeps its size.
# And batch norm of a destroyed unit may forget its statistics, or keep them, as the released code does.

# %%
choices = {each: figures.setting_words(each) for field in ("init", "bn") for each in figures.swept(own, field)}
if choices:
    study.figure(
        figures.sweep_curves(own, sweep_methods, {"cascade": f"{init[0]}, batch norm {bn[0]}", **choices}),
        "choices",
        f"Largest change of a mean over steps: {figures.largest_changes(own, sweep_methods, choices)}. {name}, absolute "
        "maps; one panel per method, one line per choice.",
        "One panel per method with a cascade curve for each choice of law and batch norm.",
    )

# %% [markdown]
# ## Edges
#
# A1 and A3 begin with an edge detector that has no network at all, and whose output looks like a saliency map. Which maps
# come near it, here Sobel's magnitude? And what does a network say of the image that has *nothing but* edges,
# $x' = x \odot \text{edges}$?

# %%
study.figure(
    figures.gallery(figures.rows_of(pictures["edges"], range(len(shown)), common=())),
    "edges-maps",
    f"Photographs and their edges, in grey, and signed maps of {name} for both: red positive, blue negative. "
    f"{licence}".strip(),
    "Grid of photographs and their edges with signed maps by three methods.",
)

# %%
looking = [each for each in order if each not in CONTROLS]
for network, table in of.items():
    study.figure(
        figures.edge_likeness(table, looking, figures.ON_PHOTOGRAPHS),
        f"edges-{network}",
        f"{labels[network]}: rank correlation with the edges, "
        f"{figures.in_words(table, looking, 'spearman_abs', 'edge', 'edge_detector')}. Means and 95 % intervals.",
        "Two panels of dots with intervals, one row per method: similarity to the edges of the image and of another.",
    )

# %%
for network, table in of.items():
    study.figure(
        figures.edges_alone(table, looking, figures.ON_PHOTOGRAPHS),
        f"edges-alone-{network}",
        f"{labels[network]}: rank correlation of the maps of image and edges alone, "
        f"{figures.in_words(table, looking, 'spearman_abs', intervention='mask_input')}. Means and 95 % intervals.",
        "Two panels of dots with intervals, one row per method: maps of the edges alone beside those of the image.",
    )

# %% [markdown]
# ## Beside random masks
#
# What do the metrics say of a map and a mask of Gaussian noise? A1 prints the means of 50 such pairs. Study 07 has the
# theory: ranks must give 0 up to sampling noise, and SSIM depends on what the map is divided by.

# %%
for network, table in of.items():
    study.table(
        mask_table(table, calibrated),
        f"{labels[network]} beside masks: means over {n_images} photographs x {mask_draws} masks, ± half a 95 % interval.",
        name=f"masks-{network}",
    )

# %% [markdown]
# ## Verdicts
#
# A claim is *supported* if the whole interval lies on its side of the threshold, *contradicted* if the whole interval lies
# on the other side, else *inconclusive*. The second reading counts SSIM from that of the shuffled map, and
# asks for more than noise times the image reaches.

# %%
where = {"A-04": "blocks", "A-22": f"corrected-{networks[0]}", "A-27": f"corrected-{networks[0]}"}
where |= {"A-28": f"recognition-{networks[0]}", "A-76": f"edges-{networks[0]}", "A-77": f"edges-{networks[0]}"}
where |= dict.fromkeys(["A-78", "A-79"], f"edges-alone-{networks[0]}")
where |= dict.fromkeys(["A-84", "A-85", "A-86"], f"masks-{networks[0]}")
verdicts = study.claims(scores, figure=f"curves-{networks[0]}", elsewhere=where)
study.table(
    verdicts.drop(columns=["expected", "decided by"]), "Verdicts on this run; the box above shows every part.", 3
)

# %% [markdown]
# ## Deviations, easy, difficult
#
# - **Networks.** The papers destroy Inception v3 with TF-Slim's weights. Those cannot be had without a download, and a
#   network with random weights has nothing to lose; so the claims are decided on other ImageNet-trained networks, each
#   named. With a download, `params/imagenet` runs the same on Inception v3.
# - **Samples.** In the paper preset SmoothGrad and VarGrad take 15 noisy copies (the released code 50), integrated gradients
#   15 steps (50), IG-SmoothGrad 5 copies of 5 steps (25 of 50); in the quick one 5 and 5. The rules name the former.
# - **Zero** is the mean colour of ImageNet, or mid-grey, as the encoding of each network has it; it is the reference of
#   integrated gradients and what the edges stand on.
# - **Photographs** are few, and most are training images.
# - **Underflow.** Weights of standard deviation 0.01 shrink the signal at every unit. In EfficientNet-Lite0 the gradient of
#   the destroyed network is of the order of $10^{-31}$, equal in single and double precision; but VarGrad and Guided GradCAM
#   multiply two such numbers, which single precision cannot hold from block 2 downwards. Their last steps are undefined
#   here, not constant, and decide nothing.
# - **Dead logits.** SqueezeNet has a ReLU above its last convolution. Destroyed, its explained logit is often exactly 0, and
#   so is every gradient: its maps are constant, are counted, and decide nothing.
# - **Easy**: the units, once the library runs the network to check them. **Difficult**: to find out which part of an SSIM
#   is about the map at all.

# %% [markdown]
# ## Try it yourself
#
# - `bn = ["fresh", "keep-stats", "drawn"]`: which methods notice what becomes of batch norm?
# - `photographs = "/a/folder"` with a `labels.csv` of the columns `file` and `class_index`: your own pictures.
# - Add `"deconvnet"` to `methods`: is it a better edge detector than Guided Backprop?
# - `image_range = [0, 8]` and then `[8, 16]`, as two runs: the index puts them together.

# %%
study.save()
