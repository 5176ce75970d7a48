"""Starts a method: writes files that pass `etl-bench check` unedited, in a checkout or as a separate package."""

from bench.scaffold.write import Scaffold, scaffold

__all__ = ["Scaffold", "scaffold"]
