"""WiSE-FT around other methods: where the weights end, whose start is good enough, and who is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from families_of_methods import some_fast
from parity_kit import (
    Case,
    batch_of,
    case_names,
    check_logits,
    class_set,
    generator,
    images,
    support_view,
    tiny_backbone,
    tuned_image_tower,
)
from torch import Tensor

from bench.experiment.training_loop import fit
from datasets_registry import BenchError, EvalProtocol
from methods import BlockView, Recipe, get_method

HOSTS = ("clip_fit", "two_stage", "prolip", "coop", "kgcoop", "text_adapter", "visual_adapter", "task_res", "clap")
RECIPE = Recipe(optimizer="adam", lr=0.01, epochs=2, batch_size=0)


def trained(name: str, protocol: EvalProtocol = EvalProtocol.BASE_TO_NEW, **config: Any) -> Any:
    """The method after a few steps, the same steps for every method around one host."""
    cls = get_method(name)
    settings = cls.info.default_config(protocol).model_copy(update=config)
    method: Any = cls(tiny_backbone(), settings, torch.Generator().manual_seed(0))
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    method.trainable.initial = {k: v.clone() for k, v in method.trainable.state_dict().items()}
    fit(
        method, RECIPE, n=10, shots=2, generator=torch.Generator().manual_seed(0),
        batches_of=lambda _: lambda i: batch_of(tiny_backbone(), images("train")[i], i // 2, method.info.needs),
    )  # fmt: skip
    return method


def logits(method: Any) -> Tensor:
    test = batch_of(tiny_backbone(), images("test"), None, method.info.needs)
    with torch.no_grad():
        return method.classifier(class_set("base"))(test)


@pytest.mark.parametrize("name", case_names("wise_ft"))
def test_a_tuned_image_tower_is_averaged_as_by_the_official_code(name: str) -> None:
    case, cls = Case("wise_ft", name), get_method("wise_ft_on:full_ft")
    method: Any = cls(tiny_backbone(), cls.info.config(trained_share=case.config["alpha"]), generator())
    method.prepare(support_view(tiny_backbone(), class_set("base")))
    tuned = tuned_image_tower(tiny_backbone().model.state_dict())
    method.trainable.load_state_dict({key.removeprefix("visual."): value for key, value in tuned.items()})
    method.finalise()
    check_logits(method, case, "logits_after", class_set)


@pytest.mark.parametrize("host", HOSTS)
def test_every_tensor_ends_between_its_start_and_its_trained_value(host: str) -> None:
    plain, averaged = trained(host), trained(f"wise_ft_on:{host}", trained_share=0.3)
    moved = 0.0
    for name, end in plain.trainable.state_dict().items():
        start = plain.trainable.initial[name]
        torch.testing.assert_close(averaged.trainable.state_dict()[name], 0.3 * end + 0.7 * start)
        moved += float((end - start).abs().sum())
    assert moved > 0
    assert not torch.allclose(logits(plain), logits(averaged), atol=1e-3)


@pytest.mark.parametrize(
    "host", some_fast([*HOSTS, "clip_lora", "zs_lp", "cross_modal"], {"clip_fit", "kgcoop", "prolip", "zs_lp"})
)
def test_all_trained_is_the_host_and_nothing_trained_is_where_it_started(host: str) -> None:
    protocol = EvalProtocol.BASE_TO_NEW
    assert torch.equal(logits(trained(f"wise_ft_on:{host}", trained_share=1.0)), logits(trained(host)))
    start: Any = get_method(host)(
        tiny_backbone(), get_method(host).info.default_config(protocol), torch.Generator().manual_seed(0)
    )
    start.prepare(support_view(tiny_backbone(), class_set("base")))
    ours = logits(trained(f"wise_ft_on:{host}", trained_share=0.0))
    torch.testing.assert_close(ours, logits(start), atol=1e-4, rtol=1e-5)


def test_the_changed_weights_of_a_low_rank_host_lie_on_the_line() -> None:
    plain, averaged = trained("clip_lora", dropout=0.0), trained("wise_ft_on:clip_lora", dropout=0.0)

    def change(method: Any, i: int) -> Tensor:
        view: BlockView = method.trainable.image.views(tiny_backbone().image_tower.views, None)[i]
        with torch.no_grad():
            ours, frozen = (torch.cat(v.qkv(torch.eye(128))) for v in (view, tiny_backbone().image_tower.views[i]))
        return ours - frozen

    for i in range(3):
        assert float(change(plain, i).abs().max()) > 1e-3
        torch.testing.assert_close(change(averaged, i), 0.5 * change(plain, i), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("host", ["zs_lp", "cross_modal"])
def test_hosts_with_such_a_setting_of_their_own_give_the_same(host: str) -> None:
    own, wrapped = trained(host, trained_share=0.5), trained(f"wise_ft_on:{host}")
    assert wrapped.config.trained_share == 0.5
    assert torch.equal(logits(own), logits(wrapped))
    assert not torch.allclose(logits(own), logits(trained(host)), atol=1e-3)


def test_coop_starts_at_words_in_every_protocol() -> None:
    for protocol in (EvalProtocol.FEW_SHOT, EvalProtocol.BASE_TO_NEW, EvalProtocol.DOMAIN_GENERALIZATION):
        assert get_method("wise_ft_on:coop").info.default_config(protocol).model_dump()["ctx_init"] == "a photo of a"
    assert get_method("coop").info.default_config(EvalProtocol.FEW_SHOT).model_dump()["ctx_init"] == ""


def test_clip_fits_own_settings_of_a_protocol_stay() -> None:
    assert get_method("wise_ft_on").info.default_config(EvalProtocol.FEW_SHOT).model_dump()["weight"] == 2


def test_settings_that_start_elsewhere_are_refused() -> None:
    method = get_method("wise_ft_on:coop")
    config = method.info.config(ctx_init="")
    reason = config.config_error()
    assert reason is not None
    assert "ctx_init='a photo of a'" in reason
    with pytest.raises(BenchError, match="wise_ft_on:coop: CoOp starts .* averages"):
        method(tiny_backbone(), config, torch.Generator()).prepare(support_view(tiny_backbone(), class_set("base")))
