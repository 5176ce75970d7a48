"""ATPrompt around other methods: whole texts with its words and contexts, published attributes, and who is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from parity_kit import class_set, moved, support_view, tiny_backbone, train_batch
from torch import Tensor

from datasets_registry import DATASETS, BenchError, ClassSet, EvalProtocol
from methods import get_method
from methods.atprompt_on import ATTRIBUTES

HOSTS = ("coop", "cocoop", "kgcoop", "maple", "dept")


def prepared(name: str, dataset: str | None = None, **config: Any) -> Any:
    names, template = class_set("base").names, class_set("base").template
    return moved(name, ClassSet(names, template, dataset=dataset), **config)


def context_of(method: Any) -> Any:
    return getattr(method.trainable, "text_context", None) or method.trainable


def written_out(method: Any, words: list[str], names: list[str], ctx: Tensor, deep: list[Tensor]) -> Tensor:
    """Text features by open_clip's modules, one whole sequence per class: contexts replace the placeholders `X`."""
    model, contexts = tiny_backbone().model, [*context_of(method).lead.contexts, ctx]
    rows = []
    for name in names:
        text = " ".join(" ".join(["X"] * len(c) + [w]) for c, w in zip(contexts, [*words, name], strict=True)) + "."
        embedded = tiny_backbone().tokenized([text]).embedded[0]
        at = 1
        pieces = [embedded[:1]]
        for i, context in enumerate(contexts):
            length = tiny_backbone().name_lengths((words[i],))[0] if i < len(words) else 0
            pieces += [context, embedded[at + len(context) : at + len(context) + length]]
            at += len(context) + length
        x = torch.cat([*pieces[:-1], embedded[at:]]) + model.positional_embedding[: len(embedded)]
        first = at - len(ctx)
        mask = torch.full((len(x), len(x)), -torch.inf).triu(1)
        for i, block in enumerate(model.transformer.resblocks):
            if 1 <= i <= len(deep):
                x = torch.cat([x[:first], deep[i - 1], x[at:]])
            x = block(x[None], attn_mask=mask)[0]
        rows.append(model.ln_final(x)[-1] @ model.text_projection)
    return torch.stack(rows)


def test_a_word_of_several_tokens_stands_whole_before_the_class() -> None:
    """Recorded numbers have words of one token, which the tiny CLIP has embeddings of, as of these."""
    words = ["polka-dotted", "forest"]
    method = prepared("atprompt_on:maple", attributes=" ".join(words), attribute_ctx=3)
    context = context_of(method)
    names = [name.replace("_", " ") for name in class_set("new").names]
    expected = written_out(method, words, names, context.ctx, list(context.deeper))
    torch.testing.assert_close(method.text_features(class_set("new")), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("host", HOSTS)
def test_every_context_is_counted_and_learns(host: str) -> None:
    method = prepared(f"atprompt_on:{host}", attributes="a bc d", attribute_ctx=5)
    shared = {*type(prepared(host).config).model_fields} - {"by_dataset"}
    plain = prepared(host, **{key: getattr(method.config, key) for key in shared})
    added = method.learned_parameters() - plain.learned_parameters()
    assert added == 3 * 5 * tiny_backbone().text_width
    method.loss(train_batch(method.info.needs)).backward()
    for key, parameter in method.trainable.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize("name", ["atprompt_on", "atprompt_on:cocoop", "atprompt_on:kgcoop", "atprompt_on:maple"])
@pytest.mark.parametrize("protocol", [EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW, EvalProtocol.CROSS_DATASET])
def test_attributes_are_those_of_the_dataset(name: str, protocol: EvalProtocol) -> None:
    assert set(ATTRIBUTES) <= set(DATASETS)
    config = get_method(name).info.default_config(protocol)
    for dataset in ("imagenet", "imagenet_r", *ATTRIBUTES):
        assert config.for_dataset(dataset).attributes == ATTRIBUTES.get(dataset, "color shape")


def test_each_attribute_has_a_context() -> None:
    for words in ("luxury", "pattern color design"):
        assert len(prepared("atprompt_on", attributes=words).trainable.lead.contexts) == len(words.split())


@pytest.mark.parametrize(
    ("name", "lengths"),
    [
        ("atprompt_on", {"imagenet": 2, "dtd": 4, "ucf101": 2}),
        ("atprompt_on:cocoop", {"imagenet": 2, "ucf101": 4, "stanford_cars": 6, "oxford_flowers": 6, "eurosat": 6}),
        ("atprompt_on:maple", {"imagenet": 4, "dtd": 4, "fgvc_aircraft": 2, "ucf101": 2}),
    ],
)
def test_contexts_have_the_published_length_on_each_dataset(name: str, lengths: dict[str, int]) -> None:
    info = get_method(name).info
    config = info.default_config(EvalProtocol.BASE_TO_NEW)
    assert {dataset: config.for_dataset(dataset).n_ctx for dataset in lengths} == lengths
    assert info.default_config(EvalProtocol.DOMAIN_GENERALIZATION).for_dataset("imagenet").n_ctx == 4


def test_the_attributes_of_the_training_stay_on_other_datasets() -> None:
    method = prepared("atprompt_on", "imagenet")
    names = class_set("new").names
    flowers = ClassSet(names, "a photo of a {}, a type of flower.", dataset="oxford_flowers")
    assert torch.equal(method.text_features(flowers), method.text_features(class_set("new")))


def test_a_context_may_start_at_words() -> None:
    cls = get_method("atprompt_on:maple")
    config = cls.info.config(worded_init=True, ctx_init="a photo of a", n_ctx=2)
    method: Any = cls(tiny_backbone(), config, torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    words = tiny_backbone().tokenized(["a photo of a"]).embedded[0]
    assert torch.equal(method.trainable.text_context.ctx, words[1:3])
    prefix = method.trainable.text_context.prompts(class_set("base"), tiny_backbone()).prefix
    assert torch.equal(prefix[-2:], words[3:5]), "`of a` stays"


def test_dept_goes_around_it_with_its_own_settings() -> None:
    info = get_method("dept_on:atprompt_on").info
    assert info.title == "CoOp + ATPrompt + DePT"
    recipe = info.recipes[EvalProtocol.BASE_TO_NEW]
    assert (recipe.lr, recipe.epochs, recipe.by_dataset) == (0.0035, 10, {})
    assert "attributes" in info.config.model_fields


@pytest.mark.parametrize("config", [{"class_specific": True}, {"class_position": "middle"}])
def test_contexts_with_another_place_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match="attributes stand before .* class_specific=false"):
        prepared("atprompt_on", **config)
