# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A method of your own
#
# You have an attribution method, or use one of Captum's, and want to know whether its maps notice that the network is
# destroyed. Here are both: a gradient that is blurred, which we write ourselves, and Captum's saliency and integrated
# gradients. The network and the photographs come inside packages.

# %% tags=["parameters"]
n_images: int = 2  # photographs
size: int = 64  # side of what the network sees of them, in pixels
draws: int = 1  # how often the whole network is re-initialised
out: str = ""  # folder for the table and the figure; empty: they are only shown

# %%
from dataclasses import replace
from pathlib import Path

import torch
from captum.attr import IntegratedGradients, Saliency
from torch.nn import functional

from lib import figures, photographs
from lib.attributions import attribute, own
from lib.image_models import architecture
from lib.own_models import load_model
from lib.randomization import explained_classes, randomization_scores

# %%
# Four steps instead of nineteen, one of them for all blocks in the middle.
units = ["stem=_conv_stem+_bn0", "blocks=_blocks", "head=_conv_head+_bn1", "logits=_fc"]
model = load_model("efficientnet_lite0", "package", units)
encoding = replace(architecture("efficientnet_lite0").encoding, resize=size, crop=size)
pictures = [photographs.picture("photos", each) for each in photographs.spread("photos", n_images)]
images = encoding.encode(pictures)
targets = explained_classes(model, images)

# %% [markdown]
# ## A function
#
# A method is a function of model, images (N, C, H, W) and the explained classes (N,) that gives maps of the images' shape,
# with their signs. The model is frozen and in evaluation mode. Ours blurs the gradient, because the raw one is so
# grainy.


# %%
def blurred_gradient(model, images, targets):
    """The gradient of the explained logit, averaged over squares of 7x7 pixels."""
    images = images.detach().requires_grad_()
    chosen = model(images).gather(1, targets.unsqueeze(1)).sum()
    return functional.avg_pool2d(torch.autograd.grad(chosen, images)[0], 7, stride=1, padding=3)


# %% [markdown]
# ## Attributors of Captum
#
# They need no function around them: give the class, with arguments of its `attribute` behind it, or an instance.
# An instance holds the network that it was made with, and would never hear of new weights; so it is copied, with each
# state of the network in the place of its own. `own` gives the written form under which scores and figures know a method.

# %%
methods = [
    "gradient",
    own(blurred_gradient),
    own(Saliency, abs=False),
    own(IntegratedGradients(model), n_steps=4),
    "random",
]
methods

# %% [markdown]
# Nothing is lost on the way: the map that comes back is the one that Captum gives by itself, and Captum's saliency with
# signs is our gradient.

# %%
ours = attribute(model, images, targets, methods)
theirs = Saliency(model).attribute(images.clone().requires_grad_(), target=targets, abs=False)
gap = (ours[methods[2]] - theirs).abs().max() / theirs.abs().max()
print(f"Largest difference to Captum's own map: {gap:.0e} of the largest value")

# %% [markdown]
# ## The test
#
# One call destroys the network from the logits down and compares all maps; one call draws the result. Ask the figure two
# things. Does blurring change what the test says of the gradient? And which line falls first? Random numbers do, and they
# explain nothing: to pass this test is necessary, not sufficient. (With two photographs the intervals are wide; the
# parameters are yours.)

# %%
scores = randomization_scores(model, images, targets, methods, draws=draws)
figure = figures.plot(scores, ["spearman_abs", "spearman"])
figure

# %%
kept = scores[(scores.metric == "spearman") & (scores.against == "original") & (scores.step > 0)]
table = kept.pivot_table(index="method", columns="level", values="value", sort=False).round(2)
table

# %% [markdown]
# ## In a report
#
# Put the function into a file, `mymethods.py`, and name it by its dotted path, there and in every params file:
#
# `PYTHONPATH=/folder/of/it python -m lib.report run params/quick/10_your_model/efficientnet_lite0-photos.yml --set
# 'methods=[gradient, "mymethods:blurred_gradient", "captum.attr:Saliency(abs=False)"]'`

# %%
if out:
    Path(out).mkdir(parents=True, exist_ok=True)
    scores.to_csv(Path(out, "own_method.csv"), index=False)
    figure.savefig(Path(out, "own_method.png"), bbox_inches="tight")
