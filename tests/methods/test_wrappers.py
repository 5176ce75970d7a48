"""Methods around other methods: which hosts are refused and why, and what holds for every accepted one."""

from __future__ import annotations

import pytest
from one_case import for_each
from parity_kit import moved, tiny_backbone, train_batch

from datasets_registry import BenchError
from methods import METHODS, get_method

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
