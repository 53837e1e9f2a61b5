# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Is it the gradient that you see, or the picture?
#
# Gradient ⊙ input multiplies the gradient of a logit by the image. The product looks convincing: it has the shape of
# the digit, the seams of the shirt. But a product has two factors. So replace one of them by rubbish: multiply the
# image by *random numbers*, twice, and ask how similar the two products are (Adebayo et al. 2018, section 5.2). Whatever
# they share cannot come from a gradient, for there is none.

# %% [markdown]
# ## Claims under test
#
# Both versions of the paper (**A1**, Fig. 10; **A3**, Fig. 19) show curves of similarity between $x \odot u$ and
# $x \odot v$ "as noise increases", for random vectors $u, v$, and conclude that the product mostly returns the input.
# They print no numbers. A1 draws the vectors from a truncated normal and a uniform law, for ImageNet; A3 adds
# Fashion-MNIST, and calls them normal as well. We ask five things: does the input dominate the product, in size
# and in sign? Does it still as noise grows? Does the law matter? And on Fashion-MNIST?
#
# As in the other studies, similarity is Spearman's rank correlation, without signs and with them:
#
# $$\rho_a = \operatorname{Spearman}(|x \odot u|, |x \odot v|), \qquad
#   \rho = \operatorname{Spearman}(x \odot u, x \odot v).$$
#
# That the answer is "the picture" will surprise nobody. What surprises is how little of it is about *pictures*: most of
# the famous $\rho_a \approx 0.99$ can be computed with a pencil, from the number of black pixels alone.

# %% tags=["parameters"]
models: list[str] = ["cnn-mnist-5k"]  # nets whose gradients drown in noise, and that the competition is run on
image_sets: list[str] = ["mnist-5k", "photos"]  # images that are multiplied by noise alone: data sets, photos
laws: list[str] = [
    "normal",
    "truncated_normal",
    "uniform",
]  # of the noise, all of variance 1; the first is used in all figures
sigmas: list[float] = [0.0, 0.1, 0.3, 1.0, 3.0, 10.0]  # strengths of the noise, from 0 upwards
n_images: int = 20  # test images of each data set and net, spread evenly over the classes
draws: int = 5  # pairs (u, v) for each image, where u and v are noise alone
growing_draws: int = 2  # pairs for each image, where the noise grows
n_photos: int = 10  # photographs, at most 10
size: int = 64  # height and width of the photographs; at least 48, or HOG has no cells to compare
tie_images: int = 500  # test images of each data set whose zeros are counted
# the product, the proposed cure, and two controls that keep pixels at random: 1 in 10 and 1 in 5
methods: list[str] = [
    "gradient_x_input",
    "competitive_gradient_x_input",
    "competitive_gradient_x_input(keep=random)",
    "competitive_gradient_x_input(keep=random,classes=5)",
]
reinitialisations: int = 3  # how often each net is destroyed, for the competition
device: str = ""  # cpu or cuda; empty: the first GPU if there is one, else the CPU
data_dir: str = ""  # folder of downloaded data sets; empty: SALIENCY_DATA, else data/
out: str = ""  # where results go; empty: reports/scratch/04_random_gradient_input

# %%
from lib import figures
from lib.competition import competition_scores
from lib.random_gradient import (
    dense_scores,
    noisy_gradient_pictures,
    noisy_gradient_scores,
    product_pictures,
    random_gradient_scores,
)
from lib.scores import of_net
from lib.study import Study
from lib.tie_floors import tie_scores

study = Study("04_random_gradient_input", globals())

# %% [markdown]
# ## The computations
#
# Four of them, each cheap. *Noise alone*: every image times pairs of random numbers, no net anywhere; also on pictures
# that are themselves noise, uniform in $[0, 1]$, without a single black pixel. *Growing noise*: from the image, and from
# a trained net's true gradient, towards noise alone. *Ties*: one pair for each of many images, to look at them one by
# one. And the *competition*, a cure that has been proposed. Photographs are stretched to $[-1, 1]$, as ImageNet networks
# take them. A draw is a pair $(u, v)$; each image has pairs of its own, the same for all laws and strengths.

# %%
main, alone = laws[:1], [0.0, 1.0]
four = ["spearman_abs", "spearman", "ssim", "hog"]
calls = [study.call(dense_scores, count=n_images, side=28, laws=laws, draws=draws)]
for name in image_sets:
    photos = name == "photos"
    given = {"images": name, "n_images": n_photos if photos else n_images, "size": size if photos else 0}
    given |= {"stretch": True, "metrics": four} if photos else {}
    # Strengths of noise alone make no difference, so the other laws are run at one.
    for some, steps in ((main, sigmas), (laws[1:], alone)) if laws[1:] else ((main, sigmas),):
        noise = {"modes": ["scale"], "laws": some, "sigmas": steps, "draws": draws}
        calls.append(study.call(random_gradient_scores, **noise, **given))
    growing = {"modes": ["mean-one"], "laws": main, "sigmas": sigmas, "draws": growing_draws}
    calls.append(study.call(random_gradient_scores, **growing, **given))

# %%
calls += [study.call(tie_scores, images=name, n_images=tie_images) for name in image_sets if name != "photos"]
for net in study.nets:
    drowning = {"laws": laws, "sigmas": sigmas, "draws": growing_draws}
    calls.append(study.call(noisy_gradient_scores, net=net, methods=["gradient"], **drowning))
    calls.append(study.call(competition_scores, net=net, methods=methods, draws=reinitialisations))
scores = study.gather(calls)

# %%
datasets = [name for name in image_sets if name != "photos"]
sets = {name: of_net(scores, "none", name, 0) for name in image_sets}
nets = {net.name: net.of(scores) for net in study.nets}
strengths = [f"{sigma:g}" for sigma in sigmas]
everywhere = figures.PAIRS["x ⊙ u and x ⊙ v, all pixels"]
on_ink = figures.PAIRS["x ⊙ u and x ⊙ v, foreground only"]
factors = figures.PAIRS["u and v"]

# %% [markdown]
# ## What one sees
#
# First with the eye. From left to right, a trained net's gradient (scaled to standard deviation 1) drowns in more and
# more noise. On the right, $u$ and $v$ are different noise and nothing else. The products below go on showing the same
# picture.

# %%
shown = {
    net.name: study.call(noisy_gradient_pictures, net=net, methods=["gradient"], n_images=10, sigmas=sigmas)
    for net in study.nets
}
if "photos" in image_sets:
    photographs = {"images": "photos", "n_images": 1, "size": size, "stretch": True}
    shown["photos"] = study.call(product_pictures, mode="mean-one", sigmas=sigmas, **photographs)
pictures = study.pictures(shown)

# %%
for name, table in nets.items():
    study.figure(
        figures.product_grid(pictures[name], 3, strengths),
        f"pictures-{name}",
        f"At σ = {strengths[-1]}, u and v have nothing in common (similarity "
        f"{figures.noise_words(table, 'gradient+noise', laws[0], factors)}), their products with the image look alike "
        f"({figures.noise_words(table, 'gradient+noise', laws[0], everywhere)}). u is the gradient of {name} plus noise "
        "of strength σ (red positive, blue negative); products without signs.",
        "An image, and three rows of pictures for growing noise: the noisy gradient, and two products with the image.",
    )

# %% [markdown]
# The same with a photograph, which has no empty background. There is no net here: $u = 1 + \sigma n$, so that at $\sigma = 0$
# the product is the image itself.

# %%
if "photos" in image_sets:
    study.figure(
        figures.product_grid(pictures["photos"], 0, strengths),
        "pictures-photos",
        "Without a background the eye loses the picture sooner, the ranking keeps part of it: at "
        f"σ = {strengths[-1]} the similarity of x ⊙ u and x ⊙ v is "
        f"{figures.noise_words(sets['photos'], 'mean-one', laws[0], everywhere)} in the mean; that of u and v is "
        f"{figures.noise_words(sets['photos'], 'mean-one', laws[0], factors)}. u is 1 plus noise of strength σ; "
        "channels are summed, mid-grey is 0.",
        "A photograph, and three rows of pictures for growing noise: the factor, and two products with the photograph.",
    )

# %% [markdown]
# ## An axis that measures nothing
#
# Both papers draw their curves against growing noise and do not say what grows. Suppose that it is the standard
# deviation of $u$ and $v$, $u = \sigma n$. Then
#
# $$x \odot u = \sigma \,(x \odot n),$$
#
# the same map times a number. Ranks do not know about it; SSIM and HOG divide each map by its largest value first, and
# the number is gone. So the curves must be flat, whatever $x$ is, and a flat curve shows nothing about robustness. We
# draw it once, as a test of our own metrics. In double precision the flatness must hold to the last digits.

# %%
void = sets["photos"] if "photos" in sets else sets[image_sets[0]]
spread = scores[scores.metric == "spread"].value.max()
study.figure(
    figures.noise_curves({"u = σ n": void}, "scale", laws[0], figures.METRIC_LINES),
    "void",
    f"Noise times a number is the same noise to every metric: from the weakest to the strongest noise no similarity of "
    f"any pair on any image set changes by more than {spread:.0e}. Means with 95 % intervals, "
    f"{'photographs' if 'photos' in sets else image_sets[0]}.",
    "Flat curves of four metrics against the strength of the noise.",
)

# %% [markdown]
# ## Noise alone
#
# So $u$ and $v$ are noise, and its strength is of no account. What does the product keep of the image? Without signs, a
# lot: a bright pixel tends to have a large product, whatever it is multiplied by, and a black one always has the product
# 0. With signs, nothing: $u$ has no sign to favour, and neither has the product. The table also ranks the *ink* alone,
# and compares with two things that a similarity should be compared with: with $u$ and $v$ themselves, and with the
# product of *another* image.
#
# For pictures that are noise themselves the number can be had in closed form. Let $F$ be the distribution function of
# $|x_i u_i|$ over pixels and draws. For a pixel of value $x$ the expected rank, as a share of all, is
# $G(x) = \mathbb E\,F(x|u|)$. Given the picture, the two ranks of a pixel are independent, so only $G$ correlates, and
#
# $$\rho_a = \frac{\operatorname{Var} G(x)}{1/12} = 12 \int_0^1 G(x)^2\,dx - 3:$$
#
# the share of the variance of ranks that the picture explains. With $x$ and $|u|$ uniform in $[0, 1]$,
# $F(t) = t - t\ln t$ and $G(x) = \frac34 x - \frac12 x \ln x$, which gives $\rho_a = 17/36 \approx 0.472$. Pictures
# uniform in $[-1, 1]$ have the same $|x|$ and hence the same $\rho_a$.

# %%
named = {"uniform in [0, 1]": of_net(scores, "none", "none", 0)} | sets
study.table(
    figures.law_table(named, laws),
    "Noise alone: mean similarity of the products, of their factors, and of the products of two images. On dense pictures "
    "with uniform noise, the closed form says 17/36 = 0.472. Without signs but for the last column; where no pixel is "
    "empty there is no foreground.",
    3,
    "laws",
)

# %% [markdown]
# SSIM and HOG are shown for photographs only; maps of 28 pixels are too small for HOG. Neither need be 0 for maps that
# have nothing in common, so each stands beside its null, the product of another photograph with other noise. Look for the
# distance from it. SSIM compares signed maps, as printed, and signs have nothing in common; HOG asks in which direction
# a map changes, whatever the sign, and finds the edges of the photograph.

# %%
if "photos" in sets:
    study.table(
        figures.null_table(sets["photos"], laws[0]),
        "Photographs times noise: mean similarity, beside that of two photographs and that of the factors.",
        3,
        "photos",
    )

# %% [markdown]
# ## Why 0.99?
#
# Take an image of $D$ pixels of which $m$ are black and $k = D - m$ are not. Rank $|x \odot u|$. The black pixels are
# all 0 and share the average rank $\frac{m+1}2$, which lies $\frac k2$ below the mean rank $\frac{D+1}2$. The others have
# ranks $m + 1, \dots, D$, on average $\frac m2$ above the mean. For $|x \odot v|$ it is the same *with the same pixels*.
# So the covariance of the two rankings has a part that is there whatever $u$ and $v$ are,
#
# $$m \cdot \frac k2 \cdot \frac k2 + k \cdot \frac m2 \cdot \frac m2 = \frac{mkD}4,$$
#
# and a part from the order among the $k$ others, $r\,\frac{k(k^2 - 1)}{12}$ if they correlate by $r$. The variance is the
# same with $r = 1$. Divide, write $p_0 = m / D$, and forget $1/D^2$ beside 1:
#
# $$\rho_a = \frac{3 p_0 + (1 - p_0)^2\, r}{3 p_0 + (1 - p_0)^2}.$$
#
# This is no model of images. It is arithmetic, and holds for any two maps that are 0 on the same pixels; at $r = 0$ it
# is the *tie floor*. And $r$ itself? It takes no experiment either. The ratio of two independent $|u_i| / |u_j|$ of a
# normal law is half-Cauchy, so pixel $i$ outranks pixel $j$ with probability $\frac2\pi \arctan(|x_i| / |x_j|)$. That gives
# each pixel's expected rank $\bar R_i$, from the image alone, and as above only expected ranks correlate:
#
# $$\mathbb E\,r = \frac{12}{k(k^2-1)} \sum_i \Bigl(\bar R_i - \tfrac{k+1}2\Bigr)^2, \qquad
#   \bar R_i = 1 + \sum_{j \ne i} \tfrac2\pi \arctan \frac{|x_i|}{|x_j|}.$$
#
# So here is every image of a data set, its zeros counted, its $\mathbb E\,r$ computed, and then multiplied by one pair of
# noise. Crosses are *real* Gradient ⊙ input of a trained net, compared with the same net after all of its weights were
# drawn anew: the $\rho_a \approx 0.99$ that made Gradient ⊙ input look insensitive in the first place.

# %%
ties = {name: figures.zeros_and_similarity(sets[name]) for name in datasets}
with_ties = {net.name: net for net in study.nets if net.recipe.dataset in ties}
real = {name: figures.destroyed_gradient(nets[name], ties[net.recipe.dataset]) for name, net in with_ties.items()}
words = [
    f"{name}: {len(table)} images, {table.zero_share.mean():.0%} zeros, floor "
    f"{figures.mean_floor(table):.3f}, predicted {table.expected.mean():.3f}, measured {table.spearman_abs.mean():.3f}; "
    f"largest distance from the formula {table.identity_gap.max():.0e} with the measured r, "
    f"{(table.spearman_abs - table.expected).abs().max():.3f} with the predicted one"
    for name, table in ties.items()
]
after = [
    f"{name} {table.spearman_abs_fg.mean():.2f} (predicted {table.expected_fg.mean():.2f})"
    for name, table in real.items()
]

# %%
study.figure(
    figures.tie_curve(ties, real),
    "ties",
    f"The zeros of an image decide. {'; '.join(words)}. Gradient ⊙ input of a trained and of a destroyed net agrees on the "
    f"foreground by {', '.join(after) or 'nothing measured'}.",
    "Left: scatter plot of similarity over the share of zero pixels, all dots just above a curve. Right: measured over "
    "predicted similarity on the foreground, around the diagonal.",
)

# %% [markdown]
# The dots of the right panel scatter about the diagonal, because one pair of noise is one draw; their mean lies on it. The
# crosses lie among them. So let us ask how much of what Gradient ⊙ input keeps, when a net is destroyed unit by unit, the
# image *alone* has predicted. The prediction knows the pixels, and no net at all.

# %%
beside = {name: ties[net.recipe.dataset] for name, net in with_ties.items()}
if beside:
    study.table(
        figures.surplus_table({name: nets[name] for name in beside}, beside),
        "Gradient ⊙ input on the foreground: similarity of the intact and the destroyed net, what the images alone predict "
        "for two unrelated gradients, the difference with its 95 % interval, and the correlation of the two over images.",
        3,
        "surplus",
    )

# %% [markdown]
# What remains as *difference* is all that the two nets' gradients share, of what was learned or of the architecture. It is
# the only part of the published similarity that a network had anything to do with.

# %% [markdown]
# ## Axes that mean something
#
# Now let noise grow so that a metric can notice. In `mean-one`, $u = 1 + \sigma n$: at first the product *is* the image.
# In `gradient+noise`, $u = g + \sigma n$ with the true gradient $g$ of a trained net: at first the product is its Gradient
# ⊙ input. Either way, ask of each curve whether it falls when the information is gone. That of $u$ and $v$ does: beyond
# $\sigma = 1$ there is more noise in them than gradient.

# %%
panels = {f"{name}, g from the net": table for name, table in nets.items()}
found = [
    f"{name}: u and v {figures.noise_words(table, 'gradient+noise', laws[0], factors)}, products "
    f"{figures.noise_words(table, 'gradient+noise', laws[0], everywhere)}, on the foreground "
    f"{figures.noise_words(table, 'gradient+noise', laws[0], on_ink)}"
    for name, table in nets.items()
]
study.figure(
    figures.noise_curves(panels, "gradient+noise", laws[0], figures.PAIRS),
    "gradient-noise",
    f"On all pixels the product does not notice that the gradient has gone. At σ = {strengths[-1]}, {'; '.join(found)}. "
    "Means with 95 % intervals.",
    "Curves of similarity against the strength of noise that is added to a true gradient, one panel per net.",
)

# %% [markdown]
# On the foreground the product does notice, down to the share that the brightness of the pixels keeps for itself. The
# photographs show the same without a background: no zeros, no floor of 0.9, yet half of the ranking survives.

# %%
found = [
    f"{name} {figures.noise_words(table, 'mean-one', laws[0], everywhere)}, to the image itself "
    f"{figures.noise_words(table, 'mean-one', laws[0], figures.PAIRS['x ⊙ u and the image x'])}"
    for name, table in sets.items()
]
study.figure(
    figures.noise_curves(sets, "mean-one", laws[0], figures.PAIRS),
    "mean-one",
    f"A product with an image that drowns still resembles it. x ⊙ u and x ⊙ v at σ = {strengths[-1]}: {'; '.join(found)}. "
    "Means with 95 % intervals; without noise u is constant and has no ranks.",
    "Curves of similarity against the strength of noise that is added to a factor of one, one panel per image set.",
)

# %% [markdown]
# ## A cure, and its control
#
# Gupta & Arora (2019) let classes compete. Each class $c$ of $C$ claims the pixel by $h_c = x \odot \partial S_c / \partial
# x$, and the explained one keeps it only if its claim is positive and the largest of all, or negative and the smallest.
# Else the map is 0 there. They report that the map then passes the randomization tests. So run the cascade of the first
# study on it.
#
# But the competition does two things. It asks all classes, and it *throws most of the ink away*. The second alone undoes
# the ties. Suppose that two maps keep a random share $q$ of the foreground, of share $f = 1 - p_0$ of all pixels, each its
# own. By the same arithmetic as above,
#
# $$\rho_a = \frac{q\,(1 - f)}{1 - fq + (fq)^2/3},$$
#
# little, whatever the map (and at $q = 1$ the tie floor again). Hence the controls: the explained class's Gradient ⊙
# input, kept on pixels that are *drawn by lot*, anew for every state of the net. How many? Not one in $C$, as one
# might think. If all $C$ claims are alike, the explained one is the largest with probability $1/C$ and the smallest
# with the same: the competition keeps $2/C$, one pixel in 5. We run both, and count.

# %%
for name, table in nets.items():
    cascade = table[table.intervention == "competition"].assign(intervention="cascade")
    study.figure(
        figures.cascade_curves(cascade, methods, ["spearman_abs", "spearman_abs_fg"]),
        f"competition-{name}",
        f"The competition passes, and so does the lot. All pixels, first → last step: "
        f"{figures.in_words(cascade, methods, 'spearman_abs')}; on the foreground: "
        f"{figures.in_words(cascade, methods, 'spearman_abs_fg')}. {name}, means with 95 % intervals.",
        "Curves of similarity to the intact net's map while the net is destroyed, for Gradient ⊙ input, competitive "
        "Gradient ⊙ input and two random controls; all pixels and foreground.",
    )

# %%
rows = figures.competition_table(scores[scores.intervention == "competition"], methods)
study.table(
    rows,
    "Of the foreground, the share that a map keeps, before and after the net is destroyed (last step); similarity of the "
    "two maps on all pixels; what keeping so much by lot would give; and the similarity of two draws of the lot for the "
    "intact net (1 where nothing is drawn).",
    3,
    "competition",
)

# %% [markdown]
# The lot explains nothing, asks no class, and passes as well as the competition does once it keeps as many pixels. It
# does not even agree with itself: two draws for the *intact* net are as different as the intact and the destroyed net
# are. So a low similarity here says that the map has holes in other places. It does not say that the map knows the
# network. A test that only asks for change cannot tell the two apart, just as noise passed the first study perfectly.

# %% [markdown]
# ## Verdicts
#
# A claim is *supported* if the whole interval lies on its side of the threshold, *contradicted* if it lies on the other,
# else *inconclusive*. The second reading leaves the empty pixels out.

# %%
where = {"A-63": "gradient-noise" if nets else "void", "A-61": "laws", "A-62": "laws", "A-64": "laws", "A-65": "laws"}
verdicts = study.claims(scores, figure="laws", elsewhere=where)
study.table(verdicts.drop(columns="expected"), "Verdicts on this run; the box above shows every part.", digits=3)

# %% [markdown]
# ## Deviations, easy, difficult
#
# - **"As noise increases."** The papers do not say what increases. Scaling means nothing (see above), so we add two
#   modes that do.
# - **Laws.** A1 names a truncated normal and a uniform law, A3 calls the vectors normal and names the same two. All
#   three here, with equal variance: the truncated normal is cut at two standard deviations and then stretched, so that
#   $\sigma$ means the same for all. A factor of $u$ changes nothing where $u$ is noise alone.
# - **Images.** Photographs that come with scikit-image stand in for ImageNet samples. The mode `gradient+noise` needs a
#   net's gradients and is run on the small nets only; photographs get it together with the ImageNet nets.
# - **Foreground** means pixels that are not black. In photographs stretched to $[-1, 1]$ hardly a value is exactly 0.
# - **Controls of the competition.** One pixel in $C$ is the obvious control and the wrong one; the competition keeps
#   about two.
# - **Draws.** Nothing is shared between images (each has its own noise), so draws add precision, no second layer of
#   sampling; the intervals treat them as crossed all the same and are, if anything, too wide.
# - **Easy**: the experiment, a few lines. **Difficult**: to see that its published form has no free axis.

# %% [markdown]
# ## Try it yourself
#
# - `image_sets = ["fashion"]`, `models = ["cnn-fashion"]`: half of each picture is black. Where does the cloud of dots lie
#   now, and is it still on the curve?
# - `laws = ["uniform"]`: which number in the table must be 17/36, and which moves most?
# - `sigmas = [0, 100]`: how much noise does it take until the similarity on all pixels falls below 0.9?
# - Add `"edge"` and `"input"` to `methods`: what does a map do that is the same for every net?

# %%
study.save()
