"""The catalogue of ETL methods. Files without a leading underscore are the methods, one each."""

from __future__ import annotations

from methods import (
    apex,
    clip_adapter,
    coop,
    deep_text_prompts,
    ivlp,
    text_adapter,
    text_prompts_visual_adapter,
    visual_adapter,
    vpt,
    vpt_text_adapter,
    zero_shot,
)
from methods._base import (
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
    UnsupportedBackboneError,
)
from methods._recipe import Optimizer, Recipe, Warmup
from methods._registry import METHODS, get_method, list_methods, register_method

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
    "UnsupportedBackboneError",
    "Warmup",
    "apex",
    "clip_adapter",
    "coop",
    "deep_text_prompts",
    "get_method",
    "ivlp",
    "list_methods",
    "register_method",
    "text_adapter",
    "text_prompts_visual_adapter",
    "visual_adapter",
    "vpt",
    "vpt_text_adapter",
    "zero_shot",
]
