"""What a page says about methods and datasets besides numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench._util.text_cache import TextCache
from bench.method_info.facts import method_sheets
from bench.published import published_titles


@dataclass(frozen=True)
class MethodFacts:
    """What a page says about a method."""

    title: str
    family: str = "other"
    summary: str = ""
    citation: str = ""


@dataclass(frozen=True)
class DatasetFacts:
    """What a page says about a dataset."""

    title: str
    summary: str = ""
    domain: str = ""
    licence: str = ""
    homepage: str = ""


@dataclass(frozen=True)
class Catalogue:
    """Facts by registry name; a name without facts goes by its published title, or is shown as it is."""

    methods: Mapping[str, MethodFacts] = field(default_factory=dict)
    datasets: Mapping[str, DatasetFacts] = field(default_factory=dict)
    published_titles: Mapping[str, str] = field(default_factory=dict)

    def method(self, name: str) -> MethodFacts:
        """Facts of a method; those of a wrapper around a host (`wrapper:host`) are put together from the two."""
        return self.methods.get(name) or self._wrapped(name) or MethodFacts(self.published_titles.get(name, name))

    def _wrapped(self, name: str) -> MethodFacts | None:
        wrapper, _, host = name.partition(":")
        around = self.methods.get(wrapper) or self.methods.get(wrapper.removesuffix("_on"))
        if not host or around is None:
            return None
        inner = self.method(host)
        family = around.family if around.family == "ensemble" else inner.family
        title = f"{inner.title} + {around.title.rpartition(' + ')[2]}"  # sheets have a wrapper around its first host
        return MethodFacts(title, family, around.summary, around.citation)

    def dataset(self, name: str) -> DatasetFacts:
        """Facts of a dataset; the setting of a dial (`name:option=value`) has those of the dial, titled by its name."""
        if name in self.datasets:
            return self.datasets[name]
        facts = self.datasets.get(name.partition(":")[0])
        if facts is None:
            return DatasetFacts(name)
        return DatasetFacts(name, facts.summary, facts.domain, facts.licence, facts.homepage)


def registered(kept: TextCache | None = None) -> Catalogue:
    """The facts that the two registries hold.

    Args:
        kept: where those of methods are kept from one process to the next, None to import all methods.
    """
    from datasets_registry import list_datasets

    return Catalogue(
        methods={
            sheet.name: MethodFacts(sheet.title, sheet.family, sheet.summary, sheet.citation)
            for sheet in method_sheets(kept)
        },
        datasets={
            info.name: DatasetFacts(info.title, info.summary, info.domain, info.licence, info.homepage)
            for info in list_datasets()
        },
        published_titles=published_titles(),
    )
