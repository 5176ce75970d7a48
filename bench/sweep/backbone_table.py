"""The backbones by family, with the methods that run on them. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.results import known_methods
from bench.sweep.grid import published
from bench.sweep.rules import SETTING_RULES, backbone_conflict, first_reason
from methods import BackboneSpec, MethodTraits, family_of, known_architectures, parse_backbone


@dataclass(frozen=True)
class BackboneGroup:
    """Architectures of one family on which the same methods run.

    Args:
        architectures: with the tags of their pretrained weights.
        runs: names of the methods that run.
        left_out: names of the other methods by reason; the first architecture's reasons.
    """

    family: str
    architectures: dict[str, list[str]]
    runs: list[str]
    left_out: dict[str, list[str]]

    @property
    def example(self) -> str:
        """A backbone of the group as `-b` takes it, with pretrained weights if it has any."""
        arch = next((arch for arch, tags in self.architectures.items() if tags), next(iter(self.architectures)))
        return f"{arch}.{next(iter(self.architectures[arch]), 'random')}"


def backbone_groups(family: str | None = None) -> list[BackboneGroup]:
    """Every architecture in groups, in the order of their names; those of one family, in any case, if it is given."""
    infos = known_methods().infos()
    groups: dict[tuple[str, tuple[str, ...]], BackboneGroup] = {}
    for arch, tags in known_architectures().items():
        spec = BackboneSpec(arch, "random")
        arch_family = family_of(arch, spec.config)
        if family is not None and arch_family.casefold() != family.casefold():
            continue
        refused = _left_out(spec, infos)
        runs = _others(refused, infos)
        group = groups.setdefault((arch_family, tuple(runs)), BackboneGroup(arch_family, {}, runs, refused))
        group.architectures[arch] = tags
    return sorted(groups.values(), key=lambda group: group.family)


def backbone_card(text: str) -> dict[str, Any]:
    """The facts of one backbone or architecture: its towers, its weights, and which methods run.

    `only_with_settings` holds those of `methods` whose defaults do not run, with the reason and the remedy.

    Raises BenchError for an unknown one.
    """
    architectures, infos = known_architectures(), known_methods().infos()
    spec = BackboneSpec(text, "random") if text in architectures else parse_backbone(text)
    refused = _left_out(spec, infos)
    facts: dict[str, Any] = {"backbone": text if text in architectures else spec.slug}
    if not spec.imported:
        facts |= {"family": family_of(spec.arch, spec.config)} | spec.tower_facts
        facts["pretrained"] = architectures.get(spec.arch, [])
        facts |= {} if spec.published is None else spec.published.facts
    runs = _others(refused, infos)
    conditions = {
        info.name: reason
        for info in infos
        if info.name in runs
        and (reason := first_reason(published(info, info.usual_protocol, backbone=spec), SETTING_RULES))
    }
    return facts | {"methods": runs, "only_with_settings": conditions, "left_out": refused}


def _left_out(spec: BackboneSpec, infos: Sequence[MethodTraits]) -> dict[str, list[str]]:
    """The methods that do not run on a backbone, by reason."""
    by_reason: dict[str, list[str]] = {}
    for info in infos:
        if reason := backbone_conflict(info, spec):
            by_reason.setdefault(reason, []).append(info.name)
    return by_reason


def _others(refused: Mapping[str, Sequence[str]], infos: Sequence[MethodTraits]) -> list[str]:
    """The methods that are not among the refused ones."""
    names = {name for some in refused.values() for name in some}
    return [info.name for info in infos if info.name not in names]
