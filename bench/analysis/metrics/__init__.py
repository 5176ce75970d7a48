"""Metrics. Pure functions of logits, labels and features.

- `accuracy`, `macro_accuracy`, `macro_precision`, `nll`, `brier`, `ece`: of logits.
- `calibration_error`: of confidences. `harmonic_mean`: of accuracies.
- `difficulty_measures`: how difficult a dataset is for a backbone.

Example:
    >>> from bench.analysis.metrics import accuracy, harmonic_mean, macro_accuracy
    >>> logits, labels = [[2, 1, 0], [0, 2, 1], [0, 2, 1], [2, 1, 0]], [0, 1, 2, 1]
    >>> accuracy(logits, labels), macro_accuracy(logits, labels)  # 2 of 4; the mean of 1 of 1, 1 of 2 and 0 of 1
    (0.5, 0.5)
    >>> harmonic_mean(0.5, 1.0)
    0.6666666666666666
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
