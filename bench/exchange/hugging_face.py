"""Leaderboards as `model-index` metadata of Hugging Face model cards: one card for each entry of a board."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import bench
from bench.analysis.leaderboard import OPEN, Entry, H, Leaderboard
from bench.exchange.entry_files import named_entries, provenance_sentences, seeds_text
from bench.statistics import Estimate

TASK = "image-classification"
_HARMONIC = {H: "H of base and new accuracy", OPEN: "H of base and new accuracy, each among all names"}


def model_cards(boards: Sequence[Leaderboard]) -> dict[str, str]:
    """The text of a card for each entry with scores, by file name.

    Its metadata has one result for each dataset and split, in per cent, and the results of the average. Results of an
    oracle say so in their name.
    """
    return {
        f"{name}.md": _card(board, entry, list(_results(board, entry))) for name, board, entry in named_entries(boards)
    }


def _card(board: Leaderboard, entry: Entry, results: list[dict[str, Any]]) -> str:
    name = f"{entry.key} on {board.setting.backbone}"
    facts = {
        "library_name": "clip-etl-bench",
        "pipeline_tag": TASK,
        "tags": ["clip", "few-shot", entry.method],
        "model-index": [{"name": name, "results": results}],
    }
    what = f"{board.setting.title}: accuracies in per cent, means over seeds, computed with"
    sentences = " ".join([f"{what} clip-etl-bench {bench.__version__}.", *provenance_sentences(entry)])
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
        "task": {"type": TASK, "name": f"{setting.protocol}, {setting.shots_text}"},
        "dataset": {
            "name": dataset,
            "type": dataset,
            "config": f"{setting.protocol}, {setting.shots_text}, draw {setting.draw}",
            "split": "test",
        },
        "metrics": [_metric(measure, estimate, oracle=entry.oracle) for measure, estimate in measures],
    }


def _metric(measure: str, estimate: Estimate, *, oracle: bool) -> dict[str, Any]:
    title = _HARMONIC.get(measure, f"accuracy, {measure} classes")
    return {
        "type": "accuracy",
        "name": f"{title}, {seeds_text(estimate)}{', selected on test labels' if oracle else ''}",
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
