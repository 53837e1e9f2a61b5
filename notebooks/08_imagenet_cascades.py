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
methods: list[str] = [
    "gradient",
    "gradient_x_input",
    "guided_backprop",
    "gradcam",
    "guided_gradcam",
    "edge",
    "input",
    "random",
]  # cheap ones and controls, run in every order
# methods of many passes a map: only in the top-down cascade
costly: list[str] = ["smoothgrad(samples=15)", "vargrad(samples=15)", "integrated_gradients(steps=15)"]
products: list[str] = ["gradient_x_input", "integrated_gradients(steps=15)"]  # asked whether the image is still seen
calibrated: list[str] = ["gradient", "gradient_x_input", "integrated_gradients(steps=15)"]  # beside random masks
sweep_methods: list[str] = ["gradient", "guided_backprop", "gradcam"]  # for every further word of init and bn
n_images: int = 2  # photographs, evenly spread over the list
image_range: list[
    int
] = []  # two places (from, to) of these that this run works on, for a part of a large run; empty: all
shown: list[str] = ["coffee"]  # photographs whose maps are shown, by file name
draws: int = 1  # how often the whole network is re-initialised; every draw meets every photograph
mask_draws: int = 5  # random masks for each photograph
init: list[str] = ["tn(0.01)"]  # laws of the new weights; the first is used everywhere, the others are swept
# batch norm of a destroyed unit: fresh (1, 0, mean 0, variance 1); keep-stats as released; drawn. The first everywhere
bn: list[str] = ["fresh"]
data_dir: str = ""  # folder of downloaded data; empty: SALIENCY_DATA, else data/
out: str = ""  # where results go; empty: reports/scratch/08_imagenet_cascades

# %%
from lib import figures
from lib.photograph_calls import EDGE_MAPS, labels_of, networks_of, photograph_calls, photograph_picture_calls
from lib.photograph_tables import accuracy_table, of_network, with_corrected
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
images = {
    "count": n_images,
    "image_range": image_range,
    "draws": draws,
    "mask_draws": mask_draws,
    "init": init,
    "bn": bn,
}
plan = {"methods": methods, "costly": costly, "products": products, "calibrated": calibrated}
calls = photograph_calls(study, given, sweep_methods=sweep_methods, **plan, **images)
look = {"methods": [*methods, *costly], "signed": ["gradient", *products], "init": init[0], "bn": bn[0]}
gallery = photograph_picture_calls(study, given[0], files=shown, **look)
scores, pictures = study.gather(calls), study.pictures(gallery)
of = {network: of_network(scores, network) for network in networks}
own, name = of[networks[0]], labels[networks[0]]

# %%
study.save()
