"""Leaderboards as a tree of results like that of mteb: `results/MODEL/REVISION/TASK.json` and `model_meta.json`.

Files have the fields of `TaskResult` and `ModelMeta` of mteb 2.26 (Apache-2.0), whose classes read them. A model is a
method on a backbone, and its revision is a digest of settings, code and weights. A task is one dataset in one setting.
The list of exported fields is in `etl-bench doctor docs boards`.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from bench.analysis import Cell, Entry, Estimate, H, Leaderboard, harmonic_mean
from bench.boards.exchange.entry_files import named_entries, provenance_sentences, task_text
from bench.record import DifficultyRecord, RunRecord, Score
from bench.results import known_methods, slug
from bench.spec import OPEN_BASE, OPEN_NEW
from datasets_registry import UnknownNameError, canonical_json

ORGANIZATION = "clip-etl-bench"
_DIGITS = 40
"""Length of a revision, as of a commit."""
_LANGUAGES = ["eng-Latn"]
_FACTS_OF_A_SPLIT = {"split", "selected_on_test", "optimism"}
Difficulty = Callable[[str, str], Sequence[DifficultyRecord] | None]


def results_tree(
    boards: Sequence[Leaderboard], record: Callable[[str], RunRecord | None], difficulty: Difficulty
) -> dict[str, str]:
    """The texts of all files, by name.

    Args:
        record: the record of a run id.
        difficulty: the measured difficulty for a backbone of a dataset, which holds the digest of its test images.
    """
    files = {}
    for _, board, entry in named_entries(boards):
        for dataset, cell in entry.cells.items():
            runs = [found for run_id in cell.run_ids if (found := record(run_id)) is not None]
            if runs and board.measures[-1] in cell.scores:
                model = f"{slug(entry.method)}.{slug(board.setting.backbone)}"
                revision = _revision(entry, runs)
                place = f"results/{ORGANIZATION}__{model}/{revision}"
                files[f"{place}/model_meta.json"] = _text(_model_meta(board, entry, model, revision))
                precision = "" if board.setting.precision == "fp32" else f".{board.setting.precision}"
                task = slug(f"{task_text(board, dataset)}{precision}")
                data = _data_revision(runs, difficulty(board.setting.backbone, dataset))
                files[f"{place}/{task}.json"] = _text(_task_result(board, entry, dataset, cell, runs, task, data))
    return files


def _task_result(
    board: Leaderboard, entry: Entry, dataset: str, cell: Cell, runs: Sequence[RunRecord], task: str, data: str
) -> dict[str, Any]:
    estimate = cell.scores[board.measures[-1]]
    experiments = [_experiment(board, dataset, run) for run in sorted(runs, key=lambda run: run.spec.seed)]
    scores = {
        "main_score": estimate.mean,
        "hf_subset": "default",
        "languages": _LANGUAGES,
        "measure": "accuracy" if board.measures[-1] != H else "harmonic mean of base and new accuracy",
        "splits": _means([item["splits"] for item in experiments]),
        "confidence_interval": [estimate.low, estimate.high],
        "intervals": {measure: _interval(cell.scores[measure]) for measure in board.measures if measure in cell.scores},
        "trainable_parameters": max((run.cost.trainable_parameters for run in runs if run.cost), default=None),
        "selected_on_test": entry.oracle,
        "notes": " ".join(provenance_sentences(entry)),
        "scores_per_experiment": experiments,
    }
    costs = [run.cost for run in runs if run.cost]
    return {
        "dataset_revision": data,
        "task_name": task,
        "mteb_version": None,
        "scores": {"test": [scores]},
        "evaluation_time": sum(cost.prepare_seconds + cost.train_seconds + cost.eval_seconds for cost in costs),
        "kg_co2_emissions": None,
        "date": max(run.created_at for run in runs).timestamp(),
    }


def _interval(estimate: Estimate) -> dict[str, Any]:
    """A mean with its 95 % interval, what that covers, and the numbers of seeds and test images."""
    return {
        "mean": estimate.mean,
        "interval": [estimate.low, estimate.high],
        "covers": estimate.covers,
        "seeds": estimate.n,
        "test_images": estimate.images,
    }


def _experiment(board: Leaderboard, dataset: str, run: RunRecord) -> dict[str, Any]:
    """One run: its scores on the splits of this dataset."""
    stored = {split: board.stored_split(split, dataset) for split in board.splits}
    stored |= {OPEN_BASE: OPEN_BASE, OPEN_NEW: OPEN_NEW}
    scores = {split: score for split, name in stored.items() if (score := run.score(name)) is not None}
    return {
        "main_score": _main_score(board, scores),
        "seed": run.spec.seed,
        "run_id": run.run_id,
        "task_fingerprint": run.spec.task_fingerprint,
        "splits": {name: score.model_dump(exclude=_FACTS_OF_A_SPLIT) for name, score in scores.items()},
    }


def _main_score(board: Leaderboard, scores: dict[str, Score]) -> float:
    if board.measures[-1] == H:
        return harmonic_mean(scores["base"].accuracy, scores["new"].accuracy)
    return scores[board.measures[-1]].accuracy


def _means(splits: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """The mean of every metric over runs; of splits that all runs have."""
    return {
        name: {
            metric: sum(item[name][metric] for item in splits) / len(splits)
            for metric, value in first.items()
            if isinstance(value, float) and all(name in item and metric in item[name] for item in splits)
        }
        for name, first in splits[0].items()
        if all(name in item for item in splits)
    }


def _revision(entry: Entry, runs: Sequence[RunRecord]) -> str:
    """A digest of what the model is: settings, the method's code, and the backbone's weights."""
    code = sorted({(run.provenance.code, run.provenance.backbone_digest) for run in runs})
    return _digest([entry.method, dict(entry.config), entry.recipe and dict(entry.recipe), code])


def _data_revision(runs: Sequence[RunRecord], difficulty: Sequence[DifficultyRecord] | None) -> str:
    """A digest of test list, class names and template; without a measured difficulty, of the runs' tasks."""
    if difficulty:
        return difficulty[0].data_fingerprint
    return _digest(sorted({run.spec.task_fingerprint for run in runs}))


def _model_meta(board: Leaderboard, entry: Entry, model: str, revision: str) -> dict[str, Any]:
    try:
        citation = known_methods().get(entry.method).citation
    except UnknownNameError:  # of a package that is not installed here
        citation = None
    unknown = (
        "release_date", "n_parameters", "memory_usage_mb", "max_tokens", "embed_dim", "license", "open_weights",
        "public_training_code", "public_training_data", "training_datasets",
    )  # fmt: skip
    return {
        "loader": None,
        "loader_kwargs": {"method": entry.method, "config": entry.config, "recipe": entry.recipe},
        "name": f"{ORGANIZATION}/{model}",
        "revision": revision,
        "languages": _LANGUAGES,
        **dict.fromkeys(unknown),
        "framework": ["PyTorch"],
        "similarity_fn_name": "cosine",
        "use_instructions": False,
        "adapted_from": board.setting.backbone,
        "modalities": ["image", "text"],
        "citation": citation,
    }


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:_DIGITS]


def _text(value: object) -> str:
    return json.dumps(value, indent=2, default=dict) + "\n"
