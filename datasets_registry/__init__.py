"""The catalogue of datasets. Importing it registers every entry and touches neither an image nor torch."""

from datasets_registry._draws.task import build_task, eval_fingerprint
from datasets_registry._errors import BenchError, DataError, RegistrationError, ShotsError, UnknownNameError
from datasets_registry._plugins import DATASETS_GROUP, load_entry_points, load_feature_bundles, load_own_datasets
from datasets_registry._registry import (
    DATASETS,
    Registry,
    get_dataset,
    import_catalogue,
    list_datasets,
    register_dataset,
)
from datasets_registry._types import (
    ClassSet,
    DatasetInfo,
    DatasetSplits,
    DrawRule,
    EvalProtocol,
    EvalSplit,
    FewShotTask,
    Images,
    Reader,
    Sample,
    SupportSet,
)

__all__ = [
    "DATASETS",
    "BenchError",
    "ClassSet",
    "DataError",
    "DatasetInfo",
    "DatasetSplits",
    "DrawRule",
    "EvalProtocol",
    "EvalSplit",
    "FewShotTask",
    "Images",
    "Reader",
    "RegistrationError",
    "Registry",
    "Sample",
    "ShotsError",
    "SupportSet",
    "UnknownNameError",
    "build_task",
    "eval_fingerprint",
    "get_dataset",
    "list_datasets",
    "register_dataset",
]

import_catalogue(__name__, __path__)
load_entry_points(DATASETS_GROUP, DATASETS)
load_own_datasets()
load_feature_bundles()
