# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A network of your own
#
# You have a torchvision network that you trained yourself, and a file with its weights. Which of your methods' maps depend
# on what it has learned? We first make such a file, in two seconds: a small DenseNet that reads digits.

# %% tags=["parameters"]
n_images: int = 10  # digits that are explained
draws: int = 3  # how often the whole network is re-initialised
out: str = ""  # folder for the weights, the table and the figure; empty: one that is not kept

# %%
import tempfile
from pathlib import Path

import torch

from lib import data, figures
from lib.own_models import check_model, load_model
from lib.randomization import explained_classes, randomization_scores

folder = Path(out or tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)
digits = data.load("mnist-5k")
written = "torchvision.models:DenseNet(growth_rate=8, block_config=[2, 2], num_init_features=16, num_classes=10)"

# %% [markdown]
# ## Training, as you would have done it
#
# This cell knows nothing of this library, apart from the digits. It leaves one file behind: the state dict.


# %%
def trained(network, images, labels, steps=60):
    """A network after a few steps of Adam, each on a hundred images."""
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for step in range(steps):
        batch = torch.arange(100 * step, 100 * step + 100) % len(images)
        loss = torch.nn.functional.cross_entropy(network(images[batch].expand(-1, 3, -1, -1)), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


# %%
from torchvision.models import DenseNet

torch.manual_seed(0)
network = DenseNet(growth_rate=8, block_config=[2, 2], num_init_features=16, num_classes=10)
order = torch.randperm(len(digits.train_images))
network = trained(network, digits.train_images[order], digits.train_labels[order])
torch.save(network.state_dict(), folder / "densenet.pth")

# %% [markdown]
# ## Loading it
#
# In a params file a network is a dotted path: something that can be called and gives a module, with arguments behind it
# where it takes some. The file must hold tensors only, and is refused if one is missing or has another shape. (In Python
# you may as well hand over `network` itself.)

# %%
model = load_model(written, str(folder / "densenet.pth"))
images = digits.test_images[:200].expand(-1, 3, -1, -1)
right = (explained_classes(model, images) == digits.test_labels[:200]).double().mean()
print(f"{model.label}: right on {right:.0%} of 200 digits that it has not seen")

# %% [markdown]
# ## What is destroyed
#
# Nobody has said what the units of this network are. They are proposed by running it once: every layer with weights, in
# the order in which it runs. Twenty-two steps are many, so we put layers together. A list of our own is checked against
# that same run: it must cover every weight, in the right order.

# %%
proposed = check_model(model, written, images[:2])
print(len(proposed), "units:", ", ".join(proposed))
units = [
    "stem=features.conv0+features.norm0",
    "block1=features.denseblock1",
    "transition=features.transition1",
    "block2=features.denseblock2+features.norm5",
    "logits=classifier",
]
model = load_model(written, str(folder / "densenet.pth"), units)

# %% [markdown]
# ## The test
#
# GradCAM needs to know its layer; everything else works as it is. The maps of DeconvNet and of Guided Backprop are worth
# a look: which of these curves stay above the one of the gradient, and does that make them better explanations?

# %%
few = images[:n_images]
methods = ["gradient", "gradient_x_input", "guided_backprop", "deconvnet", "gradcam(layer=features.norm5)", "edge"]
scores = randomization_scores(model, few, explained_classes(model, few), methods, draws=draws)
figure = figures.plot(scores, ["spearman_abs", "spearman"])
figure

# %% [markdown]
# ## In a report
#
# The same for pictures in a folder: `python -m lib.report run params/quick/10_your_model/efficientnet_lite0-photos.yml
# --set 'model=torchvision.models:DenseNet(…)' --set weights=/path/densenet.pth --set images=/folder --set size=28
# --set 'mean=[0.0, 0.0, 0.0]' --set 'std=[1.0, 1.0, 1.0]' --set 'units=[stem=features.conv0+features.norm0, …]'`, or
# better with a params file of your own beside that one. There is no default for `mean` and `std`: a wrong one gives a
# worse network without a word.

# %%
if out:
    scores.to_csv(folder / "own_model.csv", index=False)
    figure.savefig(folder / "own_model.png", bbox_inches="tight")
