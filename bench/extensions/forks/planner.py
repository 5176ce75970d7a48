"""How runs of official code are planned and sent to other machines; see `bench.extension`. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.extensions.forks.fork_method import ForkFacts, fork_facts, fork_folders, is_interpreter, official_conflict
from bench.extensions.forks.sent_checkout import packed_checkout, unpack_checkout
from bench.extensions.forks.trust import check_trusted
from methods import MethodFacts

facts, unpack, stays = fork_facts, unpack_checkout, is_interpreter


def check(facts: MethodFacts, settings: Mapping[str, str]) -> None:
    """Raise OfficialCodeError unless the user trusts all that would run."""
    assert isinstance(facts, ForkFacts)
    check_trusted(facts.runnable(settings))


def conflict(facts: MethodFacts, config: Mapping[str, Any], dataset: str, class_text: str) -> str | None:
    """Why official code cannot be run on a dataset, and what to change; None if it can."""
    if class_text:
        return f"official code has its own class texts; leave --class-text {class_text} out."
    assert isinstance(facts, ForkFacts)
    return official_conflict(facts, config, dataset)


def files(facts: MethodFacts, settings: Mapping[str, str]) -> dict[str, Path]:
    """Where workers find the code, its Python and its imports."""
    assert isinstance(facts, ForkFacts)
    return fork_folders(facts, facts.runnable(settings))


def packed(path: Path) -> bytes | None:
    """A checkout as one tar; None if the folder is none."""
    return packed_checkout(path) if (path / ".git").exists() else None
