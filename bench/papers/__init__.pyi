"""Public names of `bench.papers`; `__init__.py` loads each on first use."""

from .new_table import TableCheck as TableCheck
from .new_table import add_table as add_table
from .new_table import check_table as check_table
from .published_numbers import DATASETS as DATASETS
from .published_numbers import PUBLISHED_COLUMNS as PUBLISHED_COLUMNS
from .published_numbers import published_difficulty as published_difficulty
from .published_numbers import published_digest as published_digest
from .published_numbers import published_frame as published_frame
from .published_numbers import published_titles as published_titles
from .published_numbers import select as select
