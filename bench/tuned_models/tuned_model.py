"""A tuned model in memory: labels, calibrated probabilities and novelty of images."""

import io
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bench.errors import UsageError
from bench.experiment import (
    CENTER_VIEW,
    MEANS,
    ModelFileError,
    ModelInfo,
    device_arithmetic,
    load_inputs,
    novelty_scores,
    pixel_batch,
    read_model,
    render,
    restored_method,
    to_pixels,
    view_params,
)
from bench.results import code_reasons
from bench.tuned_models.model_lookup import find_model
from datasets_registry import BenchError, ClassSet, DataError, Decoding, ImageFacts, decode_with_facts, image_sources
from methods import Backbone, BackboneSpec, Batch, Method, Precision, parse_backbone

if TYPE_CHECKING:
    import pandas as pd

BATCH = 32


@dataclass(frozen=True)
class ImagePredictions:
    """A model's predictions for some images.

    Args:
        classes: names, in the order of the columns of `probabilities`.
        probabilities: `(n, n_cls)`, calibrated by the model's temperature.
        novelty: `(n,)`, larger for images unlike the training images; NaN if the model has no such score.
        unlike: `(n,)`, whether the novelty exceeds the model's threshold.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    novelty: NDArray[np.float32]
    unlike: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def labels(self) -> list[str]:
        """The most probable class of each image."""
        return [self.classes[i] for i in self.probabilities.argmax(axis=1)]

    def to_frame(self, names: Sequence[object] | None = None) -> "pd.DataFrame":
        """One row per image: label, probability, novelty, and whether it is unlike the training images.

        Args:
            names: names of the images, for the index.
        """
        import pandas as pd

        best = self.probabilities.max(axis=1)
        columns = {"label": self.labels, "probability": best, "novelty": self.novelty, "unlike": self.unlike}
        return pd.DataFrame(columns, index=None if names is None else [str(name) for name in names])

    def top(self, k: int = 5) -> list[list[tuple[str, float]]]:
        """The k most probable classes of each image with their probabilities, best first."""
        order = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        return [
            [(self.classes[i], float(row[i])) for i in best]
            for row, best in zip(self.probabilities, order, strict=True)
        ]


class TunedModel:
    """A stored model, ready to classify; `load_model` creates it.

    Args:
        classes: predicted classes: the training classes, and more if the method is open-vocabulary.
    """

    def __init__(
        self,
        info: ModelInfo,
        method: Method[Any],
        means: Tensor | None = None,
        classes: ClassSet | None = None,
    ) -> None:
        self.info, self.method, self._means = info, method, means
        self.class_set = classes or info.classes.class_set
        with torch.no_grad():
            self._classify = method.classifier(self.class_set)

    def __repr__(self) -> str:
        spec = self.info.spec
        return f"TunedModel({spec.method} on {spec.dataset}, {spec.backbone}, {len(self.classes)} classes)"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the predicted classes."""
        return self.class_set.names

    @property
    def backbone(self) -> Backbone:
        """The backbone it was tuned on."""
        return self.method.backbone

    def with_classes(self, names: Sequence[str]) -> "TunedModel":
        """The same model with more classes; UsageError if its method cannot classify new ones, or a name repeats."""
        trained = self.class_set
        if not self.info.open_vocabulary:
            raise UsageError(
                f"This model of {self.info.spec.method} is tied to its {len(trained)} classes and accepts no others; "
                "train it with them, or use a method that can classify new classes, such as coop."
            )
        if repeated := [name for i, name in enumerate(names) if name in trained.names or name in names[:i]]:
            raise UsageError(f"The class {repeated[0]!r} is given twice, or is a class of the model already.")
        more = ClassSet(tuple(names), trained.template)
        sentences = None if trained.sentences is None else (*trained.sentences, *((text,) for text in more.texts()))
        classes = ClassSet((*trained.names, *names), trained.template, sentences, trained.dataset)
        return TunedModel(self.info, self.method, self._means, classes)

    def predict(self, images: Any, *, batch: int = BATCH) -> ImagePredictions:
        """Predict one or several images: paths, `PIL` images or uint8 arrays `(h, w, 3)`.

        Raises DataError for a file that is not an image, and for a folder.
        """
        several = images if isinstance(images, list | tuple) or hasattr(images, "__next__") else [images]
        parts, waiting = [], []
        for image in several:
            waiting.append(self.rendered(self._opened(image)))
            if len(waiting) == batch:
                parts.append(self.predict_rendered(waiting))
                waiting = []
        if waiting or not parts:
            parts.append(self.predict_rendered(waiting))
        return ImagePredictions(
            self.classes,
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.novelty for part in parts]),
            np.concatenate([part.unlike for part in parts]),
        )

    def decoded(self, content: bytes, where: object) -> tuple[Image.Image, ImageFacts]:
        """Decode an image by the rule of the model's dataset, with its facts; raises BadImageError."""
        return decode_with_facts(content, where, Decoding(self.info.orient, "Replace or remove it"))

    def rendered(self, image: Image.Image) -> NDArray[np.uint8]:
        """An image as the input of the tower, before normalisation, `(size, size, 3)`."""
        params = view_params("", CENTER_VIEW, image.size)
        return render(image, params, self.backbone.image_size, self.backbone.preprocessing)

    @torch.no_grad()
    def predict_rendered(self, rendered: Sequence[NDArray[np.uint8]]) -> ImagePredictions:
        """Predict images that `rendered` returned, in one pass of the towers."""
        if not rendered:
            none = np.empty((0, len(self.classes)), np.float32)
            return ImagePredictions(self.classes, none, np.empty(0, np.float32), np.empty(0, np.bool_))
        how = self.backbone.preprocessing
        pixels = to_pixels(np.stack(rendered), how.mean, how.std, self.backbone.device)
        batch = pixel_batch(self.backbone, pixels, self.method.info.needs)
        with device_arithmetic(self.backbone.device.type, self.backbone.precision):
            logits = self._classify(batch)
            probabilities = (logits / self.info.calibration.temperature).softmax(dim=1)
            novelty = self._novelty(batch, logits)
        highest = self.info.novelty.threshold if self.info.novelty else float("inf")
        return ImagePredictions(
            self.classes,
            probabilities.cpu().numpy(),
            novelty.cpu().numpy(),
            (novelty > highest).cpu().numpy(),
        )

    def _opened(self, image: Any) -> Image.Image:
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        if isinstance(image, Image.Image):
            if not image.mode.startswith(("I", "F")):
                return image.convert("RGB")
            buffer = io.BytesIO()  # more than 8 bits, scaled by the rule of files
            image.save(buffer, "TIFF")
            return self.decoded(buffer.getvalue(), "given as an array")[0]
        path = Path(image)
        if path.is_dir():
            raise DataError(f"{path} is a folder. Give the paths of its images, or use `etl-bench predict`.")
        return self.decoded(image_sources.read_image_file(path), path)[0]

    def _novelty(self, batch: Batch, logits: Tensor) -> Tensor:
        kind = self.info.novelty.kind if self.info.novelty else None
        if kind == "max_logit":
            return -logits.amax(dim=1)
        if kind == "class_mean" and self._means is not None:
            return novelty_scores(batch.features, self._means)
        return torch.full((len(logits),), float("nan"))


def load_model(
    path: str | Path,
    backbone: str | Backbone | None = None,
    *,
    runs: str | Path = "runs",
    device: str = "cpu",
    cache_dir: str | Path | None = None,
) -> TunedModel:
    """Load a model that `run --keep-models` stored.

    Args:
        path: the file, or a name of a model in `runs`.
        backbone: `arch.tag`, `ARCH=FILE`, `hf-hub:ORG/NAME`, `local-dir:FOLDER`, a weights file, or a loaded backbone;
            by default the recorded one. It must have the weights that the model was tuned on.
        cache_dir: folder where features of class texts are kept between calls.

    Raises:
        ModelFileError: the file is damaged or newer, its method is not installed, or the backbone differs.
    """
    file = find_model(path, Path(runs))
    info, tensors = read_model(file)
    if isinstance(backbone, Backbone):
        tower = copy(backbone)
        tower.precision = Precision(info.spec.precision)
    else:
        spec, cache = _backbone_spec(info, backbone), None if cache_dir is None else Path(cache_dir)
        tower = load_inputs(spec, device, Precision(info.spec.precision), cache, 2**30).backbone
    method = restored_method(info, tensors, tower)
    means = tensors.get(MEANS)
    return TunedModel(info, method, None if means is None else means.to(tower.device))


def code_changes(info: ModelInfo) -> list[str]:
    """How the code of the model's method changed since it was tuned; predictions may differ then."""
    provenance = info.provenance
    return code_reasons(info.spec.method, provenance.method_version, provenance.method_digest)


def _backbone_spec(info: ModelInfo, given: str | None) -> BackboneSpec:
    arch = info.spec.backbone.partition(".")[0]
    remedy = (
        "Give their folder with -b local-dir:FOLDER" if arch == "local-dir" else f"Give their file with -b {arch}=FILE"
    )
    text = given or info.backbone_file or info.spec.backbone
    if given is not None and "=" not in given and Path(given).exists():
        text = f"{arch}={given}"
    recorded = Path(text.partition("=")[2].partition(",")[0])
    if given is None and "=" in text and not recorded.exists():
        raise ModelFileError(
            f"This model was tuned on {info.spec.backbone} with the weights {recorded}, which no longer exist. "
            f"{remedy}."
        )
    try:
        spec = parse_backbone(text)
    except BenchError as error:
        if given is not None:
            raise
        raise ModelFileError(
            f"This model was tuned on {info.spec.backbone}, whose weights are not found ({error}). {remedy}."
        ) from None
    if spec.imported:
        raise ModelFileError(
            f"This model was tuned on the imported features {spec.slug}, which no image tower computes, so it cannot "
            "predict images."
        )
    return spec
