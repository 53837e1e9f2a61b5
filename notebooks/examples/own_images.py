# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Pictures of your own
#
# You have a folder of pictures, and know the class of each. How much of a map lies where the object is, and would the map
# of a network that has learned nothing point there too? A folder needs one more file: a list, `labels.csv`. We
# make a folder of photographs that come inside a package; put the path of yours into `folder`, and leave that cell out.

# %% tags=["parameters"]
folder: str = ""  # pictures with a labels.csv; empty: one with three photographs is made
size: int = 224  # side of what the network sees of a picture, in pixels
draws: int = 2  # random networks
out: str = ""  # folder for the table and the figure; empty: they are only shown

# %%
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import skimage.data
import torch
from PIL import Image

from lib import figures, photographs
from lib.image_models import architecture
from lib.localisation import localisation
from lib.randomization import explained_classes
from lib.weights import load

# %% [markdown]
# ## The folder
#
# The list has two columns: the name of the file, and the number of its class among the outputs of the network, from 0.
# For a network of ImageNet these are the places among its thousand classes: 967 is an espresso, 281 a tabby cat, 657 a
# missile, which comes nearest to a rocket.

# %%
if not folder:
    folder = tempfile.mkdtemp()
    for name in ("coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(skimage.data, name)()).save(Path(folder, f"{name}.png"))
    listed = pd.DataFrame({"file": ["coffee.png", "chelsea.png", "rocket.png"], "class_index": [967, 281, 657]})
    listed.to_csv(Path(folder, "labels.csv"), index=False)
entries = photographs.entries(folder)
pd.DataFrame(entries)

# %% [markdown]
# ## The network sees them
#
# Its encoding says how: the shorter side is made `size` pixels long, a square is cut out of the middle, and the colours
# are counted from those of the training images. Before any map: is it right?

# %%
model = load("efficientnet_lite0", "package")
encoding = replace(architecture("efficientnet_lite0").encoding, resize=size, crop=size)
images = encoding.encode([photographs.picture(folder, each) for each in entries])
targets = explained_classes(model, images)
right = (targets == torch.tensor([each.label for each in entries])).tolist()
pd.DataFrame({"file": [each.file for each in entries], "predicted": targets.tolist(), "right": right})

# %% [markdown]
# ## Where do the maps point?
#
# A photographer puts the object into the middle. So take the middle as the region that matters, half as high and half as
# wide as the picture, and ask how often a pixel inside has a larger value than one outside: 0.5 is a map that knows
# nothing. Then ask the same of networks whose weights are random. What those reach, training has not taught.

# %%
middle = torch.zeros(len(images), size, size, dtype=torch.bool)
middle[:, size // 4 : -(size // 4), size // 4 : -(size // 4)] = True
methods = ["gradient", "gradient_x_input", "guided_backprop", "gradcam", "edge"]
scores = localisation(model, images, targets, methods, {"middle": middle}, draws=draws)
figure = figures.plot(scores)
figure

# %% [markdown]
# Edges look at no network: whatever they reach is the photographer's doing. Three pictures say little; the intervals
# count pictures and random networks as samples, and are as wide as they must be.
#
# ## In a report
#
# `python -m lib.report run params/quick/10_your_model/efficientnet_lite0-photos.yml --set images=/path/of/your/folder
# --set n_images=3` destroys the network while it looks at your pictures, and says how often it is right on them.

# %%
if out:
    Path(out).mkdir(parents=True, exist_ok=True)
    scores.to_csv(Path(out, "own_images.csv"), index=False)
    figure.savefig(Path(out, "own_images.png"), bbox_inches="tight")
