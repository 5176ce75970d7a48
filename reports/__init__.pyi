"""Public names of `reports`; `__init__.py` loads each on first use."""

from .charts.figures import FIGURE_FORMATS as FIGURE_FORMATS
from .charts.figures import figure_file as figure_file
from .charts.hero import hero_picture as hero_picture
from .charts.plot import linear_axis as linear_axis
from .page_file import page_environment as page_environment
from .render import render_site as render_site
from .sentences import answer_lines as answer_lines
from .tuned_model_pages import render_gallery as render_gallery
