"""DPC around CoOp and KgCoOp: its second stage as a plain loop, what classifies which classes, and who is refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from parity_kit import batch_of, class_set, images, moved, tiny_backbone
from torch import Tensor

from bench.experiment.training_loop import fit, stage_recipes, stage_spans
from datasets_registry import ClassSet, EvalProtocol
from methods import Recipe, get_method

HOSTS = ("coop", "kgcoop", "tcpt_on")
RECIPE = Recipe(epochs=4, batch_size=4, lr=0.02)


prepared = partial(moved, by=0.0)


def in_second_stage(name: str, **config: Any) -> Any:
    """In the second stage, with a context that has moved away from its start."""
    method = prepared(name, **config)
    method.begin_stage(1)
    with torch.no_grad():
        method.trainable.ctx.add_(
            0.05 * torch.randn(method.trainable.ctx.shape, generator=torch.Generator().manual_seed(5))
        )
    return method


def host_settings(host: str) -> dict[str, Any]:
    """The settings of a host alone, which the wrapper takes over."""
    return get_method(host).info.default_config(EvalProtocol.BASE_TO_NEW).model_dump()


def batch(method: Any, index: Tensor) -> Any:
    return batch_of(tiny_backbone(), images("train")[index], index // 2, method.info.needs)


def trained(name: str, **config: Any) -> Any:
    method = prepared(name, **config)
    fit(
        method, RECIPE, n=10, shots=2, generator=torch.Generator().manual_seed(0),
        batches_of=lambda _: lambda index: batch(method, index),
    )  # fmt: skip
    return method


def texts(ctx: Tensor, classes: ClassSet) -> Tensor:
    """Normalised texts with that context before the names."""
    words = tiny_backbone().class_tokens(classes, " ".join(["X"] * len(ctx)) + " {}.")
    prompts = words.split(1 + len(ctx), torch.cat([words.embedded[0, :1], ctx]))
    return F.normalize(tiny_backbone().encode_prompts(prompts), dim=-1)


def plain_loss(method: Any, index: Tensor, ctx: Tensor, *, share: float, top: int, host_moves: bool) -> Tensor:
    """The formulas as a loop over images and pairs, with the random numbers of the method."""
    tuned, base = method.trainable.tuned, class_set("base")
    generator = torch.Generator()
    generator.set_state(method.generator.get_state())

    def drawn(n: int) -> int:
        return int(torch.randint(n, (1,), generator=generator))

    everything = F.normalize(tiny_backbone().encode_image(images("train")[:10]), dim=-1)
    moved = ctx.detach() + (ctx - ctx.detach()) / share if host_moves else tuned + (ctx - tuned) / share
    ranking, parallel = texts(tuned, base), texts(moved, base)
    own = (index // 2).tolist()
    members = [(int(i), label) for i, label in zip(index, own, strict=True)]
    in_batch, extra = set(own), []
    for i, label in members:
        scores = (everything[i] @ ranking.T).tolist()
        best = sorted(range(5), key=lambda c: -scores[c])[:top]
        new = []
        for c in best:
            if c != label and c not in in_batch:
                new.append(c)
        while len(new) < 2 and (left := [c for c in range(5) if c not in in_batch and c not in new]):
            new.append(left[drawn(len(left))])
        in_batch.update(new)
        extra += new
    pairs = members + [(2 * c + drawn(2), c) for c in extra]
    table = torch.stack(
        [torch.stack([tiny_backbone().logit_scale * everything[i] @ parallel[c] for _, c in pairs]) for i, _ in pairs]
    )
    rows = sum(torch.logsumexp(table[k], 0) - table[k, k] for k in range(len(pairs)))
    columns = sum(torch.logsumexp(table[:, k], 0) - table[k, k] for k in range(len(pairs)))
    return (rows + columns) / (2 * len(pairs))


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("moves", [True, False])
@pytest.mark.parametrize(("top", "share"), [(4, 0.2), (3, 0.5), (2, 1.0)])
def test_loss_and_gradient_of_the_second_stage_equal_the_formulas(
    host: str, top: int, share: float, moves: bool
) -> None:
    words = {"ctx_init": "a photo of a"} | ({"class_position": "end"} if host == "tcpt_on" else {})
    method = in_second_stage(f"dpc_on:{host}", top=top, base_share=share, host_moves=moves, **words)
    index = torch.tensor([0, 3, 8])
    ctx = method.trainable.ctx.detach().clone().requires_grad_()
    expected = plain_loss(method, index, ctx, share=share, top=top, host_moves=moves)
    ours = method.loss(batch(method, index))
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    (mine,) = torch.autograd.grad(ours, [method.trainable.ctx])
    (theirs,) = torch.autograd.grad(expected, [ctx])
    torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("host", HOSTS)
def test_the_first_stage_is_the_host(host: str) -> None:
    index = torch.tensor([0, 3, 8])
    method, plain = prepared(f"dpc_on:{host}", **host_settings(host)), prepared(host)
    method.begin_stage(0)
    assert torch.equal(method.loss(batch(method, index)), plain.loss(batch(plain, index)))
    both, one = trained(f"dpc_on:{host}", parallel_epochs=2, **host_settings(host)), trained(host)
    assert torch.equal(both.trainable.tuned, one.trainable.ctx)
    assert not torch.equal(both.trainable.ctx, both.trainable.tuned)


@pytest.mark.parametrize(("new_share", "base_share"), [(0.0, 0.2), (0.1, 0.2), (0.5, 0.5)])
def test_trained_classes_get_the_mixture_and_others_their_own_share(new_share: float, base_share: float) -> None:
    method = in_second_stage("dpc_on", new_share=new_share, base_share=base_share)
    ctx, tuned = method.trainable.ctx.detach(), method.trainable.tuned
    parallel = (ctx - (1 - base_share) * tuned) / base_share
    new = new_share * parallel + (1 - new_share) * tuned
    some = ClassSet(class_set("base").names[1:3], class_set("base").template)
    for classes, used in ((class_set("base"), ctx), (some, ctx), (class_set("new"), new), (class_set("all"), new)):
        ours = F.normalize(method.text_features(classes), dim=-1)
        torch.testing.assert_close(ours, texts(used, classes), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("epochs", [1, 20])
def test_a_stored_model_classifies_as_the_trained_one(epochs: int) -> None:
    method = trained("dpc_on", parallel_epochs=epochs, new_share=0.3)
    stored = prepared("dpc_on", parallel_epochs=epochs, new_share=0.3)
    stored.restore_tuned_state(class_set("base"), method.tuned_state())
    for part in ("base", "new"):
        assert torch.equal(stored.text_features(class_set(part)), method.text_features(class_set(part)))


def test_the_second_stage_on_dtd_has_960_steps_of_eight_images() -> None:
    method = prepared("dpc_on")
    recipe = method.info.recipe_for(EvalProtocol.BASE_TO_NEW).for_shots(16).for_dataset("dtd")
    first, second = stage_spans(stage_recipes(method, recipe), method.stages(), 24 * 16, 16)
    assert (first.epochs, first.steps) == (100, 1200)
    assert (second.epochs, second.steps, second.first_step) == (20, 960, 1200)
    short = recipe.model_copy(update={"epochs": 5})
    assert [span.epochs for span in stage_spans(stage_recipes(method, short), method.stages(), 384, 16)] == [5, 5]


def test_a_step_of_the_second_stage_has_its_own_batch() -> None:
    sizes: list[tuple[int, int]] = []
    method = prepared("dpc_on", parallel_batch=3, parallel_epochs=1)
    fit(
        method, RECIPE, n=10, shots=2, generator=torch.Generator().manual_seed(0),
        batches_of=lambda _: lambda index: (sizes.append((method.stage, len(index))), batch(method, index))[1],
    )  # fmt: skip
    assert sizes == [(0, 4)] * 8 + [(1, 3)] * 3


def test_negatives_are_ranked_new_and_at_least_two_where_classes_are_left() -> None:
    method = in_second_stage("dpc_on")
    assert method.negatives([0, 1], [[0, 1, 2, 3], [2, 1, 4, 0]]) == [2, 3, 4]
    assert method.negatives([0], [[0, 3]])[0] == 3
    assert len(method.negatives([0], [[0, 3]])) == 2
    assert sorted(method.negatives([4, 4], [[4, 0], [4, 0]])) == [0, 1, 2, 3]
