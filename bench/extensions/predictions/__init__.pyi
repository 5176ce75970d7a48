"""Public names of `bench.extensions.predictions`; `__init__.py` loads each on first use."""

from .predictions_import import ImportedPredictions as ImportedPredictions
from .predictions_import import import_predictions as import_predictions
