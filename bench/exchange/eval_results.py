"""Leaderboards as `.eval_results` files of the Hugging Face Hub, from which it ranks models on a benchmark's page.

A file lies in the repository of a model and names the dataset repository of the benchmark, whose `eval.yaml` lists the
tasks. https://huggingface.co/docs/hub/eval-results defines both.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import bench
from bench._util.slugs import slug
from bench.analysis.leaderboard import Entry, Leaderboard
from bench.errors import UsageError
from bench.exchange.entry_files import named_entries, provenance_sentences, seeds_text, task_text
from bench.exchange.hugging_face import yaml_text
from bench.statistics import Estimate

NAME = "clip-etl-bench"


def eval_results(boards: Sequence[Leaderboard], *, benchmark: str, source: str | None) -> dict[str, str]:
    """The texts of files by name: `BOARD/ENTRY/.eval_results/clip-etl-bench.yaml`, and `eval.yaml` of the benchmark.

    A task is one measure on one dataset in one setting, and its value is in per cent. Averages over datasets are left
    out, and so are oracles, since the Hub ranks by the value alone.

    Args:
        benchmark: the dataset repository of the benchmark, as OWNER/NAME.
        source: web page of the leaderboard, which the results name as their source; None names none.

    Raises UsageError if `benchmark` is not of that form.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", benchmark, flags=re.ASCII):
        raise UsageError(f"--benchmark {benchmark!r} is not the OWNER/NAME of a dataset repository of the Hub.")
    files, tasks = {}, set()
    for name, board, entry in named_entries(boards):
        if results := [] if entry.oracle else list(_results(board, entry, benchmark, source)):
            files[f"{name}/.eval_results/{NAME}.yaml"] = yaml_text(results)
            tasks |= {result["dataset"]["task_id"] for result in results}
    facts = {
        "name": NAME,
        "description": "Few-shot adaptation of CLIP models, in per cent of test images, means over seeds.",
        "evaluation_framework": NAME,
        "tasks": [{"id": task} for task in sorted(tasks)],
    }
    return {"eval.yaml": yaml_text(facts), **files}


def _results(board: Leaderboard, entry: Entry, benchmark: str, source: str | None) -> Iterator[dict[str, Any]]:
    for dataset, cell in sorted(entry.cells.items()):
        for measure in board.measures:
            if (estimate := cell.scores.get(measure)) is not None:
                yield {
                    "dataset": {"id": benchmark, "task_id": slug(f"{task_text(board, dataset)}.{measure}")},
                    "value": round(100 * estimate.mean, 4),
                    **({"source": {"url": source, "name": NAME}} if source else {}),
                    "notes": _notes(board, entry, estimate),
                }


def _notes(board: Leaderboard, entry: Entry, estimate: Estimate) -> str:
    setting, seeds = board.setting, seeds_text(estimate)
    facts = f"{entry.key} on {setting.backbone}, {setting.precision}, mean of {seeds}, {NAME} {bench.__version__}."
    return " ".join([facts, *provenance_sentences(entry)])
