"""Every method whose context starts at words takes other words, and older run ids stay what they were."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from one_case import for_each
from parity_kit import class_set, generator, support_view, tiny_backbone
from pydantic import ValidationError
from torch import Tensor

from methods import METHODS

COOP = ("coop", "cocoop", "apex_on", "atprompt_on", "dpc_on", "tcpt_on", "tpt", "c_tpt")
"""Methods that have always had the setting; wrappers (`apex_on` and so on) are around CoOp, and C-TPT extends TPT."""
WORDED = [n for n in METHODS if "ctx_init" in METHODS.get(n).info.config.model_fields and n not in COOP]
"""Methods to which the setting was added."""
WORDS = "a bad photo of the"
LENGTHS = {"n_ctx": 5, "n_text": 5, "text_depth": 1, "depth": 2}


def first_context(name: str, **settings: Any) -> Tensor:
    """The input context of a freshly prepared method."""
    method: Any = METHODS.get(name)
    fitting = {key: value for key, value in LENGTHS.items() if key in method.info.config.model_fields}
    made = method(tiny_backbone(), method.info.config(**fitting | settings), generator())
    made.prepare(support_view(tiny_backbone(), class_set("base")))
    part = made.trainable
    context: Tensor = next(p for n, p in part.named_parameters() if n.endswith("ctx")).detach()
    return context


def test_every_prompt_method_with_one_worded_context_is_here() -> None:
    assert set(WORDED) == {
        "apex", "coprompt", "deep_text_prompts", "dekg", "dekg_tcp", "dept", "hicropl", "ivlp", "kgcoop", "maple",
        "prograd", "promptsrc", "tcp", "text_prompts_visual_adapter",
    }  # fmt: skip


@for_each("name", [name for name in WORDED if name != "dept"])
def test_the_context_starts_at_the_words(name: str) -> None:
    expected = tiny_backbone().tokenized([WORDS]).embedded[0, 1:6]
    assert torch.equal(first_context(name, ctx_init=WORDS), expected)
    assert torch.equal(first_context(name, ctx_init=WORDS.replace(" ", "_")), expected), "as in CoOp"


@pytest.mark.parametrize("name", ["apex", "promptsrc", "ivlp", "maple", "hicropl"])
def test_too_few_words_or_none_start_at_random(name: str) -> None:
    random = first_context(name, ctx_init="")
    assert 0.01 < float(random.std()) < 0.03
    assert torch.equal(first_context(name, ctx_init="a photo of"), random)


@for_each("name", WORDED)
def test_default_words_are_left_out_of_a_spec(name: str) -> None:
    config: Any = METHODS.get(name).info.config
    assert "ctx_init" not in config().model_dump()
    assert config(ctx_init=WORDS).model_dump()["ctx_init"] == WORDS
    assert config.model_validate(config(ctx_init=WORDS).model_dump(mode="json")).ctx_init == WORDS


def test_words_that_leave_no_place_for_a_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="71 words, and at most 70"):
        METHODS.get("ivlp").info.config(ctx_init="a" + " b" * 70)
