"""Methods around other methods: refused hosts, what holds for all accepted ones, formulas of DePT and ATPrompt."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from families_of_methods import some_fast
from one_case import for_each
from parity_kit import batch_of, class_set, images, moved, support_view, tiny_backbone, train_batch
from torch import Tensor

from datasets_registry import DATASETS, BenchError, ClassSet, EvalProtocol
from methods import METHODS, get_method
from methods.atprompt_on import ATTRIBUTES

NO_PAIR = "has no single pair of text and image features"
REFUSED = [
    # wrapper, hosts, why, a host that is offered instead
    ("apex_on", ("zero_shot", "cocoop", "tip_adapter", "apex"), "has no single pair", "maple"),
    ("apex_on", ("mmrl",), "compares more than one pair of features", "maple"),
    ("dept_on", ("zero_shot", "apex", "rpo", "dept"), NO_PAIR, "maple"),
    ("dept_on", ("mmrl",), "compares more than one pair of features", "maple"),
    ("dept_on", ("lweib", "skip_tuning"), "compares each image with only some of the classes", "maple"),
    ("dept_on", ("prograd",), "changes the gradients of its own loss", "maple"),
    ("dept_on", ("two_stage",), "trains in several stages", "maple"),
    ("tcpt_on", ("zero_shot",), NO_PAIR, "maple"),
    ("tcpt_on", ("mmrl",), "compares more than one pair of features", "maple"),
    ("tcpt_on", ("prograd",), "changes the gradients of its own loss", "maple"),
    ("tcpt_on", ("tcpt_on",), "has these penalties already", "maple"),
    ("dpc_on", ("maple", "promptsrc"), "trains on pixels, and hard negatives are chosen among stored", "kgcoop"),
    ("dpc_on", ("zero_shot", "cocoop"), "is not one learned context of the text input", "kgcoop"),
    ("dpc_on", ("dept", "atprompt_on", "dpc_on"), "learns more than one context", "kgcoop"),
    ("dpc_on", ("prograd",), "changes the gradients of its own loss", "kgcoop"),
    ("atprompt_on", ("zero_shot", "vpt"), "has no context that ATPrompt was made for", "maple"),
    ("atprompt_on", ("atprompt_on",), "has attributes already", "maple"),
    ("atprompt_on", ("dpc_on",), "trains in several stages", "maple"),
    ("wise_ft_on", ("zero_shot", "gda"), "trains no weights", "clip_lora"),
    ("wise_ft_on", ("vpt", "plot_pp", "tip_adapter_f"), "does not start as the zero-shot model, so there", "clip_lora"),
    ("wise_ft_on", ("apex_on",), "is an ensemble already", "clip_lora"),
]


@for_each(
    ("wrapper", "host", "reason", "offered"),
    [(wrapper, host, reason, offered) for wrapper, hosts, reason, offered in REFUSED for host in hosts],
)
def test_a_host_without_a_place_for_what_a_wrapper_adds_is_refused(
    wrapper: str, host: str, reason: str, offered: str
) -> None:
    with pytest.raises(BenchError, match=f"{wrapper} cannot wrap '{host}', which {reason}.*one of .*{offered}"):
        get_method(f"{wrapper}:{host}")


@pytest.mark.parametrize("wrapper", ["dept_on", "tcpt_on"])
def test_every_offered_host_gets_gradients_for_all_its_parameters(wrapper: str) -> None:
    without = []
    for name in METHODS:
        try:
            method = moved(f"{wrapper}:{name}")
        except BenchError:
            continue
        method.loss(train_batch(method.info.needs)).backward()
        without += [(name, key) for key, value in method.trainable.named_parameters() if value.grad is None]
    assert without == []


@pytest.mark.parametrize(
    ("wrapper", "host"), [("dept_on", "kgcoop"), ("dept_on", "maple"), ("dept_on", "cocoop"), ("tcpt_on", "promptsrc")]
)
def test_a_step_runs_the_towers_no_more_often_than_the_hosts(wrapper: str, host: str) -> None:
    passes, counts = tiny_backbone().passes, []
    for name in (host, f"{wrapper}:{host}"):
        method = moved(name)
        method.loss(train_batch(method.info.needs))  # frozen texts of teachers are encoded in the first step
        before = (passes.image, passes.prompted_image, passes.text)
        method.loss(train_batch(method.info.needs))
        after = (passes.image, passes.prompted_image, passes.text)
        counts.append([now - then for now, then in zip(after, before, strict=True)])
    assert counts[0] == counts[1]


# --- DePT -------------------------------------------------------------------------------------------------------------


DEPT_HOSTS = (
    "coop", "cocoop", "kgcoop", "maple", "promptsrc", "vpt", "clip_adapter", "tcp", "ivlp", "mma", "coprompt",
    "clip_fit", "clip_lora", "clip_svd",
)  # fmt: skip


def logits(method: Any, classes: ClassSet) -> Tensor:
    with torch.no_grad():
        return method.classifier(classes)(batch_of(tiny_backbone(), images("test")[:6], None, method.info.needs))


def own_texts(host: Any, features: Tensor, labels: Tensor) -> Tensor:
    """The host's unnormalised text feature of each image's class."""
    if host.info.name == "cocoop":
        prompts = host.trainable.prompts(class_set("base"), tiny_backbone())
        return torch.stack([host.text_features(prompts, f[None])[0, y] for f, y in zip(features, labels, strict=True)])
    return host.text_features(class_set("base"))[labels]


def head_logits(part: dict[str, Tensor], kind: str, x: Tensor) -> Tensor:
    moved = part[f"head.{kind}_scale"] * x + part[f"head.{kind}_shift"]
    return moved @ part["head.rows.weight"].T + part["head.rows.bias"]


@pytest.mark.parametrize("host", some_fast(DEPT_HOSTS, {"cocoop", "kgcoop", "promptsrc", "clip_adapter"}))
def test_loss_and_gradients_equal_the_formula(host: str) -> None:
    # DePT's code gives KgCoOp's penalty another weight
    method, plain = moved(f"dept_on:{host}"), moved(host, **({"weight": 2.0} if host == "kgcoop" else {}))
    part, batch = dict(method.trainable.named_parameters()), train_batch(method.info.needs)
    ours = method.loss(batch)
    images_, texts = plain.image_features(batch), own_texts(plain, plain.image_features(batch), batch.labels)
    of_texts = F.cross_entropy(head_logits(part, "text", texts), batch.labels)
    of_images = F.cross_entropy(head_logits(part, "image", images_), batch.labels)
    # the official code adds the penalty of KgCoOp in full
    classification, penalty = plain.loss_terms(batch)
    theirs = 0.3 * classification + 0.7 * (of_texts + of_images) / 2 + (0.0 if penalty is None else penalty)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    hosts = dict(plain.trainable.named_parameters())
    assert {f"head.{k}" for k in ("image_scale", "image_shift", "text_scale", "text_shift")} < set(part)
    assert set(part) - set(hosts) == {key for key in part if key.startswith("head.")}
    heads = {key: value for key, value in part.items() if key not in hosts}
    mine = torch.autograd.grad(ours, list(part.values()))
    expected = torch.autograd.grad(theirs, [*hosts.values(), *heads.values()])
    for key, gradient in zip([*hosts, *heads], expected, strict=True):
        torch.testing.assert_close(mine[list(part).index(key)], gradient, atol=1e-4, rtol=1e-4, msg=key)


@pytest.mark.parametrize("host", some_fast(DEPT_HOSTS, {"cocoop", "kgcoop", "promptsrc", "clip_adapter"}))
def test_trained_classes_get_both_heads_and_others_the_host_s(host: str) -> None:
    method, plain = moved(f"dept_on:{host}"), moved(host)
    base, part = class_set("base"), dict(method.trainable.named_parameters())
    test = batch_of(tiny_backbone(), images("test")[:6], None, method.info.needs)
    with torch.no_grad():
        of_images = head_logits(part, "image", plain.image_features(test))
    expected = 0.3 * logits(plain, base) + 0.7 * of_images
    torch.testing.assert_close(logits(method, base), expected, atol=1e-4, rtol=1e-5)
    some = ClassSet((base.names[3], base.names[1]), base.template)
    torch.testing.assert_close(logits(method, some), expected[:, [3, 1]], atol=1e-4, rtol=1e-5)
    assert torch.equal(logits(method, class_set("new")), logits(plain, class_set("new")))
    mixed = class_set("all")
    assert torch.equal(logits(method, mixed), logits(plain, mixed)), "the host's list"


def test_two_classes_of_one_name_have_a_row_each() -> None:
    name = class_set("base").names[0]
    twins = ClassSet((name, name, *class_set("base").names[2:]), "a photo of a {}.")
    found = logits(moved("dept", twins), twins)
    assert not torch.allclose(found[:, 0], found[:, 1], atol=1e-3)


@pytest.mark.parametrize("host", ["kgcoop", "promptsrc"])
def test_the_host_starts_as_without_and_the_head_learns_faster(host: str) -> None:
    cls, plain = get_method(f"dept_on:{host}"), get_method(host)
    starts = []
    for each in (cls, plain):
        method: Any = each(
            tiny_backbone(), each.info.default_config(EvalProtocol.BASE_TO_NEW), torch.Generator().manual_seed(3)
        )
        method.prepare(support_view(tiny_backbone(), class_set("base")))
        starts.append(method)
    for key, value in starts[1].trainable.state_dict().items():
        assert torch.equal(value, starts[0].trainable.state_dict()[key])
    hosts, head = starts[0].parameter_groups()
    assert hosts.get("lr_scale", 1.0) == 1.0
    assert head["lr_scale"] == 6.5
    assert {id(p) for p in head["params"]} == {id(p) for p in starts[0].trainable.head.parameters()}
    assert len(hosts["params"]) + len(head["params"]) == len(list(starts[0].trainable.parameters()))


def test_another_optimiser_keeps_its_settings() -> None:
    ours, host = (get_method(name).info.recipes[EvalProtocol.BASE_TO_NEW] for name in ("dept_on:tcp", "tcp"))
    assert ours.model_copy(update={"source": host.source}) == host
    assert "none for its optimiser" in ours.source


def test_apex_blends_around_both_heads() -> None:
    assert torch.equal(logits(moved("apex_on:dept"), class_set("base")), logits(moved("dept"), class_set("base")))
    assert not torch.allclose(logits(moved("apex_on:dept"), class_set("new")), logits(moved("dept"), class_set("new")))


# --- ATPrompt ---------------------------------------------------------------------------------------------------------


ATPROMPT_HOSTS = ("coop", "cocoop", "kgcoop", "maple", "dept")


def atprompt(name: str, dataset: str | None = None, **config: Any) -> Any:
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
    method = atprompt("atprompt_on:maple", attributes=" ".join(words), attribute_ctx=3)
    context = context_of(method)
    names = [name.replace("_", " ") for name in class_set("new").names]
    expected = written_out(method, words, names, context.ctx, list(context.deeper))
    torch.testing.assert_close(method.text_features(class_set("new")), expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("host", ATPROMPT_HOSTS)
def test_every_context_is_counted_and_learns(host: str) -> None:
    method = atprompt(f"atprompt_on:{host}", attributes="a bc d", attribute_ctx=5)
    shared = {*type(atprompt(host).config).model_fields} - {"by_dataset"}
    plain = atprompt(host, **{key: getattr(method.config, key) for key in shared})
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
        assert len(atprompt("atprompt_on", attributes=words).trainable.lead.contexts) == len(words.split())


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
    method = atprompt("atprompt_on", "imagenet")
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
        atprompt("atprompt_on", **config)
