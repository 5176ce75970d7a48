"""Public names of `reports`; `__init__.py` loads each on first use."""

from ._format import brief as brief
from ._format import shorten as shorten
from .charts.hero import hero_picture as hero_picture
from .charts.plot import linear_axis as linear_axis
from .charts.vega_svg import CHART_FORMATS as CHART_FORMATS
from .charts.vega_svg import chart_file as chart_file
from .page_data import entry_settings as entry_settings
from .page_file import longest_word as longest_word
from .page_file import page_environment as page_environment
from .parts.part import Part as Part
from .parts.part import paragraph as paragraph
from .parts.part import table as table
from .render import render_site as render_site
from .sentences import answer_lines as answer_lines
from .site.build import PageRequest as PageRequest
from .site.build import check_site as check_site
from .site.build import write_page as write_page
from .tables.model import FIRST_ROWS as FIRST_ROWS
from .tables.model import Column as Column
from .tables.model import Table as Table
from .tables.model import cell as cell
from .tuned_model_pages import render_gallery as render_gallery
from .verdict_sentences import few_datasets as few_datasets
from .views import AddedPart as AddedPart
from .views import BoardView as BoardView
from .views import SiteView as SiteView
