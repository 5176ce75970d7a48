"""The words of CLIP's vocabulary, for readers of learned tokens."""

from functools import lru_cache

from methods._backbones.open_clip_import import open_clip


@lru_cache(maxsize=1)
def vocabulary() -> tuple[str, ...]:
    """The text of each token, by its number; `</w>` marks the end of a word, as in CLIP's own list."""
    decoder = open_clip().tokenizer.SimpleTokenizer().decoder
    return tuple(decoder[i] for i in range(len(decoder)))
