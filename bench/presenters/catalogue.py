"""Titles and other facts about methods and datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench._util.text_cache import TextCache
from bench.method_info.facts import method_sheets
from bench.published import published_titles


@dataclass(frozen=True)
class MethodFacts:
    """Facts about a method."""

    title: str
    family: str = "other"
    summary: str = ""
    citation: str = ""


@dataclass(frozen=True)
class DatasetFacts:
    """Facts about a dataset."""

    title: str
    summary: str = ""
    domain: str = ""
    licence: str = ""
    homepage: str = ""


@dataclass(frozen=True)
class Catalogue:
    """Facts by registry name. Without facts, a method has its published title, and a dataset its name."""

    methods: Mapping[str, MethodFacts] = field(default_factory=dict)
    datasets: Mapping[str, DatasetFacts] = field(default_factory=dict)
    published_titles: Mapping[str, str] = field(default_factory=dict)

    def method(self, name: str) -> MethodFacts:
        """Facts of a method; those of a wrapped method (`wrapper:host`) are combined from both."""
        return self.methods.get(name) or self._wrapped(name) or MethodFacts(self.published_titles.get(name, name))

    def _wrapped(self, name: str) -> MethodFacts | None:
        wrapper, _, host = name.partition(":")
        around = self.methods.get(wrapper) or self.methods.get(wrapper.removesuffix("_on"))
        if not host or around is None:
            return None
        inner = self.method(host)
        family = around.family if around.family == "ensemble" else inner.family
        title = f"{inner.title} + {around.title.rpartition(' + ')[2]}"
        return MethodFacts(title, family, around.summary, around.citation)

    def dataset(self, name: str) -> DatasetFacts:
        """Facts of a dataset; a variant (`name:option=value`) has those of its base, but its own name as the title."""
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
