"""Methods that learn one context in front of the class name, with the frozen image tower."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor

from datasets_registry import ClassSet
from methods._base.method_info import MethodConfig
from methods._parts.learned_prompts import Context
from methods._parts.two_tower import TwoTowerMethod

ConfigT = TypeVar("ConfigT", bound=MethodConfig)


class ContextMethod(TwoTowerMethod[ConfigT]):
    """Base of CoOp and the methods that keep its text input."""

    trainable: Context

    def text_features(self, classes: ClassSet) -> Tensor:
        self.check_classes(classes)
        return self.backbone.encode_prompts(self.trainable.prompts(classes, self.backbone))
