"""Rows of official code with an adapter: edits make no row of their own, and what the code states is kept."""

from __future__ import annotations

import json

from leaderboard_rows import B2N, frame, run

from bench.analysis import build_leaderboard

METHOD = "fork:Lab"


def adapted(adapter: str, seed: int, day: int, score: float = 0.8, **changes: object) -> list[dict[str, object]]:
    config = json.dumps({"adapter": adapter, "tree": "t", "trainer": "Lab"}, sort_keys=True)
    return run(METHOD, seed=seed, day=day, config=config, scores={"base": score, "new": 0.6}, **changes)


def test_an_edited_adapter_takes_the_place_of_the_older_one_in_its_row() -> None:
    old = [adapted("a", seed, day=1, score=0.5) for seed in (1, 2, 3)]
    board = build_leaderboard(frame(*old, *(adapted("b", seed, day=2, score=0.9) for seed in (1, 2))), B2N)
    (entry,) = board.entries
    assert (entry.key, entry.n, "adapter" in entry.config) == (METHOD, 3, False)
    assert round(entry.averages["base"].mean, 3) == round((0.9 + 0.9 + 0.5) / 3, 3)
    assert entry.stale.startswith("1 of 3")
    fresh = build_leaderboard(frame(*old, *(adapted("b", seed, day=2) for seed in (1, 2, 3))), B2N)
    assert fresh.entries[0].stale == ""


def test_other_settings_of_an_adapter_are_rows_of_their_own() -> None:
    other = run(METHOD, seed=1, day=2, config=json.dumps({"adapter": "b", "opts": "X 1", "tree": "t"}))
    board = build_leaderboard(frame(adapted("a", 1, day=1), other), B2N)
    assert len(board.entries) == 2
    assert not any(entry.stale for entry in board.entries)


def test_what_the_newest_run_states_is_what_the_row_sees() -> None:
    runs = [adapted("a", 1, day=1, uses='["teacher"]'), adapted("b", 2, day=2, uses='["test stream"]')]
    assert build_leaderboard(frame(*runs), B2N).entries[0].uses == ("test stream",)
    assert build_leaderboard(frame(adapted("a", 1, day=1, uses=None)), B2N).entries[0].uses is None
    assert build_leaderboard(frame(adapted("a", 1, day=1, uses="[]")), B2N).entries[0].uses == ()
