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
        whole = {  # names in place of patterns
            name: [
                replace(outline, request=without_patterns(outline.request))
                for outline in paper.outlines(name, **own, **({} if on else options))
            ]
            for name in names
        }
        requests = [outline.request for outlines in whole.values() for outline in outlines]
        known = [name for request in requests for name in all_datasets(request)]
        real = {name.partition(":")[0]: real for name, real in stand_ins(known).items()} if on else {}
        wanted = [real.get(name.partition(":")[0], name) for name in _checked(datasets, get_dataset)]
        chosen = _checked(methods, known_methods().get)
        where = f"{paper.name} {names[0]}" if len(names) == 1 else paper.name
        place = f"{where} has no" if len(names) == 1 else f"{where} has no table or figure with the"
        _refuse_others(f"{place} method", chosen, [name for request in requests for name in request.methods])
        _refuse_others(f"{place} dataset", wanted, known)
        part = {name: _narrowed(outlines, chosen, wanted) for name, outlines in whole.items()}
        if not any(part.values()):
            raise UsageError(
                f"{where} does not run these methods on these datasets; leave out --methods or --datasets."
            )
        datasets_of = {}
        for name, outlines in whole.items():
            in_paper = list(dict.fromkeys(one for outline in outlines for one in all_datasets(outline.request)))
            datasets_of[name] = stand_ins(in_paper) if on else dict(zip(in_paper, in_paper, strict=True))
            if on:
                how = {"device": "cpu"} | options | own
                synthetic = [synthetic_form(outline.request, **how) for outline in part[name]]
                part[name] = [outline_of(request, unchecked=True) for request in synthetic]
        return cls(chosen, wanted, part, datasets_of)


def all_datasets(request: SweepRequest) -> list[str]:
    """The datasets and targets of a request."""
    return [*request.datasets, *request.targets]


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
            values["overrides"] = [
                text
                for text in request.overrides
                if any(fnmatchcase(name, text.partition(".")[0]) for name in values["methods"])
            ]
        found.append(request.model_copy(update=values))
    return [outline_of(one, unchecked=True) for one in found] if methods or datasets else list(outlines)
