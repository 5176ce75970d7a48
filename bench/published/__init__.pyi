"""Public names of `bench.published`; `__init__.py` loads each on first use."""

from .load import DATASETS as DATASETS
from .load import PUBLISHED_COLUMNS as PUBLISHED_COLUMNS
from .load import published_difficulty as published_difficulty
from .load import published_digest as published_digest
from .load import published_frame as published_frame
from .load import published_titles as published_titles
from .load import select as select
from .new_table import TableCheck as TableCheck
from .new_table import add_table as add_table
from .new_table import check_table as check_table
