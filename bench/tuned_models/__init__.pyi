"""Public names of `bench.tuned_models`; `__init__.py` loads each on first use."""

from .images_to_predict import check_sources as check_sources
from .model_lookup import find_model as find_model
from .prediction import PredictionSummary as PredictionSummary
from .prediction import Row as Row
from .prediction import predict_files as predict_files
from .prediction import write_csv_rows as write_csv_rows
from .tuned_model import code_changes as code_changes
from .tuned_model import load_model as load_model
