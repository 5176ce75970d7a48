"""Leaderboards for the Hugging Face Hub: `model-index` metadata of model cards, and `.eval_results` files."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import bench
from bench._util.words import counted
from bench.api import Opt
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.analysis import Entry, Estimate, Leaderboard

_TASK = "image-classification"


def model_cards(boards: Sequence[Leaderboard]) -> dict[str, str]:
    """The text of a card for each entry with scores, by file name.

    Its metadata has one result for each dataset and split, in per cent, and the results of the average. Results of an
    oracle say so in their name.
    """
    return {
        f"{name}.md": _card(board, entry, list(_results(board, entry))) for name, board, entry in _named_entries(boards)
    }


def _card(board: Leaderboard, entry: Entry, results: list[dict[str, Any]]) -> str:
    name = f"{entry.key} on {board.setting.backbone}"
    facts = {
        "library_name": "clip-etl-bench",
        "pipeline_tag": _TASK,
        "tags": ["clip", "few-shot", entry.method],
        "model-index": [{"name": name, "results": results}],
    }
    what = f"{board.setting.title}: accuracies in per cent, means over seeds, computed with"
    sentences = " ".join([f"{what} clip-etl-bench {bench.__version__}.", *_provenance_sentences(entry)])
    return f"---\n{yaml_text(facts)}---\n\n# {name}\n\n{sentences}\n"


def _results(board: Leaderboard, entry: Entry) -> Iterator[dict[str, Any]]:
    for dataset, cell in sorted(entry.cells.items()):
        measures = [(measure, cell.scores[measure]) for measure in board.measures if measure in cell.scores]
        if measures:
            yield _result(board, entry, dataset, measures)
    averages = [
        (measure, estimate)
        for measure in board.measures
        if (estimate := entry.average(measure, board.convention)) is not None
    ]
    if averages:
        yield _result(board, entry, "average", averages)


def _result(board: Leaderboard, entry: Entry, dataset: str, measures: Sequence[tuple[str, Estimate]]) -> dict[str, Any]:
    setting = board.setting
    return {
        "task": {"type": _TASK, "name": f"{setting.protocol}, {setting.shots_text}"},
        "dataset": {
            "name": dataset,
            "type": dataset,
            "config": f"{setting.protocol}, {setting.shots_text}, draw {setting.draw}",
            "split": "test",
        },
        "metrics": [_metric(measure, estimate, oracle=entry.oracle) for measure, estimate in measures],
    }


def _metric(measure: str, estimate: Estimate, *, oracle: bool) -> dict[str, Any]:
    from bench.analysis import OPEN, H

    harmonic = {H: "H of base and new accuracy", OPEN: "H of base and new accuracy, each among all names"}
    title = harmonic.get(measure, f"accuracy, {measure} classes")
    return {
        "type": "accuracy",
        "name": f"{title}, {_seeds_text(estimate)}{', selected on test labels' if oracle else ''}",
        "value": round(100 * estimate.mean, 4),
    }


def yaml_text(value: object, indent: int = 0) -> str:
    """Mappings and lists as block YAML, and all other values as JSON, which YAML contains.

    Example:
        >>> print(yaml_text({"a": [{"b": 1, "c": "x: y"}], "d": []}), end="")
        a:
        - b: 1
          c: "x: y"
        d: []
    """
    space = " " * indent
    lines = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, Mapping | list) and item:
                inner = indent if isinstance(item, list) else indent + 2
                lines.append(f"{space}{key}:\n{yaml_text(item, inner)}")
            else:
                lines.append(f"{space}{key}: {json.dumps(item, ensure_ascii=False)}\n")
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, Mapping):
                lines.append(f"{space}- {yaml_text(item, indent + 2).lstrip(' ')}")
            else:
                lines.append(f"{space}- {json.dumps(item, ensure_ascii=False)}\n")
    return "".join(lines)


_NAME = "clip-etl-bench"


def eval_results(
    boards: Sequence[Leaderboard],
    *,
    benchmark: Annotated[
        str | None,
        Opt("Dataset repository of the benchmark, for hf-results.", metavar="OWNER/NAME"),
    ] = None,
    source_url: Annotated[str | None, Opt("Web page of the leaderboard, for hf-results.", metavar="URL")] = None,
) -> dict[str, str]:
    """The texts of files by name: `BOARD/ENTRY/.eval_results/clip-etl-bench.yaml`, and `eval.yaml` of the benchmark.

    A task is one measure on one dataset in one setting, and its value is in per cent. Averages over datasets are left
    out, and so are oracles, since the Hub ranks by the value alone.

    Args:
        benchmark: the dataset repository of the benchmark, as OWNER/NAME.
        source_url: web page of the leaderboard, which the results name as their source; None names none.

    Raises UsageError if `benchmark` is not of that form.
    """
    if benchmark is None:
        raise UsageError("--format hf-results needs --benchmark OWNER/NAME.")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", benchmark, flags=re.ASCII):
        raise UsageError(f"--benchmark {benchmark!r} is not the OWNER/NAME of a dataset repository of the Hub.")
    files, tasks = {}, set()
    for name, board, entry in _named_entries(boards):
        if results := [] if entry.oracle else list(_ranked_results(board, entry, benchmark, source_url)):
            files[f"{name}/.eval_results/{_NAME}.yaml"] = yaml_text(results)
            tasks |= {result["dataset"]["task_id"] for result in results}
    facts = {
        "name": _NAME,
        "description": "Few-shot adaptation of CLIP models, in per cent of test images, means over seeds.",
        "evaluation_framework": _NAME,
        "tasks": [{"id": task} for task in sorted(tasks)],
    }
    return {"eval.yaml": yaml_text(facts), **files}


def _ranked_results(board: Leaderboard, entry: Entry, benchmark: str, source: str | None) -> Iterator[dict[str, Any]]:
    from bench.results import slug

    for dataset, cell in sorted(entry.cells.items()):
        for measure in board.measures:
            if (estimate := cell.scores.get(measure)) is not None:
                yield {
                    "dataset": {"id": benchmark, "task_id": slug(f"{_task_text(board, dataset)}.{measure}")},
                    "value": round(100 * estimate.mean, 4),
                    **({"source": {"url": source, "name": _NAME}} if source else {}),
                    "notes": _notes(board, entry, estimate),
                }


def _notes(board: Leaderboard, entry: Entry, estimate: Estimate) -> str:
    setting, seeds = board.setting, _seeds_text(estimate)
    facts = f"{entry.key} on {setting.backbone}, {setting.precision}, mean of {seeds}, {_NAME} {bench.__version__}."
    return " ".join([facts, *_provenance_sentences(entry)])


def _named_entries(boards: Sequence[Leaderboard]) -> Iterator[tuple[str, Leaderboard, Entry]]:
    """All entries with scores: a file name `BOARD/ENTRY` without suffix, the board and the entry.

    Draw and precision are part of the board's name if its title is that of another board as well.
    """
    from bench.results import slug

    titles = Counter(board.setting.title for board in boards)
    for board in boards:
        setting = board.setting
        title = setting.title if titles[setting.title] == 1 else f"{setting.title}, {setting.draw}, {setting.precision}"
        place = slug(title.lower().replace(",", "").replace(" ", "-"))
        for entry in board.entries:
            if any(measure in cell.scores for cell in entry.cells.values() for measure in board.measures):
                yield f"{place}/{slug(entry.key)}", board, entry


def _task_text(board: Leaderboard, dataset: str) -> str:
    """A dataset in the setting of a board, without what belongs to the model: `eurosat.few-shot.16-shots.coop`."""
    setting = board.setting
    source = f"from-{setting.source}" if setting.source else ""
    shots = setting.shots_text.replace(", ", ".").replace(" ", "-")
    return ".".join(filter(None, [dataset, setting.protocol, source, shots, setting.draw]))


def _seeds_text(estimate: Estimate) -> str:
    """The number of seeds, and the interval in per cent: `3 seeds, 95 % interval ± 1.20 over seeds and test images`."""
    from bench.analysis import reach_text

    reach = reach_text(estimate)
    return counted(estimate.n, "seed") + (f", 95 % interval {reach} over {estimate.covers}" if reach else "")


def _provenance_sentences(entry: Entry) -> list[str]:
    """What a reader of the entry's numbers must know about its runs."""
    found = []
    if entry.oracle:
        found.append("Test labels selected settings or epochs, so the numbers are optimistic.")
    if entry.stale:
        found.append(f"Made with another version of the method's code: {entry.stale}.")
    if entry.imported:
        found.append(f"Imported, not verified: {entry.imported}.")
    return found
