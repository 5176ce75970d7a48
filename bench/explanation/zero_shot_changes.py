"""Images whose predicted class differs from the zero-shot model's, and which of the two is right."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reports.views import ChangedImageView, ChangesView

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
) -> ChangesView:
    """Counts over all images, and the first `shown` changed images. Counts of right and wrong need every label."""
    changed = np.flatnonzero(tuned != zero_shot)
    counts = None
    if names and None not in labels:
        truth = np.array(labels)
        a, b = tuned == truth, zero_shot == truth
        counts = dict(zip(COUNTS, (int(v.sum()) for v in (a & b, a & ~b, ~a & b, ~a & ~b)), strict=True))

    def view(i: int) -> ChangedImageView:
        label = labels[i]
        return ChangedImageView(
            names[i], classes[zero_shot[i]], classes[tuned[i]], None if label is None else classes[label]
        )

    return ChangesView(source, len(names), len(changed), counts, tuple(view(int(i)) for i in changed[:shown]))
