"""Each rule refuses what would fail or would be something else than was asked, and what all rules allow runs.

A case of a rule is a sweep that the rule alone refuses. With the rule switched off, either planning or the run fails,
or the runs are those of another sweep, so that an option would have had no effect.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from half_precision import skipped_without_kernel
from teachers import teacher_file
from tiny_runs import BACKBONE, DATASET
from typer.testing import CliRunner

from bench.cli.app import app
from bench.errors import ImpossibleCombinationError, UsageError
from bench.experiment.features.inputs import load_inputs
from bench.experiment.runner import run_experiment
from bench.experiment.task import read_splits
from bench.record import RunStatus
from bench.sweep import SweepRequest, expand
from bench.sweep.driver import context_of
from bench.sweep.rules import RULES, Rule
from datasets_registry import DATASETS, ClassSet, EvalProtocol, feature_bundle, register_dataset
from methods import (
    METHODS,
    BackboneSpec,
    Classifier,
    Method,
    MethodConfig,
    MethodInfo,
    Needs,
    StreamClassifier,
    SupportView,
    cosine_logits,
    get_method,
)

FEATURES = "features.rule-clip"


class Settings(MethodConfig):
    """Settings that tie a method to its classes, select, or cannot be."""

    selection: Literal["fixed", "validation"] = "fixed"
    tied: bool = False
    wrong: bool = False

    def config_error(self) -> str | None:
        return "wrong cannot be true; set wrong=false" if self.wrong else None

    def closed_vocabulary(self) -> bool:
        return self.tied


def fake(name: str, *needs: Needs, **traits: Any) -> None:
    """Register a method that reads what it declares and classifies like zero-shot."""

    class Fake(Method[Settings]):
        info = MethodInfo(
            name=name, title=name, family="other", summary="Fake.", citation="none", config=Settings,
            needs=frozenset({"features", *needs}), **{"open_vocabulary": True} | traits,
        )  # fmt: skip

        def prepare(self, support: SupportView) -> None:
            super().prepare(support)
            if "unlabelled" in needs:
                assert len(support.unlabelled())
            elif "test_stream" not in needs:
                assert len(support.features()) == len(support.labels) > 0

        def calibrate(self, validation: SupportView) -> None:
            assert len(validation.features()) > 0

        def classifier(self, classes: ClassSet) -> Classifier:
            self.check_classes(classes)
            text = self.backbone.class_texts(classes, classes.template)

            def classify(batch: Any) -> Any:
                assert "pixels" not in needs or len(batch.pixels)
                return cosine_logits(batch.features, text, self.backbone.logit_scale)

            return StreamClassifier(partial(map, classify)) if "test_stream" in needs else classify

    METHODS.add(name, Fake)


@pytest.fixture(scope="module", autouse=True)
def _fakes() -> Iterator[None]:
    fake("f_open")
    fake("f_closed", open_vocabulary=False)
    fake("f_pool", "unlabelled")
    fake("f_pixels", "pixels")
    fake("f_stream", "test_stream")
    coop = get_method("coop")

    class Sometimes(coop):
        info = replace(coop.info, name="f_trained", title="f", recipes={
            EvalProtocol.FEW_SHOT: coop.info.recipes[EvalProtocol.FEW_SHOT]
        })  # fmt: skip

    METHODS.add("f_trained", Sometimes)
    yield
    for name in ("f_open", "f_closed", "f_pool", "f_pixels", "f_stream", "f_trained"):
        METHODS.remove(name)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A support list that names its dataset, one that does not, a teacher, and imported features."""
    folder, patch = tmp_path_factory.mktemp("files"), pytest.MonkeyPatch()
    drawn = CliRunner().invoke(app, ["datasets", "draw", DATASET, "--shots", "1", "--out", str(folder / "named.json")])
    assert drawn.exit_code == 0, drawn.output
    rows = json.loads((folder / "named.json").read_text())["train"]
    lines = [json.dumps({"impath": row["key"], "label": row["label"]}) for row in rows]
    (folder / "open.jsonl").write_text("\n".join(lines))
    patch.setenv("ETL_BENCH_DATASETS", str(folder))
    draw = np.random.default_rng(0)
    features = {part: (draw.normal(size=(4, 12)), np.arange(4, dtype=np.int16)) for part in ("train", "test", "val")}
    bundle = feature_bundle.import_feature_bundle(
        name="rule_features", backbone="rule-clip", class_names=["ant", "bee", "cat", "dog"],
        text_features=draw.normal(size=(4, 12)).astype(np.float32),
        splits={part: (array.astype(np.float16), labels) for part, (array, labels) in features.items()},
    )  # fmt: skip
    register_dataset(bundle.info())
    yield {
        "named": folder / "named.json", "open": folder / "open.jsonl", "teacher": teacher_file(folder)
    }  # fmt: skip
    patch.undo()
    load_inputs.cache_clear()
    read_splits.cache_clear()
    DATASETS.remove("rule_features")


USUAL: dict[str, Any] = {
    "methods": "f_open", "datasets": DATASET, "backbones": BACKBONE, "protocol": "few-shot", "shots": 1, "seeds": "1,",
}  # fmt: skip
OTHERS = "spectrum_words:test=2"


@dataclass(frozen=True)
class Case:
    """A sweep that one rule refuses.

    Args:
        asked: the options of the sweep, those of `USUAL` otherwise.
        instead: options of the sweep that would have the same runs or scores without the rule; None if it would fail.
        unseen: what it would be, where neither can be shown cheaply.
        towers: attributes of the backbone.
        also: rules after it that would refuse the sweep for a consequence.
    """

    asked: dict[str, Any]
    instead: dict[str, Any] | None = None
    unseen: str = ""
    towers: dict[str, Any] = field(default_factory=dict)
    also: tuple[str, ...] = ()


STUDENT = {"methods": "promptkd", "unlabelled": "train", "teacher": "teacher"}
TRANSFER = {"protocol": "cross-dataset", "targets": [OTHERS]}
IMPORTED = {"datasets": "rule_features", "backbones": FEATURES}
TOWER = "it fails in the tower; only a backbone of that kind shows it"
CASES = {
    "empty axis": Case({"seeds": []}),
    "large number": Case({"shots": [2**64]}),
    "repeated value": Case({"seeds": [1, 1]}, {}),
    "no shots": Case({"shots": [0]}),
    "negative seed": Case({"seeds": [-1]}),
    "repeated support rule": Case(
        {"support": ["noisy:.5", "noisy:0.5"], "shots": 4}, {"support": ["noisy:0.5"], "shots": 4}
    ),
    "changed draw of all images": Case({"shots": "all", "support": ["noisy:0.5"]}, {"shots": "all"}),
    "pool of a test stream": Case(
        {"protocol": "test-time", "methods": "f_stream,f_pool", "unlabelled": "train"},
        {"protocol": "test-time", "methods": "f_stream"},
    ),
    "test images of targets": Case(
        TRANSFER | {"methods": "f_pool", "unlabelled": "transductive"},
        unseen="the pool would lack the test images of the targets",
    ),
    "pool of new classes": Case(
        {"methods": "f_pool", "unlabelled": "train+new:4"}, {"methods": "f_pool", "unlabelled": "train:4"}
    ),
    "draw without its list": Case({"draw": "file"}),
    "useless targets": Case({"targets": [OTHERS]}, {}),
    "no targets": Case({"protocol": "cross-dataset"}),
    "repeated target": Case(TRANSFER | {"targets": [OTHERS, OTHERS]}, TRANSFER),
    "repeated list": Case({"support": ["named", "named"]}, {"support": ["named"]}),
    "list of several datasets": Case(
        {"support": ["open"], "datasets": [DATASET, OTHERS]}, unseen="paths of one dataset may name images of another"
    ),
    "unknown variant of texts": Case({"class_text": "variant:none"}, {}),
    "useless pool": Case({"unlabelled": "train"}, {}),
    "useless teacher": Case({"teacher": "teacher"}, {}),
    "test stream elsewhere": Case({"methods": "f_stream"}, {"methods": "f_stream", "protocol": "test-time"}),
    "no test stream": Case({"protocol": "test-time"}),
    "closed vocabulary": Case({"protocol": "base-to-new", "methods": "f_closed"}),
    "settings": Case({"overrides": "f_open.wrong=true"}),
    "no pool": Case({"methods": "f_pool"}),
    "training on the pool of each target": Case(
        TRANSFER | STUDENT,
        unseen="one training would stand for one on the images of each target",
    ),
    "no recipe": Case({"protocol": "base-to-new", "methods": "f_trained"}),
    "class texts of learned texts": Case({"methods": "coop", "class_text": "template:a {}."}, {"methods": "coop"}),
    "no teacher": Case({"methods": "promptkd", "unlabelled": "train"}),
    "class texts of a teacher": Case(
        STUDENT | {"shots": 2, "class_text": "template:a {}."},
        unseen="the texts would not be those that its teacher learned",
    ),
    "selection that is not offered": Case({"selection": "ensemble"}, {}),
    "no single epoch": Case(
        {"methods": "promptsrc", "selection": "validation"}, unseen="the average is there only after the last epoch"
    ),
    "features of another backbone": Case({"datasets": "rule_features"}),
    "images without a tower": Case({"backbones": FEATURES}),
    "targets with other features": Case(IMPORTED | TRANSFER),
    "class texts of imported features": Case(IMPORTED | {"class_text": "template:a {}."}),
    "no list of the dataset": Case({"support": ["named"], "datasets": OTHERS}),
    "source as its only target": Case(TRANSFER | {"targets": [DATASET]}),
    "gradients in fp16": Case({"methods": "coop", "precision": "fp16"}, unseen="gradients become zero"),
    "precision of imported features": Case(IMPORTED | {"precision": "bf16"}, IMPORTED),
    "images of imported features": Case(IMPORTED | {"methods": "f_pixels"}),
    "learned texts of imported features": Case(IMPORTED | {"methods": "coop"}, also=("whole texts",)),
    "no vision transformer": Case({"methods": "vpt"}, unseen=TOWER, towers={"is_vision_transformer": False}),
    "whole texts": Case({"methods": "coop"}, unseen=TOWER, towers={"learns_text": False}),
    "inside of a tower": Case(
        {"methods": "clip_lora"}, unseen=TOWER, towers={"tower_error": lambda _self, use: f"it has no {use}"}
    ),
    "no tokenizer": Case({}, unseen=TOWER, towers={"text_tower_error": "its tokenizer is not here"}),
    "prompts deeper than the tower": Case({"methods": "vpt", "overrides": "vpt.depth=50"}),
    "views of imported features": Case(
        IMPORTED | {"protocol": "test-time", "methods": "tda", "overrides": "tda.views=2"},
        IMPORTED | {"protocol": "test-time", "methods": "tda"},
    ),
    "templates of imported features": Case(IMPORTED | {"methods": "gda", "overrides": 'gda.templates=["select7"]'}),
    "teacher of another dataset": Case(STUDENT | {"datasets": OTHERS}),
}  # fmt: skip


def request(files: dict[str, Path], **options: Any) -> SweepRequest:
    """A sweep with the shortest training, in which `files` are named by their keys."""
    given = {**USUAL, "recipe": "demo", **options}
    given["support"] = [files.get(text, text) for text in given.get("support", [])]
    given["teacher"] = files.get(given.get("teacher", ""))
    return SweepRequest.build(**given)


def noting(refused: list[str]) -> Callable[[Rule, Any], str | None]:
    """`Rule.reason`, which also notes the names of rules that refuse."""
    reason = Rule.reason

    def noted(rule: Rule, of: Any) -> str | None:
        why = reason(rule, of)
        refused.extend([] if why is None else [rule.name])
        return why

    return noted


def scores(asked: SweepRequest) -> list[Any]:
    """The scores of the runs of a sweep."""
    context = context_of(asked, 1).model_copy(update={"cache_dir": None})
    return [run_experiment(spec, context)[0].scores for spec in expand(asked).specs]


def test_every_rule_has_a_case() -> None:
    assert set(CASES) == {rule.name for rule in RULES}
    assert len(CASES) == len(RULES)


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_what_a_rule_refuses_would_fail_or_be_something_else(
    name: str, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    for attribute, value in case.towers.items():
        monkeypatch.setattr(BackboneSpec, attribute, value)
    asked = request(files, **case.asked)
    refused: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(Rule, "reason", noting(refused))
        with suppress(UsageError, ImpossibleCombinationError):
            expand(asked)
    assert name in refused
    if case.unseen:
        return
    reason = Rule.reason
    off = {name, *case.also}
    monkeypatch.setattr(Rule, "reason", lambda rule, of: None if rule.name in off else reason(rule, of))
    if case.instead is not None:
        instead = request(files, **case.instead)
        same = [spec.run_id for spec in expand(asked).specs] == [spec.run_id for spec in expand(instead).specs]
        assert same or scores(asked) == scores(instead)
        return
    with pytest.raises(Exception):  # noqa: B017, PT011  whatever the code of a method or of torch raises
        scores(asked)


def drawn_request(draw: random.Random, files: dict[str, Path], precision: str) -> SweepRequest:
    """A random sweep of fake methods; much of it cannot be."""
    names = ["f_open", "f_closed", "f_pool", "f_pixels", "f_stream", "f_trained", "zero_shot"]
    protocol = draw.choice(list(EvalProtocol))
    targets = {EvalProtocol.CROSS_DATASET: OTHERS, EvalProtocol.DOMAIN_GENERALIZATION: "spectrum_basic:test=6"}
    options = {
        "methods": draw.sample(names, 3),
        "protocol": protocol,
        "targets": [targets[protocol]] if protocol in targets else [],
        "shots": draw.choice([1, 2, "all"]),
        "unlabelled": draw.choice(["none", "none", "train", "train:4", "train+new:4", "transductive"]),
        "support": draw.choice([[], [], [], ["noisy:0.25"], ["named"]]),
        "selection": draw.choice([None, None, None, "fixed", "last", "validation", "hoso", "oracle"]),
        "class_text": draw.choice(["template", "template", "template:a {}."]),
        "precision": precision,
        "backbones": draw.choice([[BACKBONE], [BACKBONE], [BACKBONE, FEATURES], [FEATURES]]),
        "datasets": draw.choice([[DATASET], [DATASET, "rule_features"]]),
    }
    if "f_open" in options["methods"]:
        options["overrides"] = draw.choice([[], ["f_open.tied=true"], ["f_open.wrong=true,false"]])
    return request(files, **options)


@pytest.mark.parametrize(("precision", "runs"), [("fp32", 15), ("bf16", 5)])
def test_what_the_rules_allow_runs_to_an_end(files: dict[str, Path], precision: str, runs: int) -> None:
    draw, done, refused = random.Random(0), set[str](), 0
    while len(done) < runs:
        asked = drawn_request(draw, files, precision)
        try:
            planned = expand(asked)
        except (UsageError, ImpossibleCombinationError):
            refused += 1
            continue
        refused += bool(planned.left_out)
        for spec in planned.specs:
            if spec.run_id not in done:
                context = context_of(asked, 1).model_copy(update={"cache_dir": None})
                with skipped_without_kernel():
                    assert run_experiment(spec, context)[0].status is RunStatus.OK
                done.add(spec.run_id)
    assert refused > runs / 4
