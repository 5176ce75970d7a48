"""Chosen tables, methods and datasets of a paper."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.papers import PaperPart
from bench.papers.paper_files import Paper, parse_paper
from datasets_registry import UnknownNameError

PAPER = """
title = "Mine"
address = "arXiv:2311.15569"
[sweep]
backbones = ["ViT-tiny.random"]
seeds = 1
[table-1]
title = "One"
[[table-1.sweep]]
methods = ["vpt*", "zero_shot"]
datasets = ["spectrum_b*", "spectrum_angles"]
protocol = "few-shot"
set = { "vpt.depth" = 3 }
[table-2]
title = "Two"
[[table-2.sweep]]
methods = ["coop"]
datasets = ["spectrum_basic"]
targets = ["spectrum_a*", "spectrum_words"]
protocol = "cross-dataset"
"""


@pytest.fixture
def paper() -> Paper:
    return parse_paper(PAPER, "mine")


def test_patterns_of_a_paper_stand_for_what_they_select(paper: Paper) -> None:
    part = PaperPart.of(paper, ["table-1", "table-2"])
    (first,), (second,) = (part.outlines[name] for name in ("table-1", "table-2"))
    assert {"vpt", "zero_shot"} < set(first.request.methods)
    assert set(first.request.datasets) == {"spectrum_basic", "spectrum_blur", "spectrum_angles"}
    assert second.request.targets == ["spectrum_angles", "spectrum_words"]
    names = [*first.request.methods, *first.request.datasets, *second.request.targets]
    assert not any("*" in name for name in names)


def test_a_part_has_the_chosen_methods_with_their_settings_on_the_chosen_datasets_and_targets(paper: Paper) -> None:
    part = PaperPart.of(paper, ["table-1", "table-2"], methods="zero_shot,coop", datasets=["spectrum_angles"])
    (first,), (second,) = (part.outlines[name] for name in ("table-1", "table-2"))
    assert {(spec.method, spec.dataset) for spec in first.specs} == {("zero_shot", "spectrum_angles")}
    assert first.request.overrides == []
    assert (second.request.datasets, second.request.targets) == (["spectrum_basic"], ["spectrum_angles"])
    (only,) = PaperPart.of(paper, ["table-1"], methods="vpt", datasets="spectrum_blur").outlines["table-1"]
    assert [spec.config["depth"] for spec in only.specs] == [3]


def test_what_no_chosen_table_has_is_refused(paper: Paper) -> None:
    with pytest.raises(UsageError, match=r"table-1 .*'coop'.* zero_shot"):
        PaperPart.of(paper, ["table-1"], methods="coop")
    with pytest.raises(UsageError, match=r"'eurosat'.* spectrum_words"):
        PaperPart.of(paper, ["table-1", "table-2"], datasets="eurosat")
    with pytest.raises(UsageError, match="does not run"):
        PaperPart.of(paper, ["table-1", "table-2"], methods="coop", datasets="spectrum_blur")
    with pytest.raises(UnknownNameError, match="'vpt'"):
        PaperPart.of(paper, ["table-1"], methods="vptt")
