"""Starts a method: files that pass `etl-bench check` unedited, in a checkout or as a package of their own."""

from bench.scaffold.write import Scaffold, scaffold

__all__ = ["Scaffold", "scaffold"]
