# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does the map of your model change when it is destroyed?
#
# The other studies ask what became of the claims of four papers, on networks that we chose. This one makes no claim. It
# takes *your* network and *your* pictures, destroys the network unit by unit, and shows for each method whether its map
# has noticed. Without a network of yours it runs on EfficientNet-Lite0 and on photographs that come inside packages.
#
# It is also the template of a study of your own: copy the file, change the name in the call of `Study`, and put a
# params file into `params/quick/<name>/`. Everything else, the cache, the report and the index, finds it by its name.

# %% [markdown]
# ## What is asked
#
# Adebayo et al. (2018) call a method *insensitive* if its map stays the same while the model's weights are drawn anew. An
# insensitive map cannot tell you what the model has learned: neither for a scientific conclusion nor to find out why the
# model is wrong. So, for each method, two numbers matter: the similarity to the intact network's map after the first
# unit, and after the last, when nothing learned is left.
#
# High similarity at the end is bad news for a method. Low similarity is *no* good news: noise passes the test too.

# %% tags=["parameters"]
# a name of lib/image_models.py; or package.module:build for your own, called without arguments or with those written
# behind it: torchvision.models:resnet18(num_classes=10)
model: str = "efficientnet_lite0"
# of a named network: package, download, or a path; of your own: a file with its state dict (.pth, .safetensors), a path
# or a name in the data folder, or empty if build gives it its weights
weights: str = "package"
# photos: those inside scikit-image; else a folder with a labels.csv (file, class_index): a path, or a name in the data folder
images: str = "photos"
size: int = 0  # side of the square that the network sees, in pixels; 0: as the network itself says
mean: list[float] = []  # subtracted from pixels in [0, 1], one number per channel; empty: as the network itself says
std: list[float] = []  # what is left is divided by these; one number in both lists: the network sees grey pictures
# units in the order of execution, as name=module or name=module+module; empty: the network's own, or one per layer
units: list[str] = []
# attribution methods and controls, run in every order; package.module:function or captum.attr:Class for your own
methods: list[str] = [
    "gradient",
    "gradient_x_input",
    "guided_backprop",
    "gradcam",
    "edge",
    "input",
    "random",
]
costly: list[str] = ["smoothgrad(samples=5)", "integrated_gradients(steps=5)"]  # only in the top-down cascade
sweep_methods: list[str] = []  # those of the methods that run once more for every further word of init and bn
# cascade: from the logits down; reverse: from the input up; independent: one unit at a time, all others trained
orders: list[str] = ["cascade"]
n_images: int = 2  # pictures, evenly spread over the list
gallery: int = 1  # of these, how many are shown with their maps
draws: int = 1  # how often the whole network is re-initialised; every draw meets every picture
init: list[str] = ["tn(0.01)"]  # laws of the new weights; the first is used everywhere, the others are swept
bn: list[str] = ["fresh"]  # batch norm of a destroyed unit: fresh, keep-stats, drawn; the first everywhere
device: str = ""  # cpu or cuda; empty: the first GPU if there is one, else the CPU
data_dir: str = ""  # folder of downloaded data; empty: SALIENCY_DATA, else data/
out: str = ""  # where results go; empty: reports/scratch/10_your_model

# %%
from lib import figures
from lib.attributions import CONTROLS
from lib.own_calls import own_calls, own_model, own_picture_calls
from lib.own_tables import accuracy_words, unit_table, without_prefix
from lib.study import Study

study = Study("10_your_model", globals())
own = own_model(study)

# %% [markdown]
# ## The computations
#
# Before this line everything was tried once: the network was built and ran on a picture, its units were checked against
# that pass, and each method explained it. What follows takes the time. The results are kept under a key of all that
# decides them: parameters, weights, pictures, the library, and the code of your own.

# %%
all_scores = study.gather(own_calls(study, own))
scores = without_prefix(all_scores)
maps = study.pictures(own_picture_calls(study, own))["cascade"]
stages = figures.stage_names(scores)
everything = sorted([*methods, *costly], key=lambda each: each in CONTROLS)

# %% [markdown]
# ## The network
#
# Nothing is learned from destroying a network that never worked. And a map explains what the network predicts, right or
# wrong: the class of each picture is the one that the intact network prefers, and stays the same while it is destroyed.

# %% [markdown]
# ### What exactly is destroyed?
#
# A *unit* is what one step draws anew: without a list of your own, a layer. They were found by running the network, from
# the logits to the input. The record proves that each step changes its unit and no other below: before its step nothing
# of it differs from the trained numbers, from then on everything does. (Batch norm that was never trained is an exception:
# it is drawn as it was.)

# %%
study.table(
    unit_table(all_scores, own.units),
    f"{own.label}: units from the logits to the input, and the largest share of changed numbers before the step that "
    f"reaches them, the least from then on. {accuracy_words(all_scores)}",
    2,
    "units",
)

# %% [markdown]
# ## What one sees
#
# Rows are methods, columns are stages: the intact network, then the network destroyed down to and including the unit on
# top. The controls at the bottom never look at the network: edges and the picture itself stay, noise does not. First the
# sizes of the maps.

# %%
for number in range(gallery):
    study.figure(
        figures.map_grid({each: maps[each][:, number] for each in everything}, stages, signed=False),
        f"maps-abs-{number}",
        f"Rank correlation with the intact map, first → last step: {figures.in_words(scores, everything, 'spearman_abs')}. "
        f"Absolute maps of {own.label}, each scaled by its own 99th percentile.",
        "Grid of absolute saliency maps of one picture, one row per method or control, one column per stage.",
    )

# %% [markdown]
# Then their signs. A product with the input keeps the shape of the picture wherever the other factor lets it; only the
# signs, and the order of the sizes, can still depend on the network.

# %%
signed = [each for each in everything if each not in CONTROLS]
study.figure(
    figures.map_grid({each: maps[each][:, 0] for each in signed}, stages, signed=True),
    "maps-signed",
    f"Signed rank correlation, first → last step: {figures.in_words(scores, signed, 'spearman')}. Signed maps of "
    f"{own.label}: red positive, blue negative, white zero.",
    "Grid of signed saliency maps of one picture, one row per method, one column per stage of randomization.",
)

# %% [markdown]
# ## What one measures
#
# Three similarities to the intact network's map: rank correlation without signs and with them, and SSIM. Pictures and
# draws are crossed, each draw meets each picture, and the interval counts both as samples. One draw of weights, or one
# picture, cannot tell how much the next would differ.

# %%
study.figure(
    figures.cascade_curves(scores, everything, ["spearman_abs", "spearman", "ssim"]),
    "curves",
    f"{own.label}, absolute maps, first → last step: {figures.in_words(scores, everything, 'spearman_abs')}. Means and "
    f"95 % intervals, {n_images} pictures x {draws} draws.",
    "Three panels of curves of similarity against the stage of randomization, one line per method.",
)

# %% [markdown]
# ### How low is unrelated?
#
# Maps of two different pictures by the same intact network have something in common: a bright middle, a dark border.
# Read each similarity from there upwards. The ceiling, for methods that draw noise, is the same picture and network with
# other noise.

# %%
study.figure(
    figures.beside_nulls(scores, everything, "spearman_abs"),
    "nulls",
    "Maps of two different pictures by the intact network reach "
    f"{figures.in_words(scores, everything, 'spearman_abs', 'null_other_image')}. {own.label}, absolute maps; means and "
    "95 % intervals.",
    "Dot plot, one row per method: similarity after the first and the last step, to another picture's map, and between "
    "two noise draws.",
)

# %% [markdown]
# ### What does a broken network draw?
#
# At the last step nothing learned is left. What a map still shows comes from the architecture, the method or the picture.

# %%
study.figure(
    figures.full_reinit(scores, everything, "spearman_abs"),
    "full-reinit",
    f"Similarity of the fully random network's maps to the edges of the picture: "
    f"{figures.in_words(scores, everything, 'spearman_abs', 'edge')}. {own.label}, absolute maps; means and 95 % intervals.",
    "Dot plot for the fully random network, one row per method: similarity to the intact map, to the picture, to edges.",
)

# %% [markdown]
# ## One unit at a time, and from below
#
# With `independent` and `reverse` among the `orders`: the cascade alone cannot say which unit a map depends on, because
# everything above it is gone too.

# %%
cheap = [each for each in methods if each not in CONTROLS]
if "independent" in orders:
    study.figure(
        figures.unit_table(scores, cheap),
        "one-unit",
        "Least similar to the intact map, and by which unit: "
        f"{figures.most_damaging_units(scores, cheap, 'spearman_abs')}. {own.label}, absolute maps.",
        "Table in colours: rows are methods, columns the one unit that is randomized, cells the similarity that is left.",
    )

# %%
if "reverse" in orders:
    study.figure(
        figures.orders_beside(scores, cheap, "spearman_abs"),
        "orders",
        "From below, first → last step: "
        f"{figures.in_words(scores, cheap, 'spearman_abs', intervention='reverse')}. {own.label}, absolute maps; means "
        "and 95 % intervals.",
        "Two panels of curves: similarity while the network is destroyed from the logits down, and from the input up.",
    )

# %% [markdown]
# ## Does it depend on the law of the new weights?
#
# With `sweep_methods` and more than one word in `init` or `bn`. Weights of standard deviation 0.01 let the signal shrink
# at every layer; `kaiming` keeps its size, and a network may bring a law of its own (`own`).

# %%
choices = {each: figures.setting_words(each) for field in ("init", "bn") for each in figures.swept(scores, field)}
if choices:
    study.figure(
        figures.sweep_curves(scores, sweep_methods, {"cascade": f"{init[0]}, batch norm {bn[0]}", **choices}),
        "choices",
        f"Largest change of a mean over steps: {figures.largest_changes(scores, sweep_methods, choices)}. {own.label}, "
        "absolute maps; one panel per method, one line per choice.",
        "One panel per method with a cascade curve for each choice of law and batch norm.",
    )

# %% [markdown]
# ## How to read this
#
# - **A curve that stays high** to the end: the map is about the picture or the architecture. Compare it with the rows of
#   the controls before you trust it with a question about the model.
# - **A curve that falls at once**: the map depends on the last layers. That is necessary, not sufficient.
# - **Undefined**: the map is constant, as GradCAM's may be in a destroyed network, and has no ranks.
# - **Few pictures, one draw**: the intervals are wide or missing. Raise `n_images` and `draws` before you conclude.
# - A method that is not defined for your network is refused by name. That is no fault of yours: take it off the list.

# %% [markdown]
# ## Try it yourself
#
# - `orders = ["cascade", "reverse", "independent"]`: which unit does Guided Backprop depend on?
# - `methods = ["gradient", "captum.attr:Saliency", "captum.attr:GuidedBackprop"]`: do two libraries agree?
# - `model = "torchvision.models:resnet18"`, `weights = ""`, `size = 224` and ImageNet's `mean` and `std`: a network that
#   has learned nothing. Which methods draw the picture all the same?
# - `units = ["body=features", "head=classifier"]`: two steps instead of many, for a network with these two parts.

# %%
study.save()
