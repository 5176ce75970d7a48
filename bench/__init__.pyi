"""Public names of `bench`; `__init__.py` loads each on first use."""

import pathlib

from .api.datasets import add_dataset as add_dataset
from .api.datasets import add_features as add_features
from .api.exporting import export_leaderboards as export_leaderboards
from .api.paper_listing import list_experiments as list_experiments
from .api.paper_listing import list_papers as list_papers
from .api.paper_numbers import published_numbers as published_numbers
from .api.reporting import build_report as build_report
from .api.reproducing import reproduce_paper as reproduce_paper
from .api.results import Results as Results
from .api.results import claims as claims
from .api.results import compare as compare
from .api.results import difficulty as difficulty
from .api.results import leaderboard as leaderboard
from .api.results import load_results as load_results
from .api.running import plan as plan
from .api.running import run as run
from .api.stored_runs import export_runs as export_runs
from .api.stored_runs import import_runs as import_runs
from .api.stored_runs import verify_runs as verify_runs
from .context import RunContext as RunContext
from .errors import CacheError as CacheError
from .errors import ImpossibleCombinationError as ImpossibleCombinationError
from .errors import RunsFolderError as RunsFolderError
from .errors import ShardError as ShardError
from .errors import StaleSpecError as StaleSpecError
from .errors import StoreError as StoreError
from .errors import UsageError as UsageError
from .record import RunRecord as RunRecord
from .spec import ExperimentSpec as ExperimentSpec
from .sweep.request import SweepRequest as SweepRequest
from .table import Table as Table
from .table import Tables as Tables
from .tuned_models.tuned_model import ImagePredictions as ImagePredictions
from .tuned_models.tuned_model import TunedModel as TunedModel
from .tuned_models.tuned_model import load_model as load_model

__version__: str
THREADS_SPIN: bool
SIBLINGS: tuple[str, ...]

def check_siblings(parent: pathlib.Path, names: tuple[str, ...] = ...) -> None: ...
