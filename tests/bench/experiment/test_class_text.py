"""Class texts are part of a run's identity: two wordings are two rows, never one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from families_of_methods import WITHOUT_TEACHER, one_of_each_family
from short_settings import short_overrides, short_recipe_overrides
from small_datasets import write_dataset
from sweep_requests import changed, sweep_over

from bench.analysis.leaderboard_building import board_settings, build_leaderboard
from bench.context import RunContext
from bench.errors import ImpossibleCombinationError, StaleSpecError, UsageError
from bench.experiment.features.inputs import shared_inputs
from bench.experiment.runner import run_experiment
from bench.results.database import fresh_store
from bench.results.shards import Shards
from bench.spec import ExperimentSpec
from bench.sweep import expand, named_files
from datasets_registry import EvalProtocol
from methods import METHODS

AXES = sweep_over(
    ["zero_shot"], ["eurosat"], ["ViT-tiny.random"], protocol=EvalProtocol.FEW_SHOT, shots=(2,), seeds=(1,)
)
SENTENCES = {f"class {i}": [f"Number {i}.", f"It is the {i}th."] for i in range(4)}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_dataset(root, "eurosat")
    (root / "d.json").write_text(json.dumps(SENTENCES))
    return root


@pytest.fixture
def grow(data: Path):
    def grow(text: str | None, **changes: object) -> tuple[ExperimentSpec, ...]:
        return expand(changed(AXES, class_text=text, **changes, data_root=data)).specs

    return grow


def test_another_wording_is_another_run(grow, data: Path):
    texts = [None, "template:a {}.", "variant:plain", "ensemble:select7", f"descriptions:{data / 'd.json'}"]
    specs = [grow(text)[0] for text in texts]
    assert len({spec.run_id for spec in specs}) == len({spec.task_fingerprint for spec in specs}) == 5
    assert specs[0].class_text is None
    assert specs[0] == grow("template")[0]
    assert str(specs[4].class_text).startswith("descriptions:")
    assert str(data) not in specs[4].model_dump_json(), "named by content"


def test_two_wordings_are_two_rows_and_the_plain_one_is_the_baseline(grow, data: Path, tmp_path: Path):
    for text in (None, "ensemble:generic60"):
        Shards(tmp_path).write(*run_experiment(grow(text)[0], RunContext(data_root=data)))
    frame = fresh_store(tmp_path).runs_frame()
    board = build_leaderboard(frame, board_settings(frame)[0])
    assert {entry.label for entry in board.entries} == {"class_text=ensemble:generic60", "class_text=template"}
    assert board.baseline == "zero_shot [class_text=template]"


def test_descriptions_are_looked_up_by_their_digest(grow, data: Path, tmp_path: Path):
    path = tmp_path / "d.json"
    path.write_text(json.dumps(SENTENCES))
    (spec,) = grow(f"descriptions:{path}")
    files = named_files(changed(AXES, class_text=f"descriptions:{path}"))
    record, _ = run_experiment(spec, RunContext(data_root=data, files=files))
    assert record.cost.shared_text_passes == 8
    with pytest.raises(StaleSpecError, match=r"needs the descriptions \w+; give"):
        run_experiment(spec, RunContext(data_root=data))
    path.write_text(json.dumps(SENTENCES | {"class 0": ["changed"]}))
    with pytest.raises(StaleSpecError, match="The descriptions changed since"):
        run_experiment(spec, RunContext(data_root=data, files=files))


def test_methods_that_learn_their_text_are_refused(grow):
    with pytest.raises(ImpossibleCombinationError, match="input, so --class-text ens"):
        grow("ensemble:select7", methods=["coop"])
    left = {spec.method: METHODS.get(spec.method).info for spec in grow("ensemble:select7", methods=["*"])}
    assert {"zero_shot", "coprompt"} <= set(left), "the second learns texts"
    assert not any(info.learns_text and not info.class_text_teacher for info in left.values())


def test_texts_that_the_classes_lack_are_refused(grow, tmp_path: Path):
    (tmp_path / "d.json").write_text(json.dumps({"class 0": ["x"]}))
    with pytest.raises(ImpossibleCombinationError, match="sentence for 3 of the 4"):
        grow(f"descriptions:{tmp_path / 'd.json'}")
    with pytest.raises(UsageError, match="selected datasets .* have: clip_all"):
        grow("variant:kgcoop")


MIXED = {"rehark"}
"""Methods that mix the sentences with the dataset's template, as published; their own tests compare both."""
FROZEN = [name for name in WITHOUT_TEACHER if not METHODS.get(name).info.learns_text and name not in MIXED]


@pytest.mark.parametrize("name", one_of_each_family(FROZEN))
def test_no_frozen_method_speaks_a_template_when_sentences_are_given(grow, name: str, data: Path, monkeypatch):
    """A method that ignored them would give the template's number under the sentences' name."""
    info = METHODS.get(name).info
    (spec,) = grow(
        "template:the {} it is.",
        methods=[name],
        protocol=EvalProtocol.TEST_TIME if info.reads_test_stream else EvalProtocol.FEW_SHOT,
        unlabelled="train" if info.needs_pool else "none",
        overrides=[*short_overrides(name), *(short_recipe_overrides(name) if info.recipes else [])],
    )
    backbone = shared_inputs("ViT-tiny.random", RunContext()).backbone
    said: list[str] = []
    plain = backbone.encode_texts
    monkeypatch.setattr(backbone, "encode_texts", lambda texts: (said.extend(texts), plain(texts))[1])
    run_experiment(spec, RunContext(data_root=data))
    assert said or "features" in info.needs
    assert all(text.startswith("the class ") for text in said), said
