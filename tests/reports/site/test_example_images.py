"""A report shows a few small images of each available dataset."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from fake_runner import make_record, make_spec
from PIL import Image
from small_datasets import write_dataset
from typer.testing import CliRunner

from bench.cli.app import app
from bench.results.shards import Shards
from reports.site.images import LIMIT, example_images


def test_one_small_square_of_each_of_eight_classes(tmp_path: Path):
    views = example_images("spectrum_basic", None)
    assert len({title for title, _ in views}) == len(views) == 8
    for _, uri in views:
        picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
        assert (picture.format, picture.size) == ("WEBP", (48, 48))
    assert sum(len(uri) for _, uri in views) < LIMIT


def test_noise_of_any_size_stays_below_the_limit(tmp_path: Path):
    write_dataset(tmp_path, "dtd", classes=9, train=1, test=1)
    noise = np.random.default_rng(0)
    for path in (tmp_path / "dtd/images").rglob("*.png"):
        Image.fromarray(noise.integers(0, 256, (300, 500, 3), dtype=np.uint8)).save(path)
    views = example_images("dtd", tmp_path)
    assert len(views) == 8
    assert sum(len(uri) for _, uri in views) < LIMIT


def test_nothing_is_shown_of_what_is_not_at_hand(tmp_path: Path):
    assert example_images("dtd", None) == ()
    assert example_images("no_such_dataset", None) == ()
    write_dataset(tmp_path, "eurosat")
    (tmp_path / "eurosat/2750/class0/test_0.png").write_bytes(b"broken")
    assert example_images("eurosat", tmp_path) == ()


def test_the_report_embeds_them_unless_told_not_to(tmp_path: Path):
    Shards(tmp_path / "runs").write(make_record(make_spec(dataset="spectrum_basic")))
    pages = {}
    for option in ("--images", "--no-images"):
        out = tmp_path / f"{option}.html"
        made = CliRunner().invoke(app, ["report", "--runs", str(tmp_path / "runs"), "--out", str(out), option])
        assert made.exit_code == 0, made.output
        pages[option] = out.read_text()
    assert pages["--images"].count('"data:image/webp;base64,') == 8
    assert "data:image/webp" not in pages["--no-images"]


def test_the_card_of_a_dataset_shows_all_facts(tmp_path: Path):
    write_dataset(tmp_path, "dtd")
    made = CliRunner().invoke(app, ["datasets", "dtd", "--data-root", str(tmp_path), "--json"])
    facts = json.loads(made.stdout)
    assert facts["images_of_the_full_dataset"] == {"train": 2820, "val": 1128, "test": 1692}
    assert facts["template_variants"]["prograd"] == "a texture of {}."
    assert (facts["layout_found"], facts["split_file"]) == ("CoOp", "split_zhou_DescribableTextures.json")
    assert (facts["draw"], facts["test_only"]) == ("coop", False)
    assert facts["known_problems"]
