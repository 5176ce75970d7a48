"""Starting a method: files that pass `etl-bench check` as they are, in a checkout or as a package of one's own."""

from __future__ import annotations

from bench.scaffold.write import Scaffold, scaffold

__all__ = ["Scaffold", "scaffold"]
