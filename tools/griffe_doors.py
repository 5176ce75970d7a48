"""A griffe extension for the API reference: the names that a package's stub re-exports are its public members."""

from typing import Any

import griffe


class FrontDoors(griffe.Extension):
    """Exports what each `__init__.pyi` imports, and reads the section `Example:` as griffe's `Examples:`."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Treat every name that the stub imports as exported."""
        pkg.exports = [name for name, member in pkg.members.items() if member.is_alias and name != "lazy_loader"]

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the docstring section. Without this, griffe makes a box and reads `>>>` as quotation marks."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("Example:\n    >>>", "Examples:\n    >>>")
