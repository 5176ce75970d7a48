"""Numbers from papers and their repositories, each with where it was read; nothing here was measured by this project.

`tables.csv` has one line per table row as printed: accuracies in per cent, one column a dataset, `±` before a spread
that the source prints. `sources.csv` says where a line was read, `errata.csv` which printed numbers contradict their
own table, `titles.csv` how methods are written that this project lacks. Baselines that later papers repeat are kept
once per source: rows that copy one another are not independent.
"""

from bench.published.load import (
    DATASETS,
    PUBLISHED_COLUMNS,
    published_difficulty,
    published_digest,
    published_frame,
    published_titles,
    select,
)

__all__ = [
    "DATASETS",
    "PUBLISHED_COLUMNS",
    "published_difficulty",
    "published_digest",
    "published_frame",
    "published_titles",
    "select",
]
