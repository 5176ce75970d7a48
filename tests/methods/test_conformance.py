"""Every registered method passes the conformance kit and predicts as before; registering a new one tests it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from families_of_methods import cheap_of_each_family, some_fast
from one_case import for_each
from short_settings import SHORT

from bench.extensions.conformance import CHECKS, CheckOutcome, Subject, run_check
from bench.extensions.conformance.subject import OTHER_CLASSES, TASK
from datasets_registry import EvalProtocol
from methods import METHODS, ClosedVocabularyError, Sizes, demo_recipe
from tools.golden_predictions import COMMAND, FILE, golden

GOLDEN = json.loads(FILE.read_text(encoding="utf-8"))
TOLERANCE = 5e-4
"""Of the largest logit. Three sets of processor instructions differed by 9e-5; training changes at least 1.7e-3."""


LONG = {"images_belong_to_their_labels", "training_learns", "runs_are_independent", "a_kept_model_classifies_alike"}
"""Checks that take more than half of the time of all."""
FAST = cheap_of_each_family(list(METHODS))
"""Methods with fast tests of all checks. The stored predictions of every other method are compared fast, too."""


@pytest.fixture(scope="module")
def subject(request: pytest.FixtureRequest) -> Subject:
    """A method in a tiny task. Its tests run one after the other and share its training."""
    subject = Subject(METHODS.get(request.param))
    if request.param not in SHORT:
        return subject
    settings = subject.config.model_dump() | SHORT[request.param]
    return Subject(subject.method, type(subject.config).model_validate(settings))


def failures(subject: Subject, checks: Iterable[str]) -> list[str]:
    results = [run_check(CHECKS[check], subject) for check in checks]
    failed = [result for result in results if result.outcome is CheckOutcome.FAILED]
    return [f"{one.check}: {one.message}. {one.remedy}" for one in failed]


@pytest.mark.parametrize("subject", some_fast(list(METHODS), FAST), indirect=True)
def test_a_method_passes_the_quick_checks(subject: Subject) -> None:
    assert failures(subject, [check for check in CHECKS if check not in LONG]) == []


@pytest.mark.parametrize("subject", some_fast(list(METHODS), FAST), indirect=True)
def test_a_method_passes_the_long_checks(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer steps than those of the command are enough where nothing is wrong."""
    monkeypatch.setattr("bench.extensions.conformance.subject.FULL_STEPS", 20)
    assert failures(subject, LONG) == []


@pytest.mark.portable
@pytest.mark.parametrize("subject", list(METHODS), indirect=True)
def test_a_method_gives_the_predictions_of_its_version_and_learns_the_stated_parameters(subject: Subject) -> None:
    name = subject.info.name
    as_published = Subject(subject.method) if name in SHORT else subject
    now, before = golden(as_published), GOLDEN.get(name, {"version": None, "logits": []})
    again = f"raise `MethodInfo.version` of {name} to {subject.info.version + 1} and run `{COMMAND}`"
    assert now["version"] == before["version"], f"run `{COMMAND}` after a change of a version or a new method"
    logits, expected = torch.tensor(now["logits"]), torch.tensor(before["logits"])
    assert logits.shape == expected.shape
    difference = float((logits - expected).abs().max() / expected.abs().max())
    assert difference <= TOLERANCE, (
        f"The logits of {name} differ from the stored ones by {difference:.1e} of the largest. Either the change is a "
        f"mistake, or {again}."
    )
    task = replace(as_published.backbone.sizes, n_classes=len(TASK.classes), shots=TASK.shots)
    assert as_published.finished.learned_parameters() == as_published.config.parameter_count(task)


def test_every_method_with_stored_predictions_exists() -> None:
    assert set(GOLDEN) == set(METHODS), f"run `{COMMAND}`"


@for_each("name", list(METHODS))
def test_a_method_is_registered_under_the_name_of_its_file(name: str) -> None:
    cls = METHODS.get(name)
    assert cls.info.name == name == inspect.getmodule(cls).__name__.rpartition(".")[2]  # type: ignore[union-attr]
    for recipe in cls.info.recipes.values():
        assert demo_recipe(recipe).name == "demo"


def test_class_specific_contexts_refuse_other_classes() -> None:
    from methods.coop import CoOpConfig

    subject = Subject(METHODS.get("coop"), CoOpConfig(class_specific=True, n_ctx=4))
    assert not subject.is_open
    with pytest.raises(ClosedVocabularyError, match="its 3 training classes"):
        subject.evaluation_logits(subject.prepared(), OTHER_CLASSES)


# trainable parameters on ViT-B/16 (embed 512, text 512 x 12, vision 768 x 12), 50 classes of 16 shots, from the cards
LEARN_NOTHING = (
    "zero_shot", "tip_adapter", "gda", "ss_text", "ss_text_plus", "ss_text_u", "timo", "timo_s", "ape", "proker",
    "rehark", "tda", "tpt", "transclip",
)  # fmt: skip
CARD_COUNTS = {
    "coop": 2_048,
    "clip_adapter": 131_072,
    "vpt": 73_728,
    "ivlp": 30_720,
    "deep_text_prompts": 24_576,
    "apex": 282_112,
    "kgcoop": 2_048,
    "prograd": 8_192,
    "cocoop": 35_360,
    "maple": 3_555_072,
    "promptsrc": 46_080,
    "promptkd": 1_013_760,
    "clip_lora": 184_320,
    "tcp": 331_904,
    "skip_tuning": 62_099_456,
    "dekg": 2_048,
    "nlprompt": 8_192,
    "dekg_tcp": 331_904,
    "mma": 674_560,
    "mmrl": 4_992_256,
    "mmrl_pp": 813_312,
    "clip_svd": 92_160,
    "lweib": 12 * (15 * 512 + 45 * 768) - 36 * 768,
    "hicropl": 16 * 12 * (512 + 768),
    "rpo": 30_720,
    "dept": 2_048 + 2_048 + 50 * 513,
    "coprompt": 3_817_216,
    "two_stage": 61_440 + 50 * 512,
    "clip_fit": 46_080,
    "plot_pp": 16 * 512 + 8 * 768,
    "wise_ft_on": 46_080,
    "apex_on": 2_048,
    "tcpt_on": 8_192,
    "dpc_on": 2_048,
    "atprompt_on": 3 * 2 * 512,
    "tip_adapter_f": 16 * 50 * 512,
    "dmn": 5 * 50 * 512,
    "task_res": 50 * 512,
    "zs_lp": 50 * 512,
    "clap": 50 * 512,
    "linear_probe": 50 * 513,
    "lp_plus_plus": 50 * 512 + 2 * 50,
    "cross_modal": 50 * 512,
    "prolip": 393_216,
    "ldc": 4 * 768 * 770 + 2_048 * 564 + 512 * 2_669,
    "full_ft": 86_192_640,
    "last_block_ft": 7_087_872,
}


VIT_B16 = Sizes(
    embed_dim=512, text_width=512, text_blocks=12, image_width=768, image_blocks=12, image_parameters=86_192_640,
    n_classes=50, shots=16,
)  # fmt: skip


@for_each("name", [*CARD_COUNTS, *LEARN_NOTHING])
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    info = METHODS.get(name).info
    config = info.default_config(EvalProtocol.BASE_TO_NEW)
    assert config.parameter_count(VIT_B16) == CARD_COUNTS.get(name, 0)
