"""Test images of one split with their true labels, for comparison with stored predictions. Pure."""

from dataclasses import dataclass

import numpy as np

from bench.record import Predictions


@dataclass(frozen=True)
class TrueLabels:
    """Test images, their labels `(n,)`, and their source, for messages."""

    images: tuple[str, ...]
    label: np.ndarray
    source: str

    def disagreement(self, item: Predictions) -> str | None:
        """How the images or labels of predictions differ from these; None if they are equal."""
        label = dict(zip(self.images, self.label.tolist(), strict=True))
        pairs = zip(item.images, item.label.tolist(), strict=True)
        if wrong := sum(label.get(image, mine) != mine for image, mine in pairs):
            return (
                f"{item.split}: the true labels of {wrong} of {len(item.images)} images are not those of {self.source}"
            )
        if set(item.images) != set(self.images):
            return f"{item.split}: its test images are not those of {self.source}"
        return None
