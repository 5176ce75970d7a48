"""Titles and other facts about methods and datasets."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

from bench.analysis import Entry, Leaderboard
from bench.papers.published_numbers import table
from bench.results import has_title, known_methods
from bench.spec import external_parts
from datasets_registry import SeenImages
from methods import Extra


@dataclass(frozen=True)
class DatasetFacts:
    """Facts about a dataset, its difficulty for the backbone, and a few of its images.

    Args:
        measures: difficulty by the title of a measure and by class split.
        examples: class name and data URI of a small image.
        overlap: published statements about its overlap with the backbone's pretraining data.
        seen: the one about this very dataset.
    """

    name: str
    title: str
    summary: str = ""
    domain: str = ""
    licence: str = ""
    homepage: str = ""
    n_classes: Mapping[str, int] = field(default_factory=dict)
    measures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    examples: tuple[tuple[str, str], ...] = ()
    overlap: tuple[str, ...] = ()
    seen: SeenImages | None = None


@dataclass(frozen=True)
class MethodSheet:
    """What a page says about a method.

    Args:
        family: what it learns, as `Family` of the registry.
        uses: what it sees besides the labelled images; None if that is not known.
        year: of its paper; None if unknown, like the empty texts below.
        paper: an arXiv id, `openreview:ID`, `doi:ID` or an address.
        code: owner and name of its repository.
        source: where this was read, of a method that this project lacks.
    """

    name: str
    title: str
    family: str = "other"
    summary: str = ""
    citation: str = ""
    uses: tuple[str, ...] | None = ()
    year: int | None = None
    venue: str = ""
    paper: str = ""
    code: str = ""
    source: str = ""


UNKNOWN_INPUTS = "unknown inputs"
"""What a method sees of which nothing is stated."""


@dataclass(frozen=True)
class Catalogue:
    """Facts by registry name, of methods also by their id in the ledger. Without facts, the title is the name."""

    methods: Mapping[str, MethodSheet] = field(default_factory=dict)
    datasets: Mapping[str, DatasetFacts] = field(default_factory=dict)

    def method(self, name: str) -> MethodSheet:
        """Facts of a method; those of a wrapped method (`wrapper:host`) are combined from both."""
        return self.methods.get(name) or self._of_other_code(name) or self._wrapped(name) or MethodSheet(name, name)

    def uses(self, entry: Entry) -> tuple[str, ...]:
        """What an entry sees besides the labelled images: as its authors state it, or as is known of its method.

        `unknown inputs` if neither is the case.
        """
        if entry.uses is not None:
            return entry.uses
        uses = self.method(entry.method).uses
        if uses is None:
            return (UNKNOWN_INPUTS,)
        tuned = entry.config.get("selection") == "validation"
        return tuple(extra for extra in uses if tuned or extra != "validation labels")

    def _of_other_code(self, name: str) -> MethodSheet | None:
        """Facts of official code and of imported predictions: those of the method of that title, if there is one."""
        parts = external_parts(name)
        if parts is None:
            return None
        title, source = parts
        same = next((sheet for sheet in self.methods.values() if has_title(title, sheet.name, sheet.title)), None)
        sheet = MethodSheet(name, title, uses=None) if same is None else same
        return replace(sheet, name=name, title=f"{title} ({source})", summary=f"{source.capitalize()}. {sheet.summary}")

    def _wrapped(self, name: str) -> MethodSheet | None:
        wrapper, _, host = name.partition(":")
        around = self.methods.get(wrapper) or self.methods.get(wrapper.removesuffix("_on"))
        if not host or around is None:
            return None
        inner = self.method(host)
        family = around.family if around.family == "ensemble" else inner.family
        title = f"{inner.title} + {around.title.rpartition(' + ')[2]}"
        extras = None if around.uses is None or inner.uses is None else {*around.uses, *inner.uses}
        uses = None if extras is None else tuple(str(extra) for extra in get_args(Extra) if extra in extras)
        return replace(around, name=name, title=title, family=family, uses=uses)

    def family(self, method: str) -> str:
        """Family of a method, such as of a wrapped one; empty if nothing is known about it."""
        is_known = method in self.methods or self._wrapped(method) is not None
        return self.method(method).family if is_known else ""

    def row_title(self, method: str, label: str) -> str:
        """Title of a method in a published table, with the table's label if it differs."""
        title = self.method(method).title
        return f"{title} ({label})" if label and label != title else title

    def entry_title(self, method: str, label: str) -> str:
        """Title of a method, and the settings that distinguish the entry."""
        title = self.method(method).title
        return f"{title} ({label})" if label else title

    def board_titles(self, board: Leaderboard) -> dict[str, str]:
        """Titles of the entries and datasets of a leaderboard, by key and name."""
        entries = {entry.key: self.entry_title(entry.method, entry.label) for entry in board.entries}
        return entries | {name: self.dataset(name).title for name in board.datasets}

    def dataset(self, name: str) -> DatasetFacts:
        """Facts of a dataset; a variant (`name:option=value`) has those of its base.

        Its title is its name, or the title of its base where it only has fewer test images.
        """
        if name in self.datasets:
            return self.datasets[name]
        base, _, options = name.partition(":")
        facts = self.datasets.get(base)
        if facts is None:
            return DatasetFacts(name, name)
        fewer_images = options.startswith("test=") and "," not in options
        return replace(facts, name=name, title=facts.title if fewer_images else name)

    def telling_apart(self, names: Iterable[str]) -> "Catalogue":
        """The catalogue in which variants that would have the title of another of these datasets add their options."""
        datasets = sorted(set(names))
        shared = Counter(self.dataset(name).title for name in datasets)
        sheets = dict(self.datasets)
        for name in datasets:
            facts, options = self.dataset(name), name.partition(":")[2]
            if options and shared[facts.title] > 1:
                sheets[name] = replace(facts, title=f"{facts.title} ({options})")
        return replace(self, datasets=sheets)

    def with_short_titles(self, names: Iterable[str]) -> "Catalogue":
        """The catalogue in which these datasets lack the first word of their titles, if they all share it."""
        datasets = sorted(set(names))
        facts = [self.dataset(name) for name in datasets]
        titles = short_titles([dataset.title for dataset in facts])
        sheets = {name: replace(d, title=title) for name, d, title in zip(datasets, facts, titles, strict=True)}
        return replace(self, datasets={**self.datasets, **sheets})


def short_titles(titles: Sequence[str]) -> list[str]:
    """Titles without the first word if they all share it.

    Example:
        >>> short_titles(["Spectrum Blur", "Spectrum Land Cover"]), short_titles(["DTD", "EuroSAT"])
        (['Blur', 'Land Cover'], ['DTD', 'EuroSAT'])
    """
    parts = [title.partition(" ") for title in titles]
    shared = len(parts) > 1 and len({first for first, _, _ in parts}) == 1 and all(rest for _, _, rest in parts)
    return [rest for _, _, rest in parts] if shared else list(titles)


def registered() -> Catalogue:
    """The facts in the registries of methods and datasets, and of the ledger's methods that this project lacks."""
    from datasets_registry import list_datasets

    methods = {
        facts.name: MethodSheet(
            name=facts.name,
            title=facts.title,
            family=str(facts.family),
            summary=facts.summary,
            citation=facts.citation.strip(),
            uses=tuple(map(str, facts.extras)),
            year=facts.year,
            venue=facts.venue,
            paper=facts.paper,
            code=facts.code,
        )
        for facts in known_methods().infos()
    }
    datasets = {
        info.name: DatasetFacts(info.name, info.title, info.summary, info.domain, info.licence, info.homepage)
        for info in list_datasets()
    }
    return Catalogue(methods | published_methods(), datasets)


def published_methods() -> dict[str, MethodSheet]:
    """The methods of the published numbers that this project lacks, by name."""
    return {
        row["method"]: MethodSheet(
            name=row["method"],
            title=row["title"],
            family=row["family"],
            uses=None if row["uses"] == "unknown" else () if row["uses"] == "none" else tuple(row["uses"].split(";")),
            year=int(row["year"]) if row["year"] else None,
            venue=row["venue"],
            paper=row["paper"],
            code=row["code"],
            source=row["source"],
        )
        for row in table("methods.csv")
    }


def overlap_statements(dataset: str, backbone: str) -> tuple[str, ...]:
    """What is published about the overlap of a registered dataset with the backbone's pretraining data."""
    from datasets_registry import UnknownNameError, get_dataset, pretraining_overlap

    try:
        return pretraining_overlap(get_dataset(dataset.partition(":")[0]), backbone)
    except UnknownNameError:
        return ()
