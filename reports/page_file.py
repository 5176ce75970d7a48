"""Template environment of the report, of galleries, and of the pages of extensions."""

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined


def page_environment(*packages: str) -> Environment:
    """The templates, and those of other packages; all text is escaped, and an undefined name is an error."""
    return Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in ("reports", *packages)]),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
