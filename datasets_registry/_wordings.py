"""Published templates and class names of datasets, beyond one template each, with their sources."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field


class Wording(BaseModel):
    """How one source writes the class texts of some datasets.

    Attributes:
        name: as `--class-text variant:NAME` takes it.
        templates: with `{}` for the class name.
        names: class names that differ from the dataset's, by the dataset's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern="^[a-z0-9_]+$")
    datasets: tuple[str, ...] = Field(min_length=1)
    templates: tuple[str, ...] = Field(min_length=1)
    source: str = Field(min_length=1)
    names: Mapping[str, str] = {}

    @property
    def summary(self) -> str:
        """The first template, how many more there are, whether class names differ, and the source."""
        names = "with other class names" if self.names else "with the dataset's class names"
        more = f" and {len(self.templates) - 1} more" if len(self.templates) > 1 else ""
        return f"`{self.templates[0]}`{more}, {names} ({self.source})"

    def sentences(self, names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """The filled templates of each class."""
        written = [self.names.get(name, name.replace("_", " ")) for name in names]
        return tuple(tuple(template.replace("{}", name) for template in self.templates) for name in written)


@cache
def wordings_of(dataset: str) -> Mapping[str, Wording]:
    """The wordings of a dataset by name; empty for most.

    Example:
        >>> wordings_of("eurosat")["clip_all"].sentences(("Sea or Lake",))[0][0]
        'a centered satellite photo of lake or sea.'
    """
    path = resources.files("datasets_registry") / "data" / "wordings.toml"
    wordings = [Wording.model_validate(item) for item in tomllib.loads(path.read_text(encoding="utf-8"))["wording"]]
    return {wording.name: wording for wording in wordings if dataset in wording.datasets}
