"""Template environment of the report and of the pages of extensions."""

from collections.abc import Iterable
from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from reports._format import FILTERS


@cache
def page_environment(*packages: str) -> Environment:
    """The templates, and those of other packages; all text is escaped, and an undefined name is an error."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in ("reports", *packages)]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in (*FILTERS, whole_words)}
    return environment


def longest_word(names: Iterable[str]) -> int:
    """Letters of the longest word of some names, for columns that cut no word; 0 without names.

    Example:
        >>> longest_word(["a red_admiral", "swallowtail"])
        11
    """
    return max((len(word) for name in names for word in name.replace("_", "_ ").split()), default=0)


def whole_words(name: str) -> Markup:
    """A name whose lines end after a word, also after one with an underscore.

    Example:
        >>> whole_words("red_admiral")
        Markup('red_<wbr>admiral')
    """
    return Markup("_<wbr>").join(map(escape, name.split("_")))
