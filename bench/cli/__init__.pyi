"""Public names of `bench.cli`; `__init__.py` loads each on first use."""

from .app import main as main
