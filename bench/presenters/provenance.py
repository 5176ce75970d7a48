"""Time and provenance of runs as text."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd


def minute(moment: Any) -> str:
    """A time to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def provenance(made: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    """Facts about the origin of the runs in the store's `provenance_frame()`: every distinct value.

    If there are several, each has its number of runs.
    """
    records = [json.loads(text) for text in made["provenance"]]
    columns: dict[str, Callable[[Mapping[str, Any]], object]] = {
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
    for title, read in columns.items():
        values = Counter(str(value) for record in records if (value := read(record)) is not None)
        texts = (
            [f"{value} ({n} run{'s' if n != 1 else ''})" for value, n in sorted(values.items())]
            if len(values) > 1
            else values
        )
        if values:
            facts.append((title, "; ".join(texts)))
    return tuple(facts)


def _source(record: Mapping[str, Any]) -> str | None:
    commit = record.get("git_commit")
    if not commit:
        return None
    return f"{str(commit)[:10]}{' with uncommitted changes' if record.get('git_dirty') else ''}"
