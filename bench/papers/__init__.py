"""Numbers from papers and their repositories, each with its source. Nothing here was measured by this project.

`tables.csv` has one line per printed table row: accuracies in per cent, one column per dataset, `±` before a printed
spread. `sources.csv` lists where a line was printed, `errata.csv` printed numbers that contradict their own table,
`methods.csv` the titles and other facts of methods that this project lacks, and `conditions.csv` how numbers were
trained, with the recipes of `recipes.toml`. A file in `added/` is the table of one paper with its source in the same
rows; `tests/bench/papers/test_ledger.py` checks it before it is added. Baselines that later papers repeat are kept once
per source: rows that copy one another are not independent.

`published_frame()` has all numbers, `select()` filters it, `published_difficulty()` has the difficulty of each dataset,
and `published_methods()` the methods. `compare_with_published()` judges runs by the numbers that they meet.

Example:
    >>> from bench.papers import published_frame, select
    >>> frame = published_frame()
    >>> frame = frame[frame["source_table"] == "Table 10"]
    >>> rows = select(frame, methods=["zero_shot"], datasets=["average"])
    >>> dict(zip(rows["split"], rows["value"].round(4)))
    {'base': 0.6934, 'new': 0.7422, 'H': 0.717}
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
