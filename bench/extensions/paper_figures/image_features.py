"""Image features in the plane with true and predicted labels: APEX's Figures 4 and 7.

The features are those that runs of APEX store with `--keep-branches`: of the pretrained image tower, and of the
tower with visual prompts. Nothing is computed with a tower.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.extensions.paper_figures.figure import FigurePoint, PaperFigure
from bench.extensions.paper_figures.figure_data import STORE_BRANCHES, FigureData
from bench.record import Predictions
from datasets_registry import BenchError, get_dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEW = "new"
CLASSES, IMAGES = 5, 50
"""Classes that are shown, and images of each, as in the paper."""
OTHER = "another class"
PACKAGE = "scikit-learn"


def plain_features(data: FigureData) -> PaperFigure:
    """Figure 4: features of the pretrained image tower with true, zero-shot and tuned labels."""
    return _features(
        data,
        {"zero_shot": "zero-shot", "deep_text_prompts": "tuned text prompts"},
        adapted=False,
        name="apex-fig4-image-features",
        title="Image features of new classes, with true and predicted labels",
        source="APEX, Figure 4",
    )


def prompted_features(data: FigureData) -> PaperFigure:
    """Figure 7: features of the image tower with visual prompts, with true labels and those of a text adapter."""
    return _features(
        data,
        {"vpt_text_adapter": "text adapter"},
        adapted=True,
        name="apex-fig7-prompted-features",
        title="Image features with visual prompts, with true and predicted labels",
        source="APEX, Figure 7",
    )


def _features(data: FigureData, methods: Mapping[str, str], *, adapted: bool, **fields: Any) -> PaperFigure:
    points: list[FigurePoint] = []
    missing: list[str] = []
    commands: list[str] = []
    if find_spec("sklearn") is None:
        missing.append(f"This figure needs {PACKAGE}; pip install 'clip-etl-bench[figures]'.")
    for dataset in data.datasets if not missing else ():
        stored = {name: _predictions(data, name, dataset) for name in ("apex", *methods)}
        lacking = [name for name, found in stored.items() if found is None]
        source = stored["apex"]
        if source is not None and source.branches is None:
            lacking.append("apex")
        if lacking:
            names = ", ".join(map(data.method, dict.fromkeys(lacking)))
            missing.append(f"{data.title(dataset)}: {names}, with stored branches.")
            commands.append(data.command([*dict.fromkeys(lacking)], [dataset], options=STORE_BRANCHES))
            continue
        points += _points(data, dataset, {name: found for name, found in stored.items() if found}, methods, adapted)
    return PaperFigure(
        caption=f"t-SNE (perplexity at most 30, seed 0) of up to {IMAGES} test images of each of {CLASSES} new classes."
        " Directions and distances between groups have no meaning. The paper draws EuroSAT and five random classes of "
        "SUN397.",
        kind="point",
        points=tuple(points),
        x_title="",
        y_title="",
        missing=tuple(missing),
        commands=tuple(commands),
        own_y=True,
        **fields,
    )


def _predictions(data: FigureData, method: str, dataset: str) -> Predictions | None:
    """The predictions on new classes of a method's first run on a dataset."""
    cell = data.cell(data.main, method, dataset)
    runs = cell.run_ids[:1] if cell else ()
    return next((item for run in runs for item in data.load_predictions(run) if item.split == NEW), None)


def _points(
    data: FigureData, dataset: str, stored: Mapping[str, Predictions], methods: Mapping[str, str], adapted: bool
) -> list[FigurePoint]:
    source = stored["apex"]
    assert source.branches is not None
    features = source.branches.adapted_image if adapted else source.branches.plain_image
    rows = _chosen(source.label)
    places = _in_the_plane(features[rows])
    shown = sorted({int(label) for label in source.label[rows]})
    names = {label: _class_name(dataset, label) for label in shown}
    columns = [("true labels", source.label[rows])]
    for method, title in methods.items():
        at = {image: place for place, image in enumerate(stored[method].images)}
        columns.append((title, stored[method].predicted[[at[source.images[row]] for row in rows]]))
    found = []
    for title, labels in columns:
        panel = f"{data.title(dataset)}: {title}"
        for label, series in [*names.items(), (None, OTHER)]:
            found += [
                FigurePoint(panel, series, float(x), float(y), None, None, 1)
                for (x, y), given in zip(places, labels, strict=True)
                if (int(given) == label if label is not None else int(given) not in names)
            ]
    return found


def _chosen(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of some images of some classes, drawn with seed 0."""
    draw = np.random.default_rng(0)
    known = np.unique(labels)
    classes = np.sort(draw.permutation(known)[:CLASSES])
    rows = [np.sort(draw.permutation(np.flatnonzero(labels == one))[:IMAGES]) for one in classes]
    return np.concatenate(rows)


def _in_the_plane(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """The features in two dimensions, `(n, 2)`; raises ImportError without scikit-learn."""
    from sklearn.manifold import TSNE

    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    perplexity = min(30.0, max(2.0, (len(unit) - 1) / 3))
    found: NDArray[np.float64] = TSNE(2, perplexity=perplexity, init="pca", random_state=0).fit_transform(
        unit.astype(np.float64)
    )
    return found


def _class_name(dataset: str, label: int) -> str:
    """The name of a new class, by its place among the new classes."""
    try:
        info = get_dataset(dataset)
    except BenchError:
        return f"class {label}"
    place = math.ceil(info.num_classes / 2) + label
    names: Sequence[str] = info.class_names
    return names[place] if len(names) == info.num_classes and place < len(names) else f"class {label}"
