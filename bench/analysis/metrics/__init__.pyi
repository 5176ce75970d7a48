"""Public names of `bench.analysis.metrics`; `__init__.py` loads each on first use."""

from .difficulty import difficulty_measures as difficulty_measures
from .scores import ECE_BINS as ECE_BINS
from .scores import accuracy as accuracy
from .scores import brier as brier
from .scores import calibration_error as calibration_error
from .scores import ece as ece
from .scores import fit_temperature as fit_temperature
from .scores import harmonic_mean as harmonic_mean
from .scores import macro_accuracy as macro_accuracy
from .scores import macro_precision as macro_precision
from .scores import nll as nll
from .scores import require_finite as require_finite
from .scores import run_metrics as run_metrics
