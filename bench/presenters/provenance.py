"""When and where the runs were made."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def minute(moment: Any) -> str:
    """A moment to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def provenance(made: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Where the runs were made, each distinct answer with how many runs gave it.

    Args:
        made: the rows of the store's `provenance_frame()` that are shown.
    """
    records = [json.loads(text) for text in made["provenance"]]
    questions: dict[str, Callable[[Mapping[str, Any]], object]] = {
        "Package version of the runs": lambda r: r.get("package_version"),
        "Source": _source,
        "Python": lambda r: r.get("python"),
        "PyTorch": lambda r: (r.get("packages") or {}).get("torch"),
        "open_clip": lambda r: (r.get("packages") or {}).get("open_clip_torch"),
        "Device": lambda r: r.get("device"),
        "Platform": lambda r: r.get("platform"),
        "Backbone weights": lambda r: (r.get("backbone_digest") or "")[:16] or None,
    }
    facts = []
    for title, ask in questions.items():
        answers = Counter(str(answer) for record in records if (answer := ask(record)) is not None)
        if answers:
            text = "; ".join(
                f"{answer} ({n} runs)" if len(answers) > 1 else answer for answer, n in sorted(answers.items())
            )
            facts.append((title, text))
    return tuple(facts)


def _source(record: Mapping[str, Any]) -> str | None:
    commit = record.get("git_commit")
    if not commit:
        return None
    return f"{str(commit)[:10]}{' with uncommitted changes' if record.get('git_dirty') else ''}"
