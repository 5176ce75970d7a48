"""Public names of `reports`; `__init__.py` loads each on first use."""

from ._format import percent as percent
from .answer_sentences import finding as finding
from .charts.figures import FORMATS as FORMATS
from .charts.figures import figure_file as figure_file
from .render import render_site as render_site
