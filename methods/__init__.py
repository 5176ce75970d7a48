"""The catalogue of ETL methods. Files without a leading underscore are the methods, one each."""

from __future__ import annotations

from datasets_registry._plugins import METHODS_GROUP, load_entry_points
from datasets_registry._registry import import_catalogue
from methods._base.method import (
    Batch,
    Classifier,
    ClosedVocabularyError,
    Family,
    Method,
    MethodConfig,
    MethodInfo,
    Needs,
    SupportView,
    TrainableMethod,
    cosine_logits,
    require_known_classes,
)
from methods._base.recipe import Optimizer, Recipe, Warmup
from methods._base.registry import METHODS, get_method, list_methods, register_method

__all__ = [
    "METHODS",
    "Batch",
    "Classifier",
    "ClosedVocabularyError",
    "Family",
    "Method",
    "MethodConfig",
    "MethodInfo",
    "Needs",
    "Optimizer",
    "Recipe",
    "SupportView",
    "TrainableMethod",
    "Warmup",
    "cosine_logits",
    "get_method",
    "list_methods",
    "register_method",
    "require_known_classes",
]

import_catalogue(__name__, __path__)
load_entry_points(METHODS_GROUP, METHODS)
