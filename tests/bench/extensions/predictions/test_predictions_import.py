"""Predictions that were computed elsewhere become runs only if they agree with the dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from outside_predictions import OPENAI_B16, Outside, all_logits, halves, outside, task_of
from places import ROOT
from sweep_requests import sweep_over

from bench.analysis import board_settings
from bench.context import RunContext
from bench.experiment.runner import run_experiment
from bench.extensions.predictions import ImportedPredictions, import_predictions
from bench.extensions.predictions.declared_run import OPENAI_SHA256
from bench.results import Shards, fresh_store
from bench.spec import OTHER_MODELS
from bench.sweep import expand
from datasets_registry import BenchError, DataError, EvalProtocol, FewShotTask, get_dataset

Import = Callable[..., ImportedPredictions]
BACKBONE = "ViT-tiny.random"


@pytest.fixture(scope="module")
def task(data: Path) -> FewShotTask:
    return task_of("eurosat", data, protocol=EvalProtocol.FEW_SHOT)


@pytest.fixture(scope="module")
def parts(data: Path) -> list[Outside]:
    """Files of base, of new and of all classes."""
    return halves(task_of("eurosat", data, protocol=EvalProtocol.BASE_TO_NEW))


@pytest.fixture
def honest(task: FewShotTask) -> Outside:
    """A few-shot run on our draw."""
    return outside(task, task.evals[0])


@pytest.fixture
def target(data: Path) -> Outside:
    """What that run says about DTD."""
    there = task_of("dtd", data, protocol=EvalProtocol.FEW_SHOT)
    return outside(there, there.evals[0], dataset="DescribableTextures", trained=False, train=[], val=[])


@pytest.fixture
def imported(tmp_path: Path, data: Path) -> Import:
    """Import contents as files called 0.npz, 1.npz, ..."""

    def imported(*contents: Outside, runs: Path = tmp_path / "runs", **options: object) -> ImportedPredictions:
        files = [content.npz(tmp_path / f"{i}.npz") for i, content in enumerate(contents)]
        return import_predictions(files, runs, **{"data_root": data, **options})

    return imported


def refused(imported: Import, *contents: Outside, **options: object) -> str:
    with pytest.raises(DataError) as raised:
        imported(*contents, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def remarks(done: ImportedPredictions) -> list[str]:
    """The notes but that on the weights, which a stated digest does not prove."""
    weights = [note for note in done.notes if "nothing proves that its weights" in note]
    assert len(weights) == len(done.added)
    assert all(note.endswith("It states their public digest.") for note in weights)
    return [note for note in done.notes if note not in weights]


# --- good files -------------------------------------------------------------------------------------------------------


def test_a_training_on_our_draw_becomes_a_few_shot_run(honest: Outside, imported: Import, tmp_path: Path) -> None:
    done = imported(honest)
    (record,) = done.added
    spec = record.spec
    assert (spec.method, spec.backbone, spec.dataset) == ("external:Their_Method", "ViT-B-16.openai", "eurosat")
    assert (spec.protocol, spec.shots, spec.seed, spec.draw) == (EvalProtocol.FEW_SHOT, 2, 1, "coop")
    assert spec.config == {"repository": "https://example.org/lab/code.git", "commit": "0123456789abcdef"}
    (score,) = record.scores
    assert score.accuracy == (honest.scores.argmax(axis=1) == honest.labels).mean()
    external = record.provenance.external
    assert (external.title, external.weights_proved, external.images_proved) == ("Their Method", False, True)
    assert external.own_draw is False
    assert "secret" not in record.model_dump_json()
    assert remarks(done) == []
    shard = Shards(tmp_path / "runs").read(record.run_id)
    np.testing.assert_allclose(all_logits(shard.predictions[0]), honest.scores, rtol=1e-6)


def prefixed(content: Outside, prefix: str) -> Outside:
    train = [[prefix + key, label] for key, label in content.head["train"]]
    return replace(content.with_head(train=train), keys=[prefix + key for key in content.keys])


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda p: p.at([3, 1, 0, 2, 7, 4, 5, 6]),
        lambda p: prefixed(p, "/data/eurosat/2750/"),
        lambda p: prefixed(p, "D:\\data\\eurosat\\2750\\"),
        lambda p: prefixed(p, "eurosat/2750/"),
        lambda p: p.with_head(class_names=[name.replace(" ", "_") for name in p.head["class_names"]]),
        lambda p: p.with_head(dataset="eurosat"),
        lambda p: p.with_head(dataset="Euro-SAT"),
    ],
)
def test_another_way_to_write_the_same_is_the_same_run(
    rewritten: Callable[[Outside], Outside], honest: Outside, imported: Import
) -> None:
    """Other orders of lines, whole paths, underscores in names, and the names of datasets in other code."""
    (record,) = imported(honest).added
    assert imported(rewritten(honest)).unchanged == (record.run_id,)


def test_other_predictions_of_a_known_run_are_not_taken(honest: Outside, imported: Import, tmp_path: Path) -> None:
    (record,) = imported(honest).added
    done = imported(replace(honest, scores=honest.scores[::-1].copy()))
    assert (done.added, done.unchanged, done.kept) == ((), (), (record.run_id,))
    shard = Shards(tmp_path / "runs").read(record.run_id)
    np.testing.assert_allclose(all_logits(shard.predictions[0]), honest.scores, rtol=1e-6)


@pytest.mark.parametrize("with_open", [True, False])
def test_base_and_new_classes_are_one_run(parts: list[Outside], with_open: bool, imported: Import) -> None:
    (record,) = imported(*parts[: 2 + with_open]).added
    assert record.spec.protocol is EvalProtocol.BASE_TO_NEW
    assert [(score.split, score.n, score.n_classes) for score in record.scores] == [("base", 4, 2), ("new", 4, 2)]
    assert (record.open is not None) == with_open
    if record.open is not None:
        right = parts[2].scores.argmax(axis=1) == parts[2].labels
        assert (record.open.base.accuracy, record.open.new.accuracy) == (right[:4].mean(), right[4:].mean())


def test_files_of_other_datasets_are_the_targets_of_a_training(
    honest: Outside, target: Outside, imported: Import
) -> None:
    (record,) = imported(target, honest).added
    assert (record.spec.protocol, record.spec.targets) == (EvalProtocol.CROSS_DATASET, ("dtd",))
    assert [score.split for score in record.scores] == ["all", "dtd"]


def test_seeds_and_variants_are_several_runs(honest: Outside, data: Path, imported: Import) -> None:
    second = task_of("eurosat", data, protocol=EvalProtocol.FEW_SHOT, seed=2)
    contents = [honest.with_head(settings={"depth": depth}) for depth in (3, 9)]
    done = imported(*contents, outside(second, second.evals[0]))
    assert [(r.spec.seed, r.spec.config.get("depth")) for r in done.added] == [(1, 3), (1, 9), (2, None)]
    assert remarks(done) == []


def test_the_dataset_and_the_backbone_can_be_named(honest: Outside, imported: Import) -> None:
    theirs = honest.with_head(dataset="our satellite images", backbone="our CLIP", backbone_sha256=None)
    (record,) = imported(theirs, dataset="eurosat", backbone="ViT-B-32.openai").added
    assert (record.spec.dataset, record.spec.backbone) == ("eurosat", "ViT-B-32.openai")


def test_a_dataset_that_the_head_contradicts_is_remarked(honest: Outside, imported: Import, tmp_path: Path) -> None:
    assert remarks(imported(honest, dataset="eurosat")) == []
    other = imported(honest.with_head(dataset="DescribableTextures"), dataset="eurosat", runs=tmp_path / "other")
    assert remarks(other) == ["0.npz: its head says dtd, and -d says eurosat."]


def test_another_draw_is_stored_with_its_own_list(honest: Outside, imported: Import, data: Path) -> None:
    splits = get_dataset("eurosat").reader(data)
    chosen = [next(s for s in splits.train if s.label == label) for label in range(4)]
    done = imported(honest.with_head(train=[[s.key, s.label] for s in chosen], val=[], shots=1, seed=9))
    (record,), (remark,) = done.added, remarks(done)
    assert (record.spec.draw, record.provenance.external.own_draw) == ("file", True)
    assert record.spec.support
    assert "1 shot with seed 9" in remark


def test_all_training_images_are_no_draw(honest: Outside, imported: Import, data: Path) -> None:
    splits = get_dataset("eurosat").reader(data)
    (record,) = imported(honest.with_head(train=[[s.key, s.label] for s in splits.train], val=[], shots=-1)).added
    assert record.spec.support == "all"
    assert len(record.provenance.support_digests) == len(splits.train)


def test_other_validation_images_are_remarked(honest: Outside, imported: Import) -> None:
    done = imported(honest.with_head(val=honest.head["val"][::-1]))
    assert remarks(done) == ["0.npz: its validation images are not those of our draw."]
    assert done.added[0].spec.draw == "coop"


def test_a_method_without_training_has_no_shots(data: Path, imported: Import) -> None:
    task = task_of("eurosat", data, protocol=EvalProtocol.FEW_SHOT, shots=0, seed=0)
    (record,) = imported(outside(task, task.evals[0])).added
    assert (record.spec.shots, record.spec.seed) == (0, 0)


def test_what_nothing_proves_is_remarked(honest: Outside, imported: Import) -> None:
    doubtful = honest.with_head(backbone_sha256=None, commit="", tests_so_far=3)
    done = imported(replace(doubtful, sha256=None))
    assert [note.removeprefix("0.npz: ") for note in done.notes] == [
        "nothing proves that its weights are those of ViT-B-16.openai.",
        "without digests, nothing proves that its images are those of the dataset.",
        "the test images were evaluated 3 times, so a choice may have used them.",
        "its code is not a commit without changes.",
    ]
    external = done.added[0].provenance.external
    assert (external.weights_proved, external.images_proved, external.test_evaluations) == (False, False, 3)


def test_digests_of_training_images_are_checked(honest: Outside, imported: Import, data: Path) -> None:
    folder = data / "eurosat" / "2750"
    train = [[key, y, hashlib.sha256((folder / key).read_bytes()).hexdigest()] for key, y in honest.head["train"]]
    assert imported(honest.with_head(train=train)).added
    train[3][2] = "0" * 64
    message = refused(imported, honest.with_head(train=train), runs=data / "unused")
    assert message.endswith(f"those on disk, first '{train[3][0]}'.")


def test_a_model_that_is_not_a_clip_has_a_board_of_its_own(honest: Outside, imported: Import, tmp_path: Path) -> None:
    other = honest.without("backbone", "backbone_sha256", "commit", "repository")
    facts = {"model": "Talker 7B", "settings": {"prompt": "Which?"}}
    done = imported(other.with_head(**facts))
    (record,) = done.added
    assert record.spec.backbone == OTHER_MODELS
    assert record.spec.config == {"model": "Talker 7B", "prompt": "Which?"}
    assert record.provenance.external.weights_asked == ["Talker 7B"]
    assert [("Talker 7B" in note) for note in done.notes] == [True]
    assert imported(other.with_head(**facts | {"settings": {"prompt": "What?"}})).added, "another row"
    imported(honest)
    settings = board_settings(fresh_store(tmp_path / "runs").runs_frame())
    assert sorted(setting.backbone for setting in settings) == ["ViT-B-16.openai", OTHER_MODELS]
    assert "-b ViT-B-32.openai" in refused(imported, other.with_head(**facts), backbone="ViT-B-32.openai")
    assert "model" in refused(imported, other.with_head(**facts | {"settings": {"model": "another"}}))


@pytest.mark.parametrize("protocol", [EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW])
def test_logits_of_a_native_run_give_its_scores(protocol: EvalProtocol, data: Path, imported: Import) -> None:
    axes = {"protocol": protocol, "shots": (2,), "seeds": (1,), "data_root": data}
    method = "tip_adapter" if protocol is EvalProtocol.FEW_SHOT else "zero_shot"
    (spec,) = expand(sweep_over([method], ["eurosat"], [BACKBONE], **axes)).specs
    ours, items = run_experiment(spec, RunContext(data_root=data))
    logits = {item.split: all_logits(item) for item in items}
    task = task_of("eurosat", data, protocol=protocol, shots=spec.shots, seed=spec.seed)
    if protocol is EvalProtocol.FEW_SHOT:
        contents = [outside(task, task.evals[0], logits["all"])]
    else:
        contents = halves(task, logits | {"open": np.concatenate([logits["open-base"], logits["open-new"]])})
    (theirs,) = imported(*contents).added
    assert theirs.spec.task_fingerprint == spec.task_fingerprint
    assert [s.split for s in theirs.all_scores] == [s.split for s in ours.all_scores]
    for a, b in zip(theirs.all_scores, ours.all_scores, strict=True):
        assert a.accuracy == b.accuracy
        assert (a.nll, a.brier, a.ece) == pytest.approx((b.nll, b.brier, b.ece), rel=1e-5)


def test_the_documented_lines_write_a_file(honest: Outside, imported: Import, tmp_path: Path, data: Path) -> None:
    """The lines of the page on adding a method, below a test loader of other code."""
    page = (ROOT / "docs" / "tutorials" / "add-a-method.md").read_text()
    lines = page.partition("## Predictions of other code")[2].partition("```python\n")[2].partition("```")[0]
    batches = [slice(0, 3), slice(3, 8)]
    names = {
        "class_names": honest.head["class_names"],
        "train": honest.head["train"],
        "test_loader": [(honest.keys[at], honest.scores[at], np.array(honest.labels[at])) for at in batches],
        "model": lambda images: images,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        exec(lines.replace('"shots": 16', '"shots": 2'), names)
    (record,) = import_predictions([tmp_path / "predictions.npz"], tmp_path / "runs", data_root=data).added
    assert record.spec.task_fingerprint == imported(honest, runs=tmp_path / "other").added[0].spec.task_fingerprint
    assert record.scores[0].accuracy == (honest.scores.argmax(axis=1) == honest.labels).mean()


# --- wrong files ------------------------------------------------------------------------------------------------------


def changed(content: Outside, at: int, **values: object) -> Outside:
    """One entry of a column replaced."""
    columns = {name: list(getattr(content, name)) for name in values}
    for name, value in values.items():
        columns[name][at] = value
    return replace(content, **columns)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda p: changed(p, 2, labels=3), "the labels of 1 of 8 test images are not those of the dataset, first "
         "'class1/test_0.png' with 3 instead of 1."),
        (lambda p: changed(p, 2, keys="class1/test_9.png"), "1 images are not among the 8 test images of eurosat, "
         "first 'class1/test_9.png'."),
        (lambda p: changed(p, 2, keys="class1/test_1.png"), "1 images are listed twice, first 'class1/test_1.png'."),
        (lambda p: p.at(range(7)), "1 of the 8 test images of eurosat are missing, first 'class3/test_1.png'."),
        (lambda p: changed(p, 2, sha256="0" * 64), "1 image file of 8 have other bytes than those on disk, first "
         "'class1/test_0.png'."),
        (lambda p: p.with_head(class_names=p.head["class_names"][::-1]), "its class names are those of the dataset "
         "in another order, first 'class 3' instead of 'class 0'; order labels and scores as the dataset does."),
        (lambda p: p.with_head(class_names=["class 0", "class 1", "class 2", "sea"]), "1 of 4 class names differ, "
         "first 'sea' instead of 'class 3'."),
        (lambda p: p.with_head(class_names=["class 0", "class 1", "class 2"]), " has labels outside 0..2"),
        (lambda p: p.with_head(dataset="EuroSATT"), "is of the dataset 'EuroSATT', which is not in the registry. Did "
         "you mean 'eurosat'? Give its name with -d."),
        (lambda p: p.with_head(dataset="moon"), "is of the dataset 'moon', which is not in the registry. Give its name "
         "with -d."),
        (lambda p: p.with_head(backbone="ViT-H/99"), "names the backbone 'ViT-H/99', which is not known here"),
        (lambda p: p.with_head(backbone_sha256="0" * 64), "its weights are not OpenAI's ViT-B-16: their SHA-256 begins "
         "with 000000000000, not 5806e77cd80f. Name them with -b."),
        (lambda p: p.with_head(train=[[p.keys[0], 0]]), "the training image 'class0/test_0.png' is a test image of "
         "eurosat."),
        (lambda p: p.with_head(val=[[p.keys[0], 0]]), "the training image 'class0/test_0.png' is a test image of "
         "eurosat."),
        (lambda p: p.with_head(train=[["moon/1.png", 0]]), "the training image 'moon/1.png' is neither a training nor "
         "a validation image of eurosat."),
        (lambda p: p.with_head(train=[["class0/train_0.png", 1]]), "its training images do not fit eurosat: "),
        (lambda p: p.with_head(train=[]), "states 2 shots and lists no training images."),
        (lambda p: p.with_head(trained=False), "none of these is from the process that trained, so it is unknown which "
         "images the method saw. Give that file as well."),
        (lambda p: p.with_head(settings={"commit": "x"}), "a setting must not be called commit."),
    ],
)  # fmt: skip
def test_what_contradicts_the_dataset_is_refused(
    wrong: Callable[[Outside], Outside], message: str, honest: Outside, imported: Import, tmp_path: Path
) -> None:
    assert message in refused(imported, wrong(honest))
    assert not (tmp_path / "runs").exists()


def test_files_that_do_not_belong_together_are_refused(
    parts: list[Outside], honest: Outside, target: Outside, imported: Import, tmp_path: Path
) -> None:
    base, new, whole = parts
    assert "base classes only. Give" in refused(imported, base)
    assert "process that trained" in refused(imported, new)
    assert "2 files have the new" in refused(imported, base, new, new)
    assert "protocol of the harness" in refused(imported, new.with_head(trained=True))
    twice = refused(imported, base, base, new)
    assert "method Their Method, seed 1" in twice
    assert "give different `settings`" in twice
    assert "files describe the same" in refused(imported, honest, honest.with_head(backbone="ViT-B-16"))
    two = replace(base, head=whole.head | {"class_names": ["a", "b"]}, sha256=None)
    assert "dataset has 4 here." in refused(imported, base, new, two)
    assert "2.npz: none of these" in refused(imported, base, new, target)
    assert "2 of 2 class names differ" in refused(imported, base, new.with_head(class_names=["class 0", "class 1"]))
    swapped = replace(new, keys=base.keys, sha256=None)
    assert "4 test images of eurosat" in refused(imported, base, swapped)
    refused(imported, honest, changed(base, 0, labels=1), new)
    assert not (tmp_path / "runs").exists(), "nothing is added if any file is wrong"


def test_the_largest_scores_can_be_stored(honest: Outside, imported: Import) -> None:
    (record,) = imported(replace(honest, scores=np.where(honest.scores > 0, 1e30, -1e30))).added
    assert record.scores[0].n == 8


def test_a_dataset_that_is_not_on_disk(honest: Outside, imported: Import, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="eurosat"):
        imported(honest, data_root=tmp_path / "nowhere")


def test_openai_digests_are_those_of_its_addresses() -> None:
    assert OPENAI_SHA256["ViT-B-16"] == OPENAI_B16
    assert all(len(digest) == 64 for digest in OPENAI_SHA256.values())
    assert len(set(OPENAI_SHA256.values())) == len(OPENAI_SHA256)
