"""Explanations of tuned models, compared with plain computations, and their pages and command."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import bench
from bench.errors import UsageError
from bench.experiment.model_file import list_models
from bench.extensions.model_tools import explain, render_explanation
from bench.extensions.model_tools.explanation import (
    context_words,
    main_axes,
    patch_similarity,
    tensor_norms,
    usual_distance,
    zero_shot_changes,
)
from bench.extensions.model_tools.linear_head import linear_head
from bench.tuned_models.tuned_model import TunedModel, load_model
from datasets_registry import get_dataset, image_suffixes
from methods import Batch, tokenize

Etl = Callable[..., tuple[int, str, str]]
METHODS = "apex,clip_adapter,coop,gda,linear_probe,task_res,tip_adapter,vpt,zero_shot"
DATASET = "spectrum_basic:test=5"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of several kinds, and a folder of pictures of which one is no picture."""
    folder = tmp_path_factory.mktemp("explained")
    bench.run(
        METHODS, DATASET, backbone="ViT-tiny.random", protocol="few-shot", shots=2, seeds=1,
        jobs=0, runs=folder / "runs", progress="none", keep_models="all", settings={"*.recipe.epochs": 2},
    )  # fmt: skip
    pictures = folder / "pictures"
    pictures.mkdir()
    splits = get_dataset(DATASET).reader(None)
    for i, sample in enumerate(splits.test[:12]):
        splits.images.load(sample.key).save(pictures / f"new_{i:02}.png")
    (pictures / "zero.png").write_bytes(b"")
    return folder


@pytest.fixture
def model(place: Path) -> Callable[[str], TunedModel]:
    found = {m.info.spec.method: m.path for m in list_models(place / "runs" / "models") if m.info}
    return lambda method: load_model(found[method])


def test_words_near_a_token_are_those_of_the_smallest_distance(model: Callable[[str], TunedModel]) -> None:
    tuned = model("coop")
    table = tuned.backbone.text_tower.modules.token_embedding.weight
    with torch.no_grad():
        tuned.method.trainable.ctx[0] = table[int(tokenize(["flower"])[0, 1])]
    view = context_words(tuned.method)
    assert view is not None
    assert view.tokens[0].nearest[0] == ("flower</w>", pytest.approx(0, abs=1e-3))
    far = (tuned.method.trainable.ctx[1].detach() - table).norm(dim=1)
    assert view.tokens[1].nearest[0] == (
        tuned.method.backbone.tokenizer.vocabulary()[int(far.argmin())],
        pytest.approx(float(far.min()), rel=1e-3),
    )
    assert len(view.tokens) == len(tuned.method.trainable.ctx)


def test_the_usual_distance_is_that_between_entries() -> None:
    grid = torch.arange(600.0)[:, None]
    assert usual_distance(grid) == 1


def test_methods_without_a_section_say_so(model: Callable[[str], TunedModel]) -> None:
    view = explain(model("linear_probe"), limit=5)
    assert view.context is None
    assert view.ensemble is None
    assert any("learns no text token" in sentence for sentence in view.left_out)
    assert view.projection is not None
    assert view.projection.what == "rows of the classifier"
    assert [one.name for one in view.norms] == ["weight", "bias"]


@pytest.mark.parametrize("method", ["zero_shot", "coop", "linear_probe", "task_res", "gda"])
def test_a_linear_head_gives_the_logits_of_the_model(method: str, model: Callable[[str], TunedModel]) -> None:
    tuned, splits = model(method), get_dataset(DATASET).reader(None)
    rendered = [tuned.rendered(splits.images.load(sample.key)) for sample in splits.test[:7]]
    with torch.no_grad():
        features = tuned.backbone.encode_image(tuned.pixels(rendered))
        batch = Batch(None, features=lambda: features, pixels=lambda: features, needs=tuned.method.info.needs)
        expected = tuned.method.classifier(tuned.info.classes.class_set)(batch)
    head = linear_head(tuned.info, tuned.method)
    assert head is not None
    assert (head(features) - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("method", ["vpt", "clip_adapter", "tip_adapter"])
def test_other_models_have_no_linear_head(method: str, model: Callable[[str], TunedModel]) -> None:
    tuned = model(method)
    if method == "tip_adapter":
        tuned.method.beta = 400.0  # linear but near its cached features
    assert linear_head(tuned.info, tuned.method) is None


def test_the_ensemble_shows_weight_one_for_trained_classes(model: Callable[[str], TunedModel]) -> None:
    view = explain(model("apex"), limit=5)
    assert view.ensemble is not None
    assert [row[0] for row in view.ensemble.rows] == list(model("apex").classes)
    assert {row[1] for row in view.ensemble.rows} == {1.0}
    assert max(row[3] for row in view.ensemble.rows) < 1e-5


def test_norms_are_those_of_the_kept_tensors(model: Callable[[str], TunedModel]) -> None:
    method = model("vpt").method
    for one in tensor_norms(method):
        value = method.tuned_state()[one.name].double()
        assert one.norm == pytest.approx(float((value**2).sum().sqrt()))
        assert one.rms == pytest.approx(float((value**2).mean().sqrt()))


def test_changes_against_zero_shot_are_counted_with_labels(model: Callable[[str], TunedModel]) -> None:
    view = explain(model("linear_probe"), limit=40).changes
    assert view is not None
    assert view.counts is not None
    assert sum(view.counts.values()) == view.images > 20
    tuned, plain, truth = np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]), [0, 1, 2, 1]
    counted = zero_shot_changes("x", "abc", "wxyz", tuned, plain, truth)
    assert counted.changed == 2
    assert list(counted.counts.values()) == [1, 1, 1, 1]
    assert zero_shot_changes("x", "abc", "wxyz", tuned, plain, [0, 1, None, 1]).counts is None


def test_a_similarity_map_is_the_cosine_of_the_patches(model: Callable[[str], TunedModel]) -> None:
    tuned = model("coop")
    tower = tuned.backbone.model.visual
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = patch_similarity(tuned.info, tuned.method, pixels)
        tokens = tower.ln_post(tower.transformer(tower._embeds(pixels)))[:, 1:] @ tower.proj
        classes = tuned.info.classes.class_set
        text = F.normalize(tuned.backbone.class_texts(classes, classes.template), dim=-1)
        cosine = F.normalize(tokens, dim=-1) @ text.T
    expected = (cosine - cosine.mean(dim=2, keepdim=True)).transpose(1, 2).reshape(2, 24, 4, 4)
    assert torch.allclose(found, expected, atol=1e-5)


def test_main_axes_hold_the_variance_of_a_plane() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(30, 2)) @ rng.normal(size=(2, 9))
    plane, share = main_axes(flat)
    assert share == pytest.approx(1)
    distances = [np.linalg.norm(rows[:, None] - rows[None], axis=2) for rows in (flat, plane)]
    assert distances[0] == pytest.approx(distances[1])


def test_the_page_is_offline_and_says_what_maps_do_not_show(
    model: Callable[[str], TunedModel], place: Path, tmp_path: Path
) -> None:
    view = explain(model("apex"), [place / "pictures"])
    page = render_explanation(view, tmp_path / "page.html").read_text("utf-8")
    assert "://" not in page
    assert "show what the tuned" in page
    assert "Their labels are unknown" in page
    assert [section for section in ("words", "ensemble", "norms", "changes", "maps", "projection")
            if f'id="{section}"' not in page] == []  # fmt: skip
    assert view.changes is not None
    more = replace(view, changes=replace(view.changes, shown=view.changes.shown[:1], changed=2))
    assert "The first 1 of" in render_explanation(more, tmp_path / "more.html").read_text("utf-8")


def test_the_commands_write_their_files(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, etl: Etl) -> None:
    monkeypatch.setenv("ETL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(place)
    coop = next(m.path.stem for m in list_models(Path("runs/models")) if m.info and m.info.spec.method == "coop")
    code, _, said = etl("models", "explain", coop, "pictures", "--out", str(tmp_path / "page.html"), "--device", "cpu")
    assert code == 0, said
    assert "pictures/zero.png has zero bytes" in said
    assert "read: pictures/zero.png has zero" in (tmp_path / "page.html").read_text()


def test_odd_items_are_named_with_a_reason(place: Path, tmp_path: Path, model: Callable[[str], TunedModel]) -> None:
    shutil.copytree(place / "pictures", tmp_path / "odd")
    (tmp_path / "odd" / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n")
    os.mkfifo(tmp_path / "odd" / "b.png")
    (tmp_path / "odd" / "c.png").symlink_to("/dev/zero")
    (tmp_path / "odd" / "d.heic").write_bytes(b"x")
    expected = ["is PostScript, a program, which is not run", "is a pipe, not a file", "is a device, not a file"]
    found = explain(model("coop"), [tmp_path / "odd"])
    assert [problem for _, problem in found.unreadable] == [*expected, "has zero bytes"]
    assert any("d.heic" in note for note in found.notes) is (".heic" not in image_suffixes())
    with pytest.raises(UsageError, match=r"read \(1 image tried; .*c.png"):
        explain(model("coop"), [tmp_path / "odd" / "c.png"])


def test_a_device_that_does_not_exist_is_refused(place: Path, etl: Etl) -> None:
    coop = next(m.path for m in list_models(place / "runs" / "models") if m.info and m.info.spec.method == "coop")
    code, _, said = etl("models", "explain", str(coop), str(place / "pictures"), "--device", "cuda:97")
    assert (code, "--device 'cuda:97'" in said) == (2, True)
