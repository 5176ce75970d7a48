"""Transfer difficulty of a dataset for a backbone, before any training: pure functions of frozen features.

Transfer difficulty, class separability and class text distance follow APEX (Yang et al., EMNLP 2024, sections 3 and 4).
Where the paper is ambiguous, we decided as follows:

- *Precision.* RTD is `(1/C) / precision of zero-shot CLIP`, adopted from TaskRes (Yu et al., CVPR 2023), which does not
  define "precision". The printed values match neither the usual top-1 accuracies nor a named variant, so both are
  given: `relative_transfer_difficulty` with top-1 accuracy (used wherever one number is shown), and
  `relative_transfer_difficulty_macro_precision` with the mean of per-class precisions.
- *Separability.* "Mean intra-class over mean inter-class cosine similarity", without formula, split or sample count.
  `separability_pairwise` compares images with images: intra is the mean over classes of the mean over pairs of
  different images of the class; inter is the mean over all pairs of images of different classes.
  `separability_prototype` compares images with class prototypes (the normalised mean of the normalised features):
  intra is the mean over classes of an image's cosine with its own prototype, inter the mean over ordered pairs of
  different classes of an image's cosine with the other's prototype. The paper's printed intra values look high for
  pairs of images, so it may have used the second. The caller selects the images; we use the test images.
- *Text distance.* The method defines it from one class to the training classes. As a property of a dataset it is the
  distance of each class to all other classes of the dataset.
- *Domain distance.* The paper has none. A backbone's training images are not available, so the class texts represent
  what the backbone expects: `domain_distance` is the length of the vector from the centre of the texts to the centre of
  the images, both of unit features. This is the modality gap of Liang et al. (NeurIPS 2022, section 2), per dataset.
  Part of it is common to all datasets of a backbone; only differences between datasets are meaningful.

RTD mostly orders datasets by their number of classes C. The other measures do not.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.analysis.metrics.scores import Floats, accuracy, ece, macro_precision, nll


def difficulty_measures(
    features: ArrayLike, labels: ArrayLike, text_features: ArrayLike, logit_scale: float
) -> dict[str, float | None]:
    """All measures of one class list.

    Args:
        features: `(n, dim)`: image features of the frozen image tower; normalised here.
        labels: `(n,)` in 0..n_cls-1.
        text_features: `(n_cls, dim)`: frozen text features of the filled templates; normalised here.
        logit_scale: CLIP's factor on cosines (about 100); it affects only likelihood and calibration.

    Returns:
        Values by name; None if a measure is undefined.

        - `zero_shot_accuracy`: top-1 of the nearest text, 0..1.
        - `chance`: 1 / n_cls.
        - `relative_transfer_difficulty`: chance / zero-shot accuracy; larger is harder; None at accuracy 0.
        - `relative_transfer_difficulty_macro_precision`: the same with macro precision.
        - `zero_shot_nll`: mean negative log-likelihood of the true class, nats.
        - `zero_shot_ece`: expected calibration error of the zero-shot probabilities, bins of equal mass, 0..1.
        - `zero_shot_margin`: mean cosine with the true text minus that with the best other text; None for one class.
        - `separability_pairwise`: `intra_cosine / inter_cosine`; larger is easier.
        - `intra_cosine`, `inter_cosine`: its two parts; None without a pair of that kind.
        - `separability_prototype`: the same ratio against class prototypes.
        - `text_distance_mean`: 1 - mean cosine to the other classes' texts, averaged over classes; None for one class.
        - `text_distance_nearest`: 1 - cosine to the nearest other class's text, averaged over classes.
        - `domain_distance`: distance of the mean image from the mean text, 0..2.

        A separability is also None if its inter-class mean is not positive, since the ratio is then meaningless.

    Example:
        >>> images, texts = [[1, 0], [1, 0], [0, 1]], [[1, 0], [0, 1]]
        >>> found = difficulty_measures(images, [0, 1, 1], texts, logit_scale=100)
        >>> found["zero_shot_accuracy"], found["relative_transfer_difficulty"]  # 2 of 3; (1 / 2) / (2 / 3)
        (0.6666666666666666, 0.75)
    """
    images, texts = unit_rows(features), unit_rows(text_features)
    truth = np.asarray(labels)
    cosines = images @ texts.T
    logits = logit_scale * cosines
    chance = 1 / len(texts)
    zero_shot = accuracy(logits, truth)
    intra, inter = pairwise_cosines(images, truth)
    text_mean, text_nearest = text_distances(texts)
    return {
        "zero_shot_accuracy": zero_shot,
        "chance": chance,
        "relative_transfer_difficulty": _ratio(chance, zero_shot),
        "relative_transfer_difficulty_macro_precision": _ratio(chance, macro_precision(logits, truth)),
        "zero_shot_nll": nll(logits, truth),
        "zero_shot_ece": ece(logits, truth),
        "zero_shot_margin": zero_shot_margin(cosines, truth),
        "separability_pairwise": _ratio(intra, inter),
        "intra_cosine": intra,
        "inter_cosine": inter,
        "separability_prototype": _ratio(*prototype_cosines(images, truth)),
        "text_distance_mean": text_mean,
        "text_distance_nearest": text_nearest,
        "domain_distance": float(np.linalg.norm(images.mean(0) - texts.mean(0))),
    }


def pairwise_cosines(features: ArrayLike, labels: ArrayLike) -> tuple[float | None, float | None]:
    """Mean cosine of two images of one class, and of two images of different classes, without forming the pairs.

    With s_c the sum of the unit features of the n_c images of class c, the sum over ordered pairs within the class is
    |s_c|^2 - n_c. With s the sum over all classes, the sum over ordered pairs across classes is |s|^2 - sum_c |s_c|^2.

    The features, `(n, dim)`, are normalised here. Returns (intra, inter): intra averages classes equally and leaves out
    classes with one image; inter averages all pairs. None without such a pair.

    Example:
        >>> pairwise_cosines([[1, 0], [1, 0], [0, 1]], [0, 0, 1])
        (1.0, 0.0)
    """
    sums, counts = _class_sums(unit_rows(features), np.asarray(labels))
    squared = np.einsum("cd,cd->c", sums, sums)
    many = counts > 1
    n = counts[many]
    intra = float(np.mean((squared[many] - n) / (n * (n - 1)))) if many.any() else None
    cross_pairs = float(counts.sum() ** 2 - (counts**2).sum())
    total = sums.sum(0)
    inter = float((total @ total - squared.sum()) / cross_pairs) if cross_pairs else None
    return intra, inter


def prototype_cosines(features: ArrayLike, labels: ArrayLike) -> tuple[float | None, float | None]:
    """Mean cosine of an image with the prototype of its own class, and of other classes; all classes weigh equally.

    The features, `(n, dim)`, are normalised here. Returns (intra, inter); inter is None for one class.

    Example:
        >>> prototype_cosines([[1, 0], [1, 0], [0, 1]], [0, 0, 1])
        (1.0, 0.0)
    """
    sums, counts = _class_sums(unit_rows(features), np.asarray(labels))
    means = sums / counts[:, None]
    # row c, column d: mean cosine of the images of c with the prototype of d
    cosines = means @ unit_rows(means).T
    n_cls = len(counts)
    intra = float(np.trace(cosines) / n_cls)
    inter = float((cosines.sum() - np.trace(cosines)) / (n_cls * (n_cls - 1))) if n_cls > 1 else None
    return intra, inter


def text_distances(text_features: ArrayLike) -> tuple[float | None, float | None]:
    """Mean over classes of `d_avg = 1 - mean_j cos` and of `d_nn = 1 - max_j cos`; j runs over the other classes.

    The features are `(n_cls, dim)` and normalised here. (None, None) for one class.

    Example:
        >>> text_distances([[1, 0], [1, 0], [0, 1]])  # d_avg 1/2, 1/2, 1; d_nn 0, 0, 1
        (0.6666666666666666, 0.3333333333333333)
    """
    texts = unit_rows(text_features)
    n_cls = len(texts)
    if n_cls < 2:
        return None, None
    cosines = texts @ texts.T
    off_diagonal = cosines[~np.eye(n_cls, dtype=bool)].reshape(n_cls, n_cls - 1)
    return float(np.mean(1 - off_diagonal.mean(1))), float(np.mean(1 - off_diagonal.max(1)))


def zero_shot_margin(cosines: Floats, labels: ArrayLike) -> float | None:
    """Mean over images of the cosine with the true text minus that with the best other text. None for one class.

    The cosines are `(n, n_cls)`.

    Example:
        >>> zero_shot_margin(np.array([[1.0, 0.5], [0.75, 0.5]]), [0, 1])  # 0.5 and -0.25
        0.125
    """
    if cosines.shape[1] < 2:
        return None
    rows, truth = np.arange(len(cosines)), np.asarray(labels)
    other_cosines = cosines.copy()
    other_cosines[rows, truth] = -np.inf
    return float(np.mean(cosines[rows, truth] - other_cosines.max(1)))


def unit_rows(matrix: ArrayLike) -> Floats:
    """Rows scaled to length 1, in float64; rows of zeros stay zero.

    Example:
        >>> unit_rows([[3, 4], [0, 0]]).tolist()
        [[0.6, 0.8], [0.0, 0.0]]
    """
    rows = np.asarray(matrix, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = rows / np.where(lengths > 0, lengths, 1.0)
    return scaled


def _class_sums(features: Floats, labels: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Sum of the features and number of images, for each class that has an image."""
    _, group, counts = np.unique(labels, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), features.shape[1]))
    np.add.at(sums, group, features)
    return sums, counts.astype(np.float64)


def _ratio(above: float | None, below: float | None) -> float | None:
    return None if above is None or below is None or below <= 0 else above / below
