"""One published table in the form that trends are computed from."""

import pandas as pd

from bench.papers.published_numbers import published_frame


def published_values(source: str, *, split: str) -> pd.DataFrame:
    """`method`, `dataset` and `value` of ViT-B/16 in the table whose source contains that text."""
    frame = published_frame()
    rows = frame[
        frame["reported_in"].str.contains(source, regex=False)
        & (frame["split"] == split)
        & (frame["backbone"] == "ViT-B-16.openai")
        & (frame["metric"] == "accuracy")
        & (frame["variant"] == "")
    ]
    return rows.drop_duplicates(["method", "dataset"])[["method", "dataset", "value"]].reset_index(drop=True)
