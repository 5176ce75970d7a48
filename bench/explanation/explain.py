"""All sections of the explanation of a tuned model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from bench.explanation.class_texts import class_text_projection
from bench.explanation.context_words import context_words
from bench.explanation.learned_tensors import ensemble_weights, tensor_norms
from bench.explanation.pictures import overlaid, small_picture
from bench.explanation.similarity_maps import patch_similarity
from bench.explanation.zero_shot_changes import zero_shot_changes
from bench.prediction import TunedModel
from datasets_registry import BenchError
from methods import cosine_logits
from reports.views import ChangesView, ExplanationView, SimilarityMapView

BATCH = 32
MAPS = 8
"""Number of images with a similarity map; the first images are taken."""


@dataclass(frozen=True)
class LabelledImage:
    """An image with its name, and its class index in the model if it is known."""

    name: str
    image: Image.Image
    label: int | None = None


def explain_model(model: TunedModel, images: Sequence[LabelledImage] = (), source: str = "given") -> ExplanationView:
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
    changes, maps = None, tuple[SimilarityMapView, ...]()
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
    return ExplanationView(
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
    scores = ", ".join(f"{score.split} {100 * score.accuracy:.1f} %" for score in info.scores)
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
) -> tuple[ChangesView, "np.ndarray[Any, Any]"]:
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
) -> tuple[SimilarityMapView, ...]:
    rendered = [model.rendered(one.image) for one in images]
    values = patch_similarity(model.info, model.method, model.pixels(rendered)).cpu().numpy()
    found = []
    for one, pixels, label, by_class in zip(images, rendered, tuned, values, strict=False):
        grid = by_class[label]
        shown = Image.fromarray(pixels)
        rows = tuple(tuple(round(float(v), 4) for v in row) for row in grid)
        found.append(
            SimilarityMapView(one.name, model.classes[label], rows, small_picture(shown, 160), overlaid(shown, grid))
        )
    return tuple(found)
