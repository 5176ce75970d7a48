"""The source of a text tower's tokenizer, if it is not CLIP's. Loads no torch."""

import importlib.util
from dataclasses import dataclass
from functools import cache

from datasets_registry import BenchError

MISSING_PACKAGE = "the package transformers (pip install 'clip-etl-bench[transformers]')"


class TokenizerError(BenchError, RuntimeError):
    """A tokenizer whose files are not available."""


@dataclass(frozen=True)
class TokenizerSource:
    """The source of a tokenizer.

    Args:
        name: a repository of the hub, or a folder with the tokenizer's files.
        options: options of open_clip's `HFTokenizer`, as sorted JSON (`tokenizer_kwargs` of the configuration).
    """

    name: str
    options: str = "{}"


@cache
def has_transformers() -> bool:
    """Whether transformers is installed; it is not imported."""
    return importlib.util.find_spec("transformers") is not None
