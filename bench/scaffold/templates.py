"""File templates of a new method. Places to edit are marked EDIT; the templates work before they are edited."""

from string import Template

METHOD = Template('''"""$title: EDIT one sentence on what it learns and where.

EDIT Author et al., "Title", venue and year. Official file: EDIT. Where paper and code differ, or ours from both: EDIT.
"""

from __future__ import annotations

$imports

${recipe}class ${cls}Config(MethodConfig):
    """EDIT: the settings."""

    scale: float = Field(1.0, gt=0, description="EDIT factor on the logits; 1, source of the default")


@register_method
class $cls($base[${cls}Config]):
    """EDIT: the formula, such as $formula."""

    info = MethodInfo(
        name="$name",
        title="$title",
        family=$family,
        summary="$summary",
        citation="""@misc{edit2000$name,
  title = {EDIT},
  author = {EDIT},
  year = {2000}
}""",
        config=${cls}Config,
        needs=frozenset({Needs.FEATURES}),  # EDIT: only what it reads of an image
$facts
    )

$body''')

TRAINED = {
    "imports": """import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from datasets_registry import ClassSet, EvalProtocol
from methods import (
    Batch,
    Classifier,
    Family,
    MethodConfig,
    MethodInfo,
    Needs,
    Recipe,
    SupportView,
    TrainableMethod,
    cosine_logits,
    register_method,
)
""",
    "recipe": """# EDIT: the published settings; a recipe for each protocol that the paper has settings for
RECIPE = Recipe(source="EDIT: where these values are printed", lr=0.002, epochs=50, batch_size=32)


""",
    "base": "TrainableMethod",
    "formula": "`scale * cos(W f, text)` with W from the identity",
    "summary": "EDIT: a linear map of the frozen image feature.",
    "facts": """        open_vocabulary=True,
        parameter_formula="embed_dim**2",  # EDIT
        recipes={EvalProtocol.FEW_SHOT: RECIPE, EvalProtocol.BASE_TO_NEW: RECIPE},""",
    "body": """    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        # EDIT: put all learned tensors into `trainable`; draw random numbers with generator=self.generator
        self.trainable = nn.ParameterDict({"weight": torch.eye(self.backbone.embed_dim)}).to(self.backbone.device)

    def classifier(self, classes: ClassSet) -> Classifier:
        text = F.normalize(self.backbone.class_texts(classes, classes.template), dim=-1)  # EDIT: the text side

        def classify(batch: Batch) -> Tensor:
            image = batch.features @ self.trainable["weight"].T  # EDIT: the image side
            return cosine_logits(image, text, self.config.scale * self.backbone.logit_scale)

        return classify
""",
}

TRAINING_FREE = {
    "imports": """import torch.nn.functional as F
from pydantic import Field

from datasets_registry import ClassSet
from methods import (
    Classifier,
    Family,
    Method,
    MethodConfig,
    MethodInfo,
    Needs,
    SupportView,
    cosine_logits,
    register_method,
    require_known_classes,
)
""",
    "recipe": "",
    "base": "Method",
    "formula": "`scale * cos(f, mean feature of the class)`",
    "summary": "EDIT: the mean feature of each class's support images.",
    "facts": """        open_vocabulary=False,  # EDIT: True if it can classify classes without images""",
    "body": """    def prepare(self, support: SupportView) -> None:
        super().prepare(support)
        # EDIT: computed once from the support images, without gradients
        features = F.normalize(support.features(), dim=-1)
        self.means = F.one_hot(support.labels, len(support.classes)).to(features.dtype).T @ features

    def classifier(self, classes: ClassSet) -> Classifier:
        require_known_classes("NAME", self.support_classes, classes)
        scale = self.config.scale * self.backbone.logit_scale
        return lambda batch: cosine_logits(batch.features, self.means, scale)  # EDIT
""",
}

TEST = Template('''"""$title: the checks that every method passes, and EDIT what is specific to this one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bench.conformance import CHECKS, Outcome, Subject, run_check
from $module import $cls

SUBJECT = Subject($cls)


@pytest.mark.parametrize("check", CHECKS)
def test_it_passes_the_checks_of_every_method(check: str) -> None:
    result = run_check(CHECKS[check], SUBJECT)
    assert result.outcome is not Outcome.FAILED, f"{result.message}. {result.check.remedy}"


def test_the_parameter_count_is_the_published_one() -> None:
    """EDIT: the count printed in the paper, on ViT-B/16 with 50 classes of 16 shots."""
    vit_b16 = SimpleNamespace(embed_dim=512, text_width=512, text_depth=12, vision_width=768, vision_depth=12)
    config = $cls.info.config()
    assert $cls.info.parameter_count(vit_b16, config, n_classes=50, shots=16) == $counted


# EDIT: compare its numbers with those of the official code on the same weights, or with its formula
''')

PROJECT = Template("""[build-system]
requires = ["hatchling>=1.25"]
build-backend = "hatchling.build"

[project]
name = "$project"
version = "0.1.0"
description = "$title, a method for etl-bench"
requires-python = ">=3.11"
dependencies = ["clip-etl-bench"]

[project.entry-points."$group"]
$name = "$package.$name"

[tool.hatch.build.targets.wheel]
packages = ["$package"]
""")

CHANGE = Template("- `$name`: EDIT what it learns, and from which paper.\n")
