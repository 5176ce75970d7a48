"""Training the demo backbone, a few steps of it."""

import logging
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from methods import parse_backbone, tokenize
from methods._backbones.loading import build_model, unpack_weights
from tools.train_demo_backbone import scenes as world
from tools.train_demo_backbone.__main__ import main
from tools.train_demo_backbone.captions import LONGEST_CAPTION, CompactVocabulary, caption_tasks
from tools.train_demo_backbone.losses import caption_task_loss, clip_loss
from tools.train_demo_backbone.plan import TrainingPlan, learning_rate
from tools.train_demo_backbone.training import train

DEMO_CONFIG = parse_backbone("ViT-demo.drawn").config
TINY = TrainingPlan(steps=2, batch=8, pool=300, held_out=16, warmup=1, report_every=2, first_lesson=0.0)


def kept(plan: TrainingPlan) -> dict[str, torch.Tensor]:
    states: list[dict[str, torch.Tensor]] = []
    train(plan, states.append)
    return states[-1]


@pytest.mark.slow  # the command below trains too
def test_equal_plans_give_equal_weights_and_another_seed_gives_others() -> None:
    first, again = kept(TINY), kept(TINY)
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = kept(TrainingPlan(**{**vars(TINY), "seed": 2}))
    assert not torch.equal(first["visual.proj"], other["visual.proj"])


def test_the_command_writes_an_asset_that_loads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out = tmp_path / "demo.safetensors"
    with caplog.at_level(logging.INFO):
        main(["--out", str(out), "--steps", "1", "--batch", "8", "--pool", "300", "--first-lesson", "0"])
    digest = caplog.messages[-1].split("'")[1]
    model = build_model(DEMO_CONFIG)
    model.load_state_dict(unpack_weights(out.read_bytes(), expected_sha256=digest), strict=True)
    assert load_file(out)["token_ids"].max() == 49407


def test_the_compact_vocabulary_reads_every_caption() -> None:
    vocabulary = CompactVocabulary()
    captions = [world.world_caption(i, telling) for i in range(400) for telling in range(3)]
    rows = vocabulary.encode(captions)
    assert rows.shape[1] <= LONGEST_CAPTION
    assert torch.equal(vocabulary.token_ids[rows], tokenize(captions)[:, : rows.shape[1]])
    assert torch.equal(rows.argmax(dim=-1), tokenize(captions).argmax(dim=-1))
    for call in caption_tasks():
        assert vocabulary.encode(call.captions).shape[1] <= LONGEST_CAPTION


def test_cutting_the_text_is_exact() -> None:
    model = build_model(DEMO_CONFIG).eval()
    short = {**DEMO_CONFIG, "text_cfg": {**DEMO_CONFIG["text_cfg"], "context_length": LONGEST_CAPTION}}
    state = model.state_dict()
    cut = build_model(short).eval()
    cut.load_state_dict({**state, "positional_embedding": state["positional_embedding"][:LONGEST_CAPTION]})
    tokens = tokenize(["a photo of a red circle.", "star"])
    with torch.no_grad():
        torch.testing.assert_close(cut.encode_text(tokens[:, :LONGEST_CAPTION]), model.encode_text(tokens))


def test_roll_calls_answer_with_the_true_caption() -> None:
    for call in caption_tasks():
        for scene in map(world.world_scene, range(60)):
            answer = call.true_index(scene)
            if answer is None:
                assert scene.count > 1
                continue
            words = call.captions[answer].rstrip(".").split()
            assert any(word.startswith(scene.shape) for word in words)
            if "background" in words:
                assert scene.background in words


def test_distinct_captions_give_the_usual_clip_loss_and_equal_ones_share_their_pictures() -> None:
    rng = torch.Generator().manual_seed(0)
    image, text = (F.normalize(torch.randn(5, 8, generator=rng), dim=-1) for _ in range(2))
    logits = 10 * image @ text.T
    usual = (F.cross_entropy(logits, torch.arange(5)) + F.cross_entropy(logits.T, torch.arange(5))) / 2
    torch.testing.assert_close(clip_loss(image, text, torch.arange(5), torch.tensor(10.0)), usual)
    # two pictures of one caption: its row asks for half of its weight on each, so ln 2 is the least loss
    image = torch.tensor([[1.0, 0], [1, 0], [0, 1]])
    text = torch.tensor([[1.0, 0], [0, 1]])
    loss = clip_loss(image, text, torch.tensor([0, 0, 1]), torch.tensor(100.0))
    assert loss.item() == pytest.approx(2 / 3 * math.log(2) / 2, abs=1e-5)


def test_a_roll_call_leaves_out_scenes_that_it_cannot_be_asked_of() -> None:
    place = caption_tasks()[-1]
    scenes = [world.world_scene(i) for i in range(40)]
    lone = [i for i, scene in enumerate(scenes) if scene.count == 1]
    rng = torch.Generator().manual_seed(0)
    image, text = torch.randn(40, 8, generator=rng), torch.randn(len(place.captions), 8, generator=rng)
    scale = torch.tensor(1.0)
    torch.testing.assert_close(
        caption_task_loss(image, text, place, scenes, scale),
        caption_task_loss(image[lone], text, place, [scenes[i] for i in lone], scale),
    )


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    plan = TrainingPlan(steps=100, warmup=10, lr=1.0)
    rates = [learning_rate(step, plan) for step in range(101)]
    assert rates[9] == max(rates) == 1
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0)
