"""The template environment of the report."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from reports._format import FILTERS


@cache
def page_environment() -> Environment:
    """The templates; all text is escaped, and an undefined name is an error."""
    environment = Environment(
        loader=PackageLoader("reports"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {function.__name__: function for function in FILTERS}
    return environment
