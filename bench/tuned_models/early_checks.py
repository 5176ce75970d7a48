"""The check of the format of a table of predictions, before torch is imported."""

from pathlib import Path

from bench.errors import UsageError

FORMATS = (".csv", ".jsonl", ".parquet")
"""Suffixes of a table of predictions."""


def check_format(out: Path) -> None:
    """Raise UsageError for an unknown suffix, or for parquet without pyarrow."""
    if out.suffix.lower() not in FORMATS:
        raise UsageError(f"--out {out}: the suffix decides the format; use {', '.join(FORMATS)}.")
    if out.suffix.lower() == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise UsageError(
                f"--out {out} needs pyarrow. Run `pip install 'clip-etl-bench[hf]'`, or write a .csv file."
            ) from None
