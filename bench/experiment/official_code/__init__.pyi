"""Public names of `bench.experiment.official_code`; `__init__.py` loads each on first use."""

from .prediction_files import matched_classes as matched_classes
from .prediction_files import read_predictions as read_predictions
from .predictions_import import ImportedPredictions as ImportedPredictions
from .predictions_import import import_predictions as import_predictions
