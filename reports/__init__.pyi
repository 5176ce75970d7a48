"""Public names of `reports`; `__init__.py` loads each on first use."""

from ._format import brief as brief
from .charts.svg_file import FIGURE_SUFFIXES as FIGURE_SUFFIXES
from .figures import FIGURES as FIGURES
from .figures import FigureRequest as FigureRequest
from .figures import difficulty_picture as difficulty_picture
from .figures import figure_file as figure_file
from .page_data import entry_settings as entry_settings
from .parts.part import Part as Part
from .parts.part import paragraph as paragraph
from .parts.part import table as table
from .render import render_site as render_site
from .sentences import answer_lines as answer_lines
from .site.build import PageRequest as PageRequest
from .site.build import write_page as write_page
from .tables.page_table import FIRST_ROWS as FIRST_ROWS
from .tables.page_table import Column as Column
from .tables.page_table import Table as Table
from .tables.page_table import cell as cell
from .verdict_sentences import few_datasets as few_datasets
from .views import AddedPart as AddedPart
from .views import BoardView as BoardView
from .views import SiteView as SiteView
