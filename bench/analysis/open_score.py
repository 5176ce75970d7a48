"""The areas of the open score from stored predictions. Pure."""

from bench.metrics import MetricInputError, near_ood_auroc, openworld_auc
from bench.record import Predictions


def open_metrics(base: Predictions, new: Predictions) -> dict[str, float]:
    """`openworld_auc` and `near_ood_auroc` of a run, from its predictions of base and of new images among all names.

    Raises MetricInputError for predictions without the columns of the open score.
    """
    if base.open is None or new.open is None:
        raise MetricInputError(
            f"The predictions of {base.split!r} and {new.split!r} lack the columns of the open score; give those of "
            "base and new images among all names."
        )
    known, unknown = base.open.base_confidence, new.open.base_confidence
    right = [item.open.within == item.label for item in (base, new) if item.open is not None]
    return {
        "openworld_auc": openworld_auc(known, right[0], unknown, right[1]),
        "near_ood_auroc": near_ood_auroc(known, unknown),
    }
