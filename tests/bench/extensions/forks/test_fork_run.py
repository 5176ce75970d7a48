"""Whole runs of official code: their scores, what is recorded, and the habits of real repositories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fork_runs import BACKBONE, planned, run_fork, trust, trusted_fork
from stand_in_forks import apply, commit, make_fork
from sweep_requests import sweep_over

from bench.context import RunContext
from bench.errors import StaleSpecError
from bench.experiment.runner import run_experiment
from bench.extensions.forks import OfficialCodeError, fork_run, run_official_code
from bench.record import Predictions, RunRecord, RunStatus
from bench.sweep import expand
from datasets_registry import EvalProtocol

UNTRAINED = "fork.opts=OPTIM.LR 0.0"
Run = tuple[RunRecord, dict[str, Predictions]]


def zero_shot(dataset: str, data: Path, template: str, **axes: object) -> dict[str, Predictions]:
    values = {"protocol": EvalProtocol.FEW_SHOT, "data_root": data, "class_text": f"template:{template}"} | axes
    backbones = values.pop("backbones", [BACKBONE])
    (spec,) = expand(sweep_over(["zero_shot"], [dataset], backbones, **values)).specs
    _, items = run_experiment(spec, RunContext(data_root=data))
    return {item.split: item for item in items}


def assert_alike(theirs: Predictions, ours: Predictions) -> None:
    assert theirs.images == ours.images
    assert theirs.label.tolist() == ours.label.tolist()
    assert theirs.predicted.tolist() == ours.predicted.tolist()
    np.testing.assert_allclose(theirs.true_logit, ours.true_logit, atol=1e-3)
    np.testing.assert_allclose(theirs.log_sum_exp, ours.log_sum_exp, atol=1e-3)
    np.testing.assert_allclose(theirs.top_logits, ours.top_logits, atol=1e-3)


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trusted_fork(tmp_path_factory.mktemp("forks") / "stand-in")


@pytest.fixture(scope="module")
def trained(fork: Path, data: Path) -> Run:
    """A training on EuroSAT that is also evaluated on DTD."""
    return run_fork(fork, data, protocol=EvalProtocol.CROSS_DATASET, targets=["dtd"])


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_zero_shot_clip_in_official_code_is_ours(fork: Path, data: Path) -> None:
    """Synthetic images become files, the weights become OpenAI's, and the template is that of the other name."""
    dataset = "spectrum_basic:test=1"
    _, theirs = run_fork(fork, data, UNTRAINED, "fork.dataset=EuroSAT", dataset=dataset, backbones=["ViT-demo.drawn"])
    ours = zero_shot(dataset, data, "a centered satellite photo of {}.", backbones=["ViT-demo.drawn"])
    assert_alike(theirs["all"], ours["all"])


@pytest.mark.slow  # zero-shot on all classes
def test_base_and_new_classes_and_all_of_them_are_ours(fork: Path, data: Path) -> None:
    record, theirs = run_fork(fork, data, UNTRAINED, protocol=EvalProtocol.BASE_TO_NEW)
    ours = zero_shot("eurosat", data, "a centered satellite photo of {}.", protocol=EvalProtocol.BASE_TO_NEW)
    assert theirs.keys() == ours.keys() == {"base", "new", "open-base", "open-new"}
    for split in theirs:
        assert_alike(theirs[split], ours[split])
    assert record.open is not None


def test_training_changes_the_scores_by_the_seed(fork: Path, data: Path, trained: Run) -> None:
    untrained = zero_shot("eurosat", data, "a centered satellite photo of {}.")["all"]
    _, second = run_fork(fork, data, seeds=(2,))
    logits = [one.true_logit for one in (untrained, trained[1]["all"], second["all"])]
    assert np.abs(logits[0] - logits[1]).max() > 1e-2
    assert np.abs(logits[1] - logits[2]).max() > 1e-4


def test_a_target_is_evaluated_by_what_was_trained_on_the_source(data: Path, trained: Run) -> None:
    record, items = trained
    assert [(score.split, score.n, score.n_classes) for score in record.scores] == [("all", 8, 4), ("dtd", 8, 4)]
    untrained = zero_shot("dtd", data, "{} texture.")["all"]
    assert items["dtd"].images == untrained.images
    assert np.abs(items["dtd"].true_logit - untrained.true_logit).max() > 1e-2


# --- records ----------------------------------------------------------------------------------------------------------


def test_a_record_says_which_code_ran_and_what_it_was_given(trained: Run) -> None:
    record, items = trained
    assert record.status is RunStatus.OK
    assert record.spec.method == "fork:stand-in/OffsetText"
    external = record.provenance.external
    assert external is not None
    assert external.repository == "https://example.org/lab/stand-in.git"
    assert external.command.startswith("train.py --trainer OffsetText --config-file")
    assert "TRAINER.OFFSET.W 0.5" in external.command
    assert external.command.endswith("DATASET.NUM_SHOTS 2 DATASET.SUBSAMPLE_CLASSES all INPUT.SIZE (32, 32)")
    assert "/" not in external.command.partition("--root ")[2].split()[0]
    assert external.weights_asked == ["ViT-B-16.pt"]
    assert (external.weights_proved, external.images_proved, external.own_draw) == (True, True, False)
    assert external.stand_ins == ["tabulate", "comet_ml"]
    assert external.full_precision, "half precision"
    assert (external.test_evaluations, external.trained_values) == (1, 64)
    assert record.final_loss is not None
    assert record.final_loss > 0
    assert len(record.provenance.support_digests) == 8
    assert len(items["all"].images) == 8


def test_the_code_is_part_of_the_identity_and_its_place_is_not(tmp_path: Path, data: Path) -> None:
    fork = trusted_fork(tmp_path / "fork")
    moved = trusted_fork(tmp_path / "moved" / "elsewhere")
    first, _ = planned(fork, data)
    assert planned(moved, data)[0].run_id == first.run_id
    assert planned(fork, data, "fork.python=/usr/bin/python3")[0].run_id == first.run_id
    assert planned(fork, data, f"fork.path={tmp_path}")[0].run_id == first.run_id
    assert planned(fork, data, "fork.opts=OPTIM.LR 0.5")[0].run_id != first.run_id
    (fork / "notes.txt").write_text("not tracked")
    assert planned(fork, data)[0].run_id == first.run_id
    apply(fork, ("trainers/offset_text.py", "square()", "abs()"))
    trust(fork)
    assert planned(fork, data)[0].run_id != first.run_id


def test_code_that_changed_after_the_plan_is_not_run(tmp_path: Path, data: Path) -> None:
    fork = trusted_fork(tmp_path / "fork")
    spec, context = planned(fork, data)
    with pytest.raises(StaleSpecError, match="again with -m fork:PATH"):
        run_official_code(spec, RunContext(data_root=data))
    apply(fork, ("train.py", "import argparse\n", "import argparse\n\n"))
    with pytest.raises(StaleSpecError, match="changed since this run"):
        run_official_code(spec, context)


# --- habits -----------------------------------------------------------------------------------------------------------


def test_scores_of_code_with_habits_are_recorded(tmp_path: Path, data: Path, trained: Run) -> None:
    """It leaves out an image, has an optimiser that Dassl lacks, tests after each epoch, and ends with os._exit."""
    habits = (
        "own training images",
        "optimiser that Dassl lacks",
        "tests after each epoch",
        "leaves without cleaning up",
        "settings of datasets in a folder of their own",
        "settings of a dataset without its class",
    )
    record, items = run_fork(trusted_fork(tmp_path / "fork", *habits), data)
    external = record.provenance.external
    assert external is not None
    assert (external.own_draw, external.images_proved, external.test_evaluations) == (True, False, 3)
    assert np.abs(items["all"].true_logit - trained[1]["all"].true_logit).max() > 1e-4


def test_what_older_versions_and_whole_checkouts_have_is_given(tmp_path: Path, data: Path, trained: Run) -> None:
    """Its folders lie beside a second tree, and without `__init__.py` under the name of an installed package."""
    habits = (
        "breakpoints",
        "a number from an array of one value",
        "weights from an archive only",
        "second derivatives of attention",
        "vocabulary that was not committed",
    )
    made = make_fork(tmp_path / "fork", *habits)
    for folder in ("datasets", "trainers"):
        (made / folder / "__init__.py").unlink()
    (made / "inner").mkdir()
    for path in [path for path in made.iterdir() if path.name not in (".git", "inner")]:
        path.rename(made / "inner" / path.name)
    apply(made, ("trainers/offset_text.py", "", "raise AssertionError('code of the other tree')"))
    commit(made)
    trust(made)
    settings = "inner/configs/trainers/OffsetText/vit.yaml TRAINER.OFFSET.W 0.5"
    record, items = run_fork(made, data, f"fork.command=inner/train.py --config-file {settings}")
    np.testing.assert_allclose(items["all"].true_logit, trained[1]["all"].true_logit, atol=0.01)
    assert record.provenance.external is not None
    assert record.provenance.external.filled_in == ["inner/clip/bpe_simple_vocab_16e6.txt.gz"]


@pytest.mark.slow  # the code with other habits
def test_code_that_never_tests_is_tested_after_its_training(tmp_path: Path, data: Path, trained: Run) -> None:
    habits = ("never tests", "reads an image of its own")
    record, items = run_fork(trusted_fork(tmp_path / "fork", *habits), data)
    np.testing.assert_allclose(items["all"].true_logit, trained[1]["all"].true_logit, rtol=1e-5)
    external = record.provenance.external
    assert external is not None
    assert (external.own_draw, external.images_proved, external.test_evaluations) == (False, False, 1)


@pytest.mark.parametrize(
    ("habit", "message"),
    [
        (
            "package that is absent",
            r"The module optimal_plans_3, imported in trainers/offset_text\.py, line \d+, is neither in the repository",
        ),
        pytest.param(
            "module that was not committed",
            r"trainers\.parts, imported .*, is not in the repository, which has other modules of trainers\.",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "teacher",
            r"It reads teachers/ViT-L-14_eurosat\.pth in trainers/.*, and there is no such file\.",
            marks=pytest.mark.slow,
        ),
        ("scores that are no numbers", r"the scores of 8 of 8 images are not finite\."),
        pytest.param(
            "too few predictions",
            r"never received all test images in their order, only 7 images of 4 classes",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "labels in another order",
            r"never received all test images in their order, only 8 images of 4 classes",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "one class more", r"gave scores of shape \(8, 5\) for 8 images of 4 classes\.", marks=pytest.mark.slow
        ),
        pytest.param(
            "weights of its own",
            r"never asked for CLIP's weights .* so its weights are unknown",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "no Dassl",
            r"The module dassl.*is missing\. Clone https://github.com/.* --set fork\.path=FOLDER",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_code_that_gives_no_predictions_fails_with_the_reason(
    habit: str, message: str, tmp_path: Path, data: Path
) -> None:
    fork = trusted_fork(tmp_path / "fork", habit)
    with pytest.raises(OfficialCodeError, match=message) as raised:
        run_fork(fork, data)
    assert "\n" not in str(raised.value)


def test_a_failure_keeps_the_end_of_the_log(tmp_path: Path, data: Path) -> None:
    spec, context = planned(trusted_fork(tmp_path / "fork", "crash"), data)
    context = context.model_copy(update={"checkpoints": tmp_path / "runs" / "checkpoints"})
    with pytest.raises(OfficialCodeError) as raised:
        run_official_code(spec, context)
    log = tmp_path / "runs" / "logs" / f"{spec.run_id}.official.log"
    assert "ValueError: the weights of the loss do not fit in trainers/offset_text.py, line" in str(raised.value)
    assert str(raised.value).endswith(f"Its log: {log}")
    assert 'raise ValueError("the weights' in log.read_text()
    assert "do not fit" in str(raised.value.__cause__)


@pytest.mark.slow  # settings reach the code in the other runs, too
def test_a_clone_of_dassl_is_found_where_the_user_says(tmp_path: Path, data: Path, fork: Path, trained: Run) -> None:
    _, items = run_fork(trusted_fork(tmp_path / "fork", "no Dassl"), data, f"fork.path={fork}")
    np.testing.assert_allclose(items["all"].true_logit, trained[1]["all"].true_logit, rtol=1e-5)


def test_a_python_that_does_not_exist(fork: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(OfficialCodeError, match="nowhere/python is no file."):
        run_fork(fork, data, f"fork.python={tmp_path}/nowhere/python")
    (tmp_path / "text").write_text("no program")
    with pytest.raises(OfficialCodeError, match="Give another --set fork.python"):
        run_fork(fork, data, f"fork.python={tmp_path}/text")


def test_weights_of_another_architecture_are_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The tiny CLIP stands for ViT-B/16, which would be too large here."""
    spec, context = planned(trusted_fork(tmp_path / "fork", "RN50"), data)
    tiny = fork_run.backbone_of(spec, context)
    monkeypatch.setattr(fork_run, "backbone_of", lambda spec, context: tiny)
    with pytest.raises(OfficialCodeError, match=r"ViT-B-16.openai\. Use -b RN50.openai"):
        run_official_code(spec.model_copy(update={"backbone": "ViT-B-16.openai"}), context)
