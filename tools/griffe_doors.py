"""A griffe extension for the API reference.

The names that a package's stub re-exports are its public members, and the help of an option describes a parameter.
"""

import ast
from typing import Any

import griffe


class FrontDoors(griffe.Extension):
    """Exports what each `__init__.pyi` imports, reads `Example:` as griffe's `Examples:`, and describes parameters."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Treat every name that the stub imports as exported, and describe the parameters of `bench.api`."""
        pkg.exports = [name for name, member in pkg.members.items() if member.is_alias and name != "lazy_loader"]
        if pkg.name == "bench":
            shared = {name: one.value for name, one in pkg["api.options"].attributes.items()}
            for module in pkg["api"].modules.values():
                for owner in (module, *module.classes.values()):
                    for function in owner.functions.values():
                        _describe(function, shared)

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the docstring section. Without this, griffe makes a box and reads `>>>` as quotation marks."""
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("Example:\n    >>>", "Examples:\n    >>>")


def _describe(function: griffe.Function, shared: dict[str, Any]) -> None:
    """Show the parameters that are options with their types alone, and what `--help` says in the section `Args`."""
    lines = ""
    for one in function.parameters:
        hint: Any = shared.get(str(one.annotation), one.annotation)
        if isinstance(hint, griffe.ExprSubscript) and str(hint.left) == "Annotated":
            one.annotation, mark = hint.slice.elements[:2]
            texts = [text for text in getattr(mark, "arguments", ()) if isinstance(text, str)]
            lines += f"\n    {one.name}: {ast.literal_eval(texts[0])}" if texts else ""
    if lines and function.docstring:
        before, args, after = function.docstring.value.partition("\n\nArgs:")
        function.docstring.value = f"{before}\n\nArgs:{lines}{after if args else ''}"
