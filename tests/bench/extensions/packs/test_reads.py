"""What runs read of the frozen towers is what `reads` says, for every method that needs features only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from short_settings import short_recipe_overrides
from sweep_requests import sweep_over

from bench.context import RunContext
from bench.experiment import load_task, runner
from bench.experiment.features import inputs, views
from bench.extensions.packs.contents import text_list
from bench.extensions.packs.reads import OWN, Reads, reads_of, reads_towers
from bench.results import known_methods
from bench.sweep import expand, outline_of
from datasets_registry import EvalProtocol, get_dataset
from methods import Backbone, Recipe

DATASET, TINY = "spectrum_basic:test=1", "ViT-tiny.random"
METHODS = [
    facts.name for facts in known_methods().infos() if not reads_towers(facts.name) and not facts.reads_test_stream
]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_reads_what_is_said(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = known_methods().get(method)
    options = {"unlabelled": "train:5"} if facts.needs_pool else {}
    short = short_recipe_overrides(method) if facts.recipes else []
    request = sweep_over(
        [method], [DATASET], [TINY], protocol=EvalProtocol.FEW_SHOT, shots=(1,), seeds=(1,), overrides=short, **options
    )
    (spec,) = expand(request).specs
    seen: set[str] = set()
    texts: set[str] = set()
    stored, encoded = inputs.Inputs.stored, Backbone.encode_texts

    def spied(self: Any, store: Any, images: Any, samples: Any, shown: Sequence[Any], **others: Any) -> Any:
        seen.update(view.key for view in shown)
        return stored(self, store, images, samples, shown, **others)

    def spied_texts(self: Backbone, listed: Sequence[str]) -> Any:
        texts.add(text_list(listed))
        return encoded(self, listed)

    monkeypatch.setattr(inputs.Inputs, "stored", spied)
    monkeypatch.setattr(Backbone, "encode_texts", spied_texts)
    context = RunContext()
    record, _ = runner.run_experiment(spec, context)
    assert record.error is None
    task = load_task(spec, context)
    reads = reads_of(spec, len(task.support))
    said = {
        views.views_for_epoch(Recipe(views=count, crop_scale=scale), spec.seed, i).key
        for scale, count in reads.views.items()
        for i in range(count)
    }
    assert seen - {views.CENTER_VIEW.key} == said
    own, classes = get_dataset(DATASET).template, task.support.classes
    allowed = {
        text_list(classes.texts(own if template == OWN else template, keep_underscores=keep))
        for template, keep in reads.templates
    }
    assert texts <= allowed


@pytest.mark.parametrize("protocol", [protocol for protocol in EvalProtocol if protocol.transfers])
def test_few_shot_runs_read_what_transfers_read(protocol: EvalProtocol) -> None:
    """So a pack for few-shot runs on the source and the targets is one for transfers."""

    def read(**options: Any) -> dict[str, Reads]:
        request = sweep_over(METHODS, ["eurosat"], ["ViT-B-16.openai"], seeds=(1,), **options)
        return {spec.method: reads_of(spec, 160) for spec in outline_of(request).specs}

    few = read(protocol=EvalProtocol.FEW_SHOT)
    for method, reads in read(protocol=protocol, targets=["dtd"]).items():
        assert reads.templates <= few[method].templates
        assert all(count <= few[method].views[scale] for scale, count in reads.views.items())
