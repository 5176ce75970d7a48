"""The class vectors of the pretrained and the tuned model, projected to their two main axes."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from bench.model_export import ExportError, linear_head
from bench.tuned import ModelInfo
from methods import Method, TwoTowerMethod
from reports.views import ProjectionView


@torch.no_grad()
def class_text_projection(info: ModelInfo, method: Method[Any]) -> ProjectionView | None:
    """Class vectors before and after tuning; None for a method without one vector per class.

    The vectors after tuning are the method's text features, or the rows of its linear head.
    """
    classes = info.classes.class_set
    before = method.backbone.class_texts(classes, classes.template)
    if isinstance(method, TwoTowerMethod) and method.one_pair:
        after, what = method.text_features(classes), "text features"
    else:
        try:
            after, what = linear_head(info, method).weight.to(before), "rows of the classifier"
        except ExportError:
            return None
    pair = [F.normalize(one.float(), dim=-1).cpu().numpy() for one in (before, after)]
    plane, share = main_axes(np.concatenate(pair))
    n = len(classes)
    rows = plane.tolist()
    points = tuple((name, x, y, u, v) for name, (x, y), (u, v) in zip(classes.names, rows[:n], rows[n:], strict=True))
    return ProjectionView(points, share, what)


def main_axes(rows: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Coordinates `(n, 2)` on the two axes of largest variance, and their share of the variance."""
    centred = rows.astype(np.float64) - rows.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    first = np.zeros((2, rows.shape[1]))
    first[: min(2, len(axes))] = axes[:2]
    total = float((sizes**2).sum())
    return centred @ first.T, float((sizes[:2] ** 2).sum() / total) if total else 1.0
