"""What a tuned model learned: words near its context, weights, norms, changed predictions, maps, class texts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from bench.analysis import score_texts
from bench.experiment import ModelInfo
from bench.extensions.model_tools.linear_head import linear_head
from bench.tuned_models import TunedModel, data_address, small_picture
from datasets_registry import BenchError
from methods import Blend, Context, Method, TextContext, TwoTowerMethod, cosine_logits, image_hidden_states, outer_norms


@dataclass(frozen=True)
class ContextToken:
    """A learned context token and the vocabulary entries nearest to it.

    Args:
        nearest: entries with their Euclidean distances, nearest first.
    """

    name: str
    nearest: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class LearnedContext:
    """Learned context tokens compared with the vocabulary.

    Args:
        real_nearest: median distance from a vocabulary entry to the nearest other entry.
        farther: number of learned tokens whose nearest entry is farther than `real_nearest`.
    """

    tokens: tuple[ContextToken, ...]
    real_nearest: float
    farther: int


@dataclass(frozen=True)
class EnsembleSummary:
    """The adaptive ensemble, by class.

    Args:
        rows: class, weight of the adapted text, mean distance and nearest distance to the training classes.
        image_weight: share of the adapted image feature, one for all classes.
    """

    rows: tuple[tuple[str, float, float, float], ...]
    image_weight: float


@dataclass(frozen=True)
class TensorNorm:
    """A learned tensor: its size, and the root mean square of its values."""

    name: str
    shape: tuple[int, ...]
    norm: float
    rms: float


@dataclass(frozen=True)
class ChangedImage:
    """An image to which the model and zero-shot give different classes; `label` is None if it is unknown."""

    name: str
    zero_shot: str
    tuned: str
    label: str | None
    picture: str | None = None


@dataclass(frozen=True)
class ZeroShotChanges:
    """The model against zero-shot on some images.

    Args:
        source: description of the images.
        images: number of images.
        changed: number of images with a different prediction.
        counts: `both right`, `only tuned right`, `only zero-shot right`, `both wrong`; None without labels.
        shown: some of the changed images.
    """

    source: str
    images: int
    changed: int
    counts: dict[str, int] | None
    shown: tuple[ChangedImage, ...]


@dataclass(frozen=True)
class SimilarityMap:
    """An image, and the similarity of each of its patches to the text of one class, `(rows, columns)`."""

    name: str
    label: str
    values: tuple[tuple[float, ...], ...]
    picture: str
    overlay: str


@dataclass(frozen=True)
class ClassTextProjection:
    """Class texts before and after, on the two main axes of both.

    Args:
        points: class, `x` and `y` before, `x` and `y` after.
        share: share of the variance that the two axes show.
    """

    points: tuple[tuple[str, float, float, float, float], ...]
    share: float
    what: str


@dataclass(frozen=True)
class Explanation:
    """Everything on the page. A section that does not apply is None, and `left_out` gives the reason in a sentence.

    Args:
        unreadable: name of each given image that cannot be read, and the reason.
        notes: one line per kind of what was left out of the given images or not read.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    context: LearnedContext | None = None
    ensemble: EnsembleSummary | None = None
    norms: tuple[TensorNorm, ...] = ()
    changes: ZeroShotChanges | None = None
    maps: tuple[SimilarityMap, ...] = ()
    projection: ClassTextProjection | None = None
    left_out: tuple[str, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@torch.no_grad()
def class_text_projection(info: ModelInfo, method: Method[Any]) -> ClassTextProjection | None:
    """Class vectors before and after tuning; None for a method without one vector per class.

    The vectors after tuning are the method's text features, or the rows of its linear head.
    """
    classes = info.classes.class_set
    before = method.backbone.class_texts(classes, classes.template)
    if isinstance(method, TwoTowerMethod) and method.one_pair:
        after, what = method.text_features(classes), "text features"
    elif head := linear_head(info, method):
        after, what = head.weight.to(before), "rows of the classifier"
    else:
        return None
    pair = [F.normalize(one.float(), dim=-1).cpu().numpy() for one in (before, after)]
    plane, share = main_axes(np.concatenate(pair))
    n = len(classes)
    rows = plane.tolist()
    points = tuple((name, x, y, u, v) for name, (x, y), (u, v) in zip(classes.names, rows[:n], rows[n:], strict=True))
    return ClassTextProjection(points, share, what)


def main_axes(rows: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Coordinates `(n, 2)` on the two axes of largest variance, and their share of the variance."""
    centred = rows.astype(np.float64) - rows.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    first = np.zeros((2, rows.shape[1]))
    first[: min(2, len(axes))] = axes[:2]
    total = float((sizes**2).sum())
    return centred @ first.T, float((sizes[:2] ** 2).sum() / total) if total else 1.0


SAMPLE = 512
"""Number of vocabulary entries whose distance to their nearest neighbour is measured."""


@torch.no_grad()
def context_words(method: Method[Any], k: int = 3) -> LearnedContext | None:
    """The k nearest vocabulary entries of each learned input token; None for a method without such tokens.

    Deeper prompts are hidden states, not word embeddings, so they are left out.
    """
    tokens = list(_input_tokens(method))
    if not tokens:
        return None
    embedding = method.backbone.text_tower.token_embedding
    table = embedding(torch.arange(embedding.num_embeddings, device=embedding.weight.device)).float()
    names, vectors = [name for name, _ in tokens], torch.stack([vector for _, vector in tokens]).to(table)
    distances, indices = torch.cdist(vectors, table).topk(k, largest=False)
    words = method.backbone.tokenizer.vocabulary()
    found = tuple(
        ContextToken(name, tuple((words[i], float(d)) for i, d in zip(row, far, strict=True)))
        for name, row, far in zip(names, indices.tolist(), distances.tolist(), strict=True)
    )
    usual = usual_distance(table)
    return LearnedContext(found, usual, sum(token.nearest[0][1] > usual for token in found))


def usual_distance(table: Float[Tensor, "n width"]) -> float:
    """Median distance from an entry to its nearest neighbour, over a fixed sample of entries."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(table), generator=generator)[:SAMPLE].to(table.device)
    return float(torch.cdist(table[chosen], table).topk(2, largest=False).values[:, 1].median())


def _input_tokens(method: Method[Any]) -> Iterator[tuple[str, Tensor]]:
    """Name and vector of each learned token that enters the text tower among word embeddings."""
    trained = getattr(method, "trainable", None)
    if not isinstance(trained, nn.Module):
        return
    for module in trained.modules():
        if not isinstance(module, Context | TextContext):
            continue
        context = module.ctx.detach().float()
        if context.dim() == 2:
            yield from ((f"token {i + 1}", vector) for i, vector in enumerate(context))
        else:
            names = method.support_classes.names
            for name, own in zip(names, context, strict=True):
                yield from ((f"{name}, token {i + 1}", vector) for i, vector in enumerate(own))


def tensor_norms(method: Method[Any]) -> tuple[TensorNorm, ...]:
    """Euclidean norm and root mean square of each learned tensor."""
    found = []
    for name, value in method.tuned_state().items():
        if value.is_floating_point() and value.numel():
            norm = float(value.detach().double().norm())
            found.append(TensorNorm(name, tuple(value.shape), norm, norm / value.numel() ** 0.5))
    return tuple(found)


@torch.no_grad()
def ensemble_weights(info: ModelInfo, method: Method[Any]) -> EnsembleSummary | None:
    """Weight and distances of each class; None for a method without an adaptive ensemble."""
    classify = method.classifier(info.classes.class_set)
    if not isinstance(classify, Blend):
        return None
    columns = (classify.text_weight, classify.mean_distance, classify.nearest_distance)
    rows = zip(info.classes.names, *(column.tolist() for column in columns), strict=True)
    return EnsembleSummary(tuple(rows), classify.image_weight)


COLD, HOT = np.array([40, 80, 200]), np.array([230, 60, 30])
"""Colours of the least and the most similar patch."""


def overlaid(image: Image.Image, grid: NDArray[Any], side: int = 160) -> str:
    """The image under a map from blue (lowest value) to red (highest)."""
    low, high = float(grid.min()), float(grid.max())
    share = (grid - low) / (high - low) if high > low else np.zeros_like(grid)
    colours = (COLD + share[..., None] * (HOT - COLD)).astype(np.uint8)
    heat = Image.fromarray(colours).resize((side, side), Image.Resampling.NEAREST)
    return data_address(Image.blend(image.convert("RGB").resize((side, side)), heat, 0.5))


@torch.no_grad()
def patch_similarity(
    info: ModelInfo, method: Method[Any], pixels: Float[Tensor, "n 3 h w"]
) -> Float[Tensor, "n n_cls rows columns"]:
    """Cosine of each patch token after the last block with each class text, less its mean over the classes.

    The tower and the texts are the pretrained ones. Raises BenchError for a tower without plain patch tokens.
    """
    classes, backbone = info.classes.class_set, method.backbone
    tower = backbone.image_tower
    _, last_norm = outer_norms(tower)
    tokens = image_hidden_states(tower, pixels, tower.depth)[:, 1:]
    patches = F.normalize(tower.project_to_joint_space(last_norm(tokens)), dim=-1)
    text = F.normalize(backbone.class_texts(classes, classes.template), dim=-1)
    cosine = patches @ text.T
    side = round(cosine.shape[1] ** 0.5)
    relative = cosine - cosine.mean(dim=2, keepdim=True)
    return relative.transpose(1, 2).reshape(len(pixels), len(classes), side, -1)


COUNTS = ("both right", "only tuned right", "only zero-shot right", "both wrong")


def zero_shot_changes(
    source: str,
    classes: Sequence[str],
    names: Sequence[str],
    tuned: NDArray[np.int64],
    zero_shot: NDArray[np.int64],
    labels: Sequence[int | None],
    *,
    shown: int = 24,
) -> ZeroShotChanges:
    """Counts over all images, and the first `shown` changed images. Counts of right and wrong need every label."""
    changed = np.flatnonzero(tuned != zero_shot)
    counts = None
    if names and None not in labels:
        truth = np.array(labels)
        a, b = tuned == truth, zero_shot == truth
        counts = dict(zip(COUNTS, (int(v.sum()) for v in (a & b, a & ~b, ~a & b, ~a & ~b)), strict=True))

    def view(i: int) -> ChangedImage:
        label = labels[i]
        return ChangedImage(
            names[i], classes[zero_shot[i]], classes[tuned[i]], None if label is None else classes[label]
        )

    return ZeroShotChanges(source, len(names), len(changed), counts, tuple(view(int(i)) for i in changed[:shown]))


BATCH = 32
MAPS = 8
"""Number of images with a similarity map; the first images are taken."""


@dataclass(frozen=True)
class LabelledImage:
    """An image with its name, and its class index in the model if it is known."""

    name: str
    image: Image.Image
    label: int | None = None


def explain_model(model: TunedModel, images: Sequence[LabelledImage] = (), source: str = "given") -> Explanation:
    """All sections that apply to a model.

    Args:
        images: images for the changes against zero-shot and the similarity maps.
        source: description of the images, for the page.
    """
    info, method = model.info, model.method
    left_out = []
    reads_text = method.backbone.spec.text_tower_error is None
    context = context_words(method) if reads_text else None
    if context is None:
        left_out.append(
            f"{info.spec.method} learns no text token among the word embeddings, so it has no nearest words."
        )
    ensemble = ensemble_weights(info, method)
    if ensemble is None:
        left_out.append(f"{info.spec.method} has no adaptive ensemble for these classes.")
    norms = tensor_norms(method)
    if not norms:
        left_out.append(f"{info.spec.method} keeps no learned tensor.")
    projection = class_text_projection(info, method) if reads_text else None
    if projection is None:
        left_out.append(f"{info.spec.method} does not have one vector per class, so there is no projection.")
    changes, maps = None, tuple[SimilarityMap, ...]()
    if not images:
        left_out.append("No images were given and the dataset is not on this machine: no changes and no maps.")
    elif not reads_text:
        left_out.append("This backbone encodes no class texts: no comparison with zero-shot and no maps.")
    else:
        changes, tuned = _changes(model, images, source)
        try:
            maps = _maps(model, images[:MAPS], tuned)
        except BenchError as error:
            left_out.append(f"No similarity maps: {error}")
    return Explanation(
        title=f"{info.spec.method} on {info.spec.dataset}",
        facts=_facts(model),
        context=context,
        ensemble=ensemble,
        norms=norms,
        changes=changes,
        maps=maps,
        projection=projection,
        left_out=tuple(left_out),
    )


def _facts(model: TunedModel) -> tuple[tuple[str, str], ...]:
    info = model.info
    scores = ", ".join(f"{score.split} {score_texts.accuracy_text(score.accuracy, score.n)}" for score in info.scores)
    return (
        ("backbone", info.spec.backbone),
        ("task", f"{info.spec.protocol}, {info.spec.shots} shots, seed {info.spec.seed}"),
        ("classes", str(len(info.classes.names))),
        ("template", info.classes.template),
        ("accuracy on test images", scores),
        ("run", info.run_id),
    )


@torch.no_grad()
def _changes(
    model: TunedModel, images: Sequence[LabelledImage], source: str
) -> tuple[ZeroShotChanges, "np.ndarray[Any, Any]"]:
    """The changes against zero-shot, and the classes that the model predicts."""
    classes, backbone = model.info.classes.class_set, model.backbone
    text = backbone.class_texts(classes, classes.template)
    tuned, plain = [], []
    for start in range(0, len(images), BATCH):
        rendered = [model.rendered(one.image) for one in images[start : start + BATCH]]
        tuned.append(model.predict_rendered(rendered).probabilities.argmax(axis=1))
        features = backbone.encode_image(model.pixels(rendered))
        plain.append(cosine_logits(features, text, backbone.logit_scale).argmax(dim=1).cpu().numpy())
    ours = np.concatenate(tuned)
    names, labels = [one.name for one in images], [one.label for one in images]
    view = zero_shot_changes(source, classes.names, names, ours, np.concatenate(plain), labels)
    by_name = {one.name: one.image for one in images}
    shown = tuple(replace(one, picture=small_picture(by_name[one.name])) for one in view.shown)
    return replace(view, shown=shown), ours


def _maps(
    model: TunedModel, images: Sequence[LabelledImage], tuned: "np.ndarray[Any, Any]"
) -> tuple[SimilarityMap, ...]:
    rendered = [model.rendered(one.image) for one in images]
    values = patch_similarity(model.info, model.method, model.pixels(rendered)).cpu().numpy()
    found = []
    for one, pixels, label, by_class in zip(images, rendered, tuned, values, strict=False):
        grid = by_class[label]
        shown = Image.fromarray(pixels)
        rows = tuple(tuple(round(float(v), 4) for v in row) for row in grid)
        found.append(
            SimilarityMap(one.name, model.classes[label], rows, small_picture(shown, 160), overlaid(shown, grid))
        )
    return tuple(found)
