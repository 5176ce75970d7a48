"""Public names of `bench.experiment.official_code`; `__init__.py` loads each on first use."""

from .fork_folder import Fork as Fork
from .fork_method import PLACES as PLACES
from .fork_method import ForkFacts as ForkFacts
from .fork_method import fork_facts as fork_facts
from .fork_method import fork_folders as fork_folders
from .fork_method import is_fork as is_fork
from .fork_method import official_conflict as official_conflict
from .fork_run import run_official_code as run_official_code
from .inspection import Inspection as Inspection
from .inspection import inspect_fork as inspect_fork
from .prediction_files import matched_classes as matched_classes
from .prediction_files import read_predictions as read_predictions
from .predictions_import import ImportedPredictions as ImportedPredictions
from .predictions_import import import_predictions as import_predictions
from .trust import is_trusted as is_trusted
from .trust import trust as trust
