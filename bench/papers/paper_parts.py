"""Chosen tables and figures of a paper, with the chosen ones of their methods and datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Self

from bench.errors import UsageError
from bench.papers.paper_files import Paper
from bench.papers.synthetic import stand_ins, synthetic_form
from bench.results import known_methods
from bench.sweep import Plan, SweepRequest, outline_of, split_list, without_patterns
from datasets_registry import get_dataset

SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class PaperPart:
    """Some tables and figures of a paper, narrowed to some of their methods and datasets.

    Args:
        methods: the chosen ones by the names of the paper, empty for all; likewise `datasets`.
        outlines: the sweeps of each table or figure, on synthetic data if requested; none if it has no chosen part.
        datasets_of: all datasets of each table or figure, as they are run, with their names in the paper.
    """

    methods: Sequence[str]
    datasets: Sequence[str]
    outlines: Mapping[str, Sequence[Plan]]
    datasets_of: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(
        cls,
        paper: Paper,
        names: Sequence[str],
        *,
        on: str | None = None,
        methods: str | Sequence[str] = (),
        datasets: str | Sequence[str] = (),
        seeds: str | int | Sequence[int] | None = None,
        **options: Any,
    ) -> Self:
        """Some tables and figures of a paper. On synthetic data, a stand-in means the dataset that it stands for.

        Args:
            on: `synthetic` for the included suite and backbone.
            seeds: in place of the paper's.
            options: further fields of the requests, which say how and where they are run.

        Raises UnknownNameError for an unknown name, and UsageError for one that no chosen table or figure has, or if
        none of them runs the chosen methods on the chosen datasets.
        """
        if on not in (None, SYNTHETIC):
            raise UsageError(f"--on {on!r} is unknown. Allowed: {SYNTHETIC}.")
        own = {"seeds": seeds} if seeds else {}
        whole = {name: _named(paper.outlines(name, **own, **({} if on else options))) for name in names}
        requests = [one.request for outlines in whole.values() for one in outlines]
        known = [name for one in requests for name in all_datasets(one)]
        real = {name.partition(":")[0]: real for name, real in stand_ins(known).items()} if on else {}
        wanted = [real.get(name.partition(":")[0], name) for name in _checked(datasets, get_dataset)]
        chosen = _checked(methods, known_methods().get)
        where = f"{paper.name} {names[0]}" if len(names) == 1 else paper.name
        place = f"{where} has no" if len(names) == 1 else f"{where} has no table or figure with the"
        _refuse_others(f"{place} method", chosen, [name for one in requests for name in one.methods])
        _refuse_others(f"{place} dataset", wanted, known)
        part = {name: _narrowed(outlines, chosen, wanted) for name, outlines in whole.items()}
        if not any(part.values()):
            raise UsageError(
                f"{where} does not run these methods on these datasets; leave out --methods or --datasets."
            )
        if on:
            how = {"device": "cpu"} | options | own
            part = {name: _synthetic(outlines, how) for name, outlines in part.items()}
        datasets_of = {name: _datasets_of(outlines, on) for name, outlines in whole.items()}
        return cls(chosen, wanted, part, datasets_of)


def all_datasets(request: SweepRequest) -> list[str]:
    """The datasets and targets of a request."""
    return [*request.datasets, *request.targets]


def _named(outlines: Sequence[Plan]) -> list[Plan]:
    """The outlines with requests that have names in place of patterns."""
    return [replace(one, request=without_patterns(one.request)) for one in outlines]


def _synthetic(outlines: Sequence[Plan], options: Mapping[str, Any]) -> list[Plan]:
    return [outline_of(synthetic_form(one.request, **options), unchecked=True) for one in outlines]


def _datasets_of(outlines: Sequence[Plan], on: str | None) -> dict[str, str]:
    """The datasets as they are run, with their names in the paper."""
    named = list(dict.fromkeys(name for one in outlines for name in all_datasets(one.request)))
    return stand_ins(named) if on else dict(zip(named, named, strict=True))


def _checked(given: str | Sequence[str], look_up: Any) -> list[str]:
    """The given names, after `look_up`, which raises UnknownNameError for an unknown one."""
    names = split_list([given] if isinstance(given, str) else given)
    for name in names:
        look_up(name)
    return names


def _refuse_others(problem: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    for name in wanted:
        if name not in known:
            raise UsageError(f"{problem} {name!r}. Allowed: {', '.join(dict.fromkeys(known))}.")


def _narrowed(outlines: Sequence[Plan], methods: Sequence[str], datasets: Sequence[str]) -> list[Plan]:
    """The outlines with only these methods and datasets, all if there are none; those that have none are left out."""
    found = []
    for request in (one.request for one in outlines):
        place = "targets" if request.targets else "datasets"
        values = {"methods": [name for name in request.methods if name in methods or not methods]}
        values[place] = [name for name in getattr(request, place) if name in datasets or not datasets]
        if not all(values.values()):
            continue
        if methods:
            values["overrides"] = [text for text in request.overrides if _concerns(text, values["methods"])]
        found.append(request.model_copy(update=values))
    return [outline_of(one, unchecked=True) for one in found] if methods or datasets else list(outlines)


def _concerns(override: str, methods: Sequence[str]) -> bool:
    return any(fnmatchcase(name, override.partition(".")[0]) for name in methods)
