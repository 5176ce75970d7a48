"""Analysis results as views: fields of the same name are copied."""

from dataclasses import fields
from typing import Any, TypeVar

V = TypeVar("V")


def view_of(view: type[V], source: object, /, **changed: Any) -> V:
    """A view (a dataclass) with the attributes of the same name of `source`; `changed` gives the other fields."""
    names = [field.name for field in fields(view) if field.name not in changed and hasattr(source, field.name)]  # type: ignore[arg-type]
    return view(**{name: getattr(source, name) for name in names}, **changed)
