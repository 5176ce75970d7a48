"""Public names of `bench.extensions.paper_figures`; `__init__.py` loads each on first use."""

from .extension import EXTENSION as EXTENSION
