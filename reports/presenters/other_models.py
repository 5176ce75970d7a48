"""Models that are not CLIPs, beside CLIP, with what their records state."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from bench.analysis import Entry, Leaderboard, beside_clip
from bench.papers import Catalogue
from bench.spec import OTHER_MODELS, external_parts, shots_text
from reports.views import BesideClipView, OtherModelsView, OtherModelView

_External = Mapping[str, Mapping[str, Any]]
"""What the record of each run states of code that is not ours."""


def other_models_view(
    boards: Sequence[Leaderboard], runs: pd.DataFrame, made: pd.DataFrame | None, catalogue: Catalogue
) -> OtherModelsView | None:
    """The pairs, and the facts of each row; None without such rows. `made` is the store's `provenance_frame()`."""
    others = [board for board in boards if board.setting.backbone == OTHER_MODELS]
    if not others:
        return None
    rows = () if made is None else zip(made["run_id"], made["provenance"], strict=True)
    stated = {run_id: json.loads(text).get("external") or {} for run_id, text in rows}
    entries = {entry.run_ids: (board, entry) for board in others for entry in board.entries if entry.run_ids}
    return OtherModelsView(
        pairs=tuple(
            BesideClipView(
                pair,
                _title(pair.model.entry),
                catalogue.entry_title(pair.clip.entry.method, pair.clip.entry.label),
                catalogue.dataset(pair.model.dataset).title,
                _inputs(pair.model, stated),
                _inputs(pair.clip, stated),
            )
            for pair in beside_clip.best_pairs(boards, runs)
        ),
        models=tuple(_model(board, entry, stated, runs) for board, entry in entries.values()),
    )


def _title(entry: Entry) -> str:
    """The name of a model, with the settings that distinguish its rows; all of them are imported predictions."""
    name, _ = external_parts(entry.method) or (entry.method, "")
    return f"{name} ({entry.label})" if entry.label else name


def _inputs(side: beside_clip.Side, stated: _External) -> str:
    """Shots, and what code of others says that it also saw."""
    external = next((stated[score.run_id] for score in side.by_seed.values() if stated.get(score.run_id)), {})
    if not external:
        return side.inputs
    uses = external.get("uses")
    return ", ".join([side.inputs, *(["other inputs not stated"] if uses is None else uses)])


def _model(board: Leaderboard, entry: Entry, stated: _External, runs: pd.DataFrame) -> OtherModelView:
    mine = runs[runs["run_id"].isin(entry.run_ids)]
    external = [stated.get(run_id, {}) for run_id in entry.run_ids]
    answered = [bool(stated.get(run_id, {}).get("matched_texts")) for run_id in mine["run_id"]]
    return OtherModelView(
        title=_title(entry),
        setting=f"{board.setting.protocol}, {shots_text(int(mine['shots'].max()))}",
        settings={name: str(entry.config.get(name, "")) for name in ("model", "weights", "decoding", "prompt")},
        service=_texts(one.get("service") for one in external),
        date=_texts(one.get("date") for one in external),
        answers=int(mine["n"][answered].sum()),
        unanswered=sum(one.get("unanswered", 0) for one in external),
        ambiguous=sum(one.get("ambiguous", 0) for one in external),
    )


def _texts(values: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(value for value in values if value))
