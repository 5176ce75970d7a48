"""Models that are not CLIPs beside the best CLIP rows on the same images."""

from __future__ import annotations

from pathlib import Path

import pytest
from worlds import make_world

from bench.analysis import beside_clip, build_leaderboards
from bench.results import fresh_store
from bench.spec import OTHER_MODELS
from datasets_registry import EvalProtocol

CLIPS = {"zero_shot": 0.5, "coop": 0.7, "maple": 0.6}
TALKER = "external:talker"
FEW = EvalProtocol.FEW_SHOT


def write(folder: Path, rates: dict[str, float], *splits: str, **options: object) -> None:
    of_split = splits or ("all",)
    accuracies = {method: {"a": dict.fromkeys(of_split, rate)} for method, rate in rates.items()}
    make_world(folder, accuracies, **{"protocol": FEW, "seed_spread": 0.0} | options)


def pairs(folder: Path) -> list[beside_clip.BesideClip]:
    runs = fresh_store(folder).runs_frame(outcomes=True)
    return beside_clip.best_pairs(build_leaderboards(runs), runs)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three CLIP rows with three seeds, and a talker with one."""
    write(tmp_path, CLIPS)
    write(tmp_path, {TALKER: 0.6}, seeds=(2,), backbone=OTHER_MODELS)
    return tmp_path


def test_each_kind_of_input_has_its_best_clip_row(runs: Path) -> None:
    by_inputs = {pair.clip.inputs: pair for pair in pairs(runs)}
    assert {inputs: pair.clip.entry.method for inputs, pair in by_inputs.items()} == {
        "16 shots": "coop",
        "0 shots": "zero_shot",
    }
    for pair in by_inputs.values():
        assert (pair.model.entry.method, pair.model.inputs, pair.measure) == (TALKER, "16 shots", "all")
        assert (pair.seeds, pair.images) == ((2,), 400)
        test = pair.difference
        assert test.mean == pytest.approx(pair.score - pair.clip_score)
        assert test.low is not None
        assert test.low < test.mean < test.high
        assert test.clear
    assert by_inputs["16 shots"].difference.mean < 0 < by_inputs["0 shots"].difference.mean


def test_pairs_are_narrower_than_the_noise_of_both(runs: Path) -> None:
    """An image is equally difficult for both, so its noise cancels."""
    for pair in pairs(runs):
        alone = [score * (1 - score) / pair.images for score in (pair.score, pair.clip_score)]
        assert pair.difference.standard_error < 0.9 * sum(alone) ** 0.5


def test_another_backbone_and_other_shots_are_pairs_of_their_own(runs: Path) -> None:
    write(runs, {"coop": 0.8}, backbone="ViT-L-14.openai")
    write(runs, {"coop": 0.55}, shots=4)
    found = {(pair.clip.board.setting.backbone, pair.clip.inputs): pair.clip.entry.method for pair in pairs(runs)}
    assert len(found) == len(pairs(runs)) == 4
    assert found["ViT-L-14.openai", "16 shots"] == "coop"


def test_a_zero_shot_talker_is_paired_once_with_every_kind(tmp_path: Path) -> None:
    write(tmp_path, CLIPS)
    write(tmp_path, {TALKER: 0.6}, seeds=(0,), shots=0, backbone=OTHER_MODELS)
    write(tmp_path, {"external:other": 0.6}, seeds=(1,), backbone=OTHER_MODELS)
    found = [pair for pair in pairs(tmp_path) if pair.model.entry.method == TALKER]
    assert sorted((pair.clip.inputs, pair.seeds) for pair in found) == [("0 shots", (1,)), ("16 shots", (1, 2, 3))]
    assert {pair.model.inputs for pair in found} == {"0 shots"}


def test_base_to_new_has_every_measure(tmp_path: Path) -> None:
    b2n = {"protocol": EvalProtocol.BASE_TO_NEW}
    write(tmp_path, CLIPS, "base", "new", **b2n)
    write(tmp_path, {TALKER: 0.6}, "base", "new", seeds=(1,), backbone=OTHER_MODELS, **b2n)
    found = [(pair.measure, pair.images) for pair in pairs(tmp_path) if pair.clip.shots]
    assert found == [("base", 400), ("new", 400), ("H", 800)]


def test_other_images_seeds_and_protocols_are_not_compared(tmp_path: Path) -> None:
    write(tmp_path, {"coop": 0.7}, seeds=(1,))
    write(tmp_path, {"coop": 0.7}, "base", "new", seeds=(2,), protocol=EvalProtocol.BASE_TO_NEW)
    write(tmp_path, {TALKER: 0.6}, seeds=(2,), backbone=OTHER_MODELS)
    write(tmp_path, {"external:fewer": 0.6}, seeds=(1,), images=100, backbone=OTHER_MODELS)
    assert pairs(tmp_path) == []


def test_without_such_rows_there_is_nothing(tmp_path: Path) -> None:
    write(tmp_path, CLIPS)
    assert pairs(tmp_path) == []
