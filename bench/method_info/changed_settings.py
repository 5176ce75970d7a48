"""Finds runs whose settings are not the published ones of their method."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from bench._util.text_cache import TextCache
from bench.method_info.method_sheets import method_sheets


def changed_settings(config: Mapping[str, Any], published: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the settings with another value than the published one; settings that no longer exist do not count."""
    return tuple(sorted(key for key, value in config.items() if published.get(key, value) != value))


def with_changed_settings(runs: pd.DataFrame, kept: TextCache | None = None) -> pd.DataFrame:
    """The store's `runs_frame()` with a column `changed_settings`: names of changed settings, joined by commas.

    It is empty for published settings and for methods that are not installed. `kept` is the cache of `method_sheets`.
    """
    published = {sheet.name: sheet.published for sheet in method_sheets(kept)}
    rows = list(zip(runs["method"], runs["protocol"], runs["config"].fillna("{}"), strict=True))
    found = {
        (method, protocol, config): ",".join(
            changed_settings(json.loads(config), published.get(method, {}).get(protocol, {}))
        )
        for method, protocol, config in set(rows)
    }
    return runs.assign(changed_settings=[found[row] for row in rows])
