import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_case import for_each
from scipy import special

from bench.analysis.metrics import scores as metrics
from bench.analysis.metrics.scores import calibration_error, fit_temperature, harmonic_mean, run_metrics
from bench.errors import BenchError, UsageError


def random_case(seed: int, n: int = 97, n_cls: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_cls, n)
    logits = 3 * rng.standard_normal((n, n_cls))
    logits[np.arange(n), labels] += 2
    return logits, labels


class TestByHand:
    def test_a_tie_goes_to_the_lower_class_and_a_class_without_images_is_left_out_of_macro_accuracy(self):
        assert metrics.accuracy([[1.0, 1.0]], [0]) == 1
        assert metrics.accuracy([[1.0, 1.0]], [1]) == 0
        assert metrics.macro_accuracy([[1.0, 0.0, 0.0]], [0]) == 1

    def test_the_harmonic_mean_of_published_numbers(self):
        """CLIP's row of the base-to-new table: 69.34 and 74.22 give 71.70."""
        assert round(harmonic_mean(69.34, 74.22), 2) == 71.70
        assert harmonic_mean(0, 0) == 0
        assert harmonic_mean(0, 1) == 0


@pytest.mark.parametrize("seed", range(2))
class TestReferences:
    def test_scores_against_scikit_learn(self, seed):
        from sklearn import metrics as reference

        logits, labels = random_case(seed, n=60, n_cls=7)
        p, guess, classes = special.softmax(logits, axis=1), logits.argmax(1), range(7)
        assert set(labels) == set(classes)
        assert metrics.accuracy(logits, labels) == reference.accuracy_score(labels, guess)
        assert metrics.macro_accuracy(logits, labels) == pytest.approx(reference.balanced_accuracy_score(labels, guess))
        precision = reference.precision_score(labels, guess, labels=classes, average="macro", zero_division=0)
        assert metrics.macro_precision(logits, labels) == pytest.approx(precision)
        assert metrics.nll(logits, labels) == pytest.approx(reference.log_loss(labels, p, labels=classes))
        brier = reference.brier_score_loss(labels, p, labels=classes, scale_by_half=False)
        assert metrics.brier(logits, labels) == pytest.approx(brier)

    def test_calibration_against_a_loop_over_bins(self, seed):
        logits, labels = random_case(seed)
        p = special.softmax(logits, axis=1)
        rows = sorted((row.max(), row.argmax() == t) for row, t in zip(p, labels, strict=True))
        # 97 images in 15 bins: seven bins of 7, then eight of 6
        sizes, total, start = [7] * 7 + [6] * 8, 0.0, 0
        for size in sizes:
            part = rows[start : start + size]
            gap = abs(np.mean([c for c, _ in part]) - np.mean([r for _, r in part]))
            total, start = total + gap * size / 97, start + size
        assert metrics.ece(logits, labels) == pytest.approx(total)


def all_metrics(logits, labels):
    names = ("accuracy", "macro_accuracy", "macro_precision", "nll", "brier", "ece")
    return {name: getattr(metrics, name)(logits, labels) for name in names}


class TestProperties:
    @given(st.integers(0, 10_000))
    @settings(max_examples=20)
    def test_nothing_depends_on_the_order_of_images(self, seed):
        rng = np.random.default_rng(seed)
        logits, labels = random_case(seed, n=31)
        logits = np.round(logits)  # many ties
        order = rng.permutation(31)
        shuffled = all_metrics(logits[order], labels[order])
        assert shuffled == pytest.approx(all_metrics(logits, labels), abs=1e-12)

    @given(st.integers(0, 10_000), st.floats(-500, 500))
    @settings(max_examples=20)
    def test_a_constant_added_to_the_logits_of_an_image_changes_nothing(self, seed, constant):
        logits, labels = random_case(seed, n=20)
        moved = all_metrics(logits + constant, labels)
        assert moved == pytest.approx(all_metrics(logits, labels), abs=1e-9)

    @given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)), min_size=1, max_size=9))
    def test_h_is_between_the_smaller_one_and_the_mean(self, pairs):
        assert all(min(b, n) - 1e-12 <= harmonic_mean(b, n) <= (b + n) / 2 + 1e-12 for b, n in pairs)

    def test_perfect_confident_predictions(self):
        logits = 1000 * np.eye(4)
        values = all_metrics(logits, np.arange(4))
        assert values == {"accuracy": 1, "macro_accuracy": 1, "macro_precision": 1, "nll": 0, "brier": 0, "ece": 0}
        assert metrics.nll([[1e4, 0.0]], [1]) == 1e4, "no overflow"

    def test_equal_confidences_count_with_their_mean(self):
        """Their order has no effect: 15 bins over 30 equal confidences, half of them correct."""
        right = np.arange(30) < 15
        assert calibration_error(np.full(30, 0.5), right) == pytest.approx(0)
        assert calibration_error(np.full(30, 0.7), right[::-1]) == pytest.approx(0.2)


class TestRefusals:
    @for_each("call", [metrics.accuracy, metrics.macro_accuracy, metrics.macro_precision, metrics.nll])
    @for_each(
        ("logits", "labels", "message"),
        [
            ([[1.0, 2.0]], [0, 1], r"Logits of shape \(1, 2\) and labels of shape \(2,\) do not fit; give"),
            ([1.0, 2.0], [0, 1], "do not fit"),
            (np.zeros((0, 3)), np.zeros(0, int), "n and n_cls at least 1"),
            ([[1.0, 2.0]], [2], r"Labels must be integers in 0\.\.1, but are int64 from 2 to 2; renumber"),
            ([[1.0, 2.0]], [-1], "from -1 to -1"),
            ([[1.0, 2.0]], [0.0], "are float64"),
            ([[1.0, math.nan]], [0], "1 of 2 logits are not finite"),
            ([[1.0, math.inf]], [0], "1 of 2 logits are not finite"),
        ],
    )
    def test_invalid_logits_and_labels(self, call, logits, labels, message):
        with pytest.raises(BenchError, match=message):
            call(logits, labels)

    def test_calibration_of_nothing(self):
        with pytest.raises(UsageError, match="No prediction was given"):
            calibration_error([], [])


def drawn_columns(images: int, draw: np.random.Generator) -> dict[str, np.ndarray]:
    """Overconfident predictions of five classes, of which one is hard."""
    label = draw.integers(5, size=images)
    logits = draw.normal(size=(images, 5))
    logits[np.arange(images), label] += np.where(label == 0, 0.3, 1.5)
    top, true = logits.max(1), logits[np.arange(images), label]
    total = np.exp(3 * logits).sum(1)
    return {
        "label": label, "predicted": logits.argmax(1), "true_logit": 3 * true, "top_logit": 3 * top,
        "log_sum_exp": np.log(total), "sum_p2": (np.exp(3 * logits) ** 2).sum(1) / total**2,
    }  # fmt: skip


@pytest.mark.parametrize("images", [60, 600])
def test_the_variances_of_metrics_are_those_of_other_images(images):
    draw = np.random.default_rng(images)
    runs = [run_metrics(drawn_columns(images, draw)) for _ in range(400)]
    error = 3 / math.sqrt(2 * 400)  # three standard errors of a standard deviation
    for name in ("nll", "brier", "ece"):
        true = np.var([run[name] for run in runs], ddof=1)
        found = np.mean([run[f"{name}_variance"] for run in runs])
        wider = (1.4 if images == 60 else 1.1) if name == "ece" else 1.0
        assert 1 - error <= math.sqrt(found / true) <= wider + error, name


def test_one_image_has_no_variance():
    columns = {name: values[:1] for name, values in drawn_columns(2, np.random.default_rng(0)).items()}
    assert np.isnan(run_metrics(columns)["nll_variance"])


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_of_simulated_logits_is_found(true: float):
    draw = np.random.default_rng(0)
    honest = draw.normal(size=(4000, 5)) * 2
    labels = np.array([draw.choice(5, p=p) for p in special.softmax(honest, axis=1)])
    assert fit_temperature(honest * true, labels) == pytest.approx(true, rel=0.06)


def test_it_minimises_the_likelihood_on_a_grid():
    draw = np.random.default_rng(1)
    logits, labels = draw.normal(size=(300, 4)) * 6, draw.integers(0, 4, 300)
    grid = np.exp(np.linspace(-3, 6, 901))
    cost = [300 * metrics.nll(logits / t, labels) + 0.5 * np.log(t) ** 2 for t in grid]
    assert fit_temperature(logits, labels) == pytest.approx(grid[int(np.argmin(cost))], rel=0.02)


def test_a_few_images_that_are_all_right_do_not_make_it_vanish():
    assert 0.2 < fit_temperature(np.eye(3) * 4, [0, 1, 2]) < 1
