"""CoOp's draw is compared with published draws: those in tests/fixtures, all others if the real splits are present."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from places import FIXTURES

from datasets_registry import Sample, few_shot_draws, read_coop_split

SHOTS, SEEDS = (1, 2, 4, 8, 16), (1, 2, 3)
SPLIT_FILES = {
    "caltech101": "split_zhou_Caltech101.json",
    "dtd": "split_zhou_DescribableTextures.json",
    "eurosat": "split_zhou_EuroSAT.json",
    "oxford_flowers": "split_zhou_OxfordFlowers.json",
    "oxford_pets": "split_zhou_OxfordPets.json",
    "stanford_cars": "split_zhou_StanfordCars.json",
    "ucf101": "split_zhou_UCF101.json",
}
SIZES = {  # classes, train, val, test; CoOp's published counts
    "caltech101": (100, 4128, 1649, 2465),
    "dtd": (47, 2820, 1128, 1692),
    "eurosat": (10, 13500, 5400, 8100),
    "oxford_flowers": (102, 4093, 1633, 2463),
    "oxford_pets": (37, 2944, 736, 3669),
    "stanford_cars": (196, 6509, 1635, 8041),
    "ucf101": (101, 7639, 1898, 3783),
}


def path_hash(samples: tuple[Sample, ...]) -> str:
    return hashlib.sha256("\n".join(sample.key for sample in samples).encode()).hexdigest()


@pytest.mark.real_data
@pytest.mark.parametrize("name", SPLIT_FILES)
def test_every_published_draw_is_reproduced(name: str, shared_data: Path):
    golden = json.loads((shared_data / "splits/fewshot/golden_sha256.json").read_text())[name]
    split = read_coop_split(shared_data / "splits" / SPLIT_FILES[name])
    assert len(golden) == len(SHOTS) * len(SEEDS)
    for shots in SHOTS:
        for seed in SEEDS:
            draw = few_shot_draws.draw_coop(
                split.train, split.val, shots=shots, seed=seed, class_names=split.class_names
            )
            expected = golden[f"shot_{shots}-seed_{seed}"]
            assert path_hash(draw.train) == expected["train"]["sha256"], (name, shots, seed)
            assert path_hash(draw.val) == expected["val"]["sha256"], (name, shots, seed)


@pytest.mark.real_data
@pytest.mark.parametrize("name", SPLIT_FILES)
def test_split_files_have_the_published_sizes(name: str, shared_data: Path):
    split = read_coop_split(shared_data / "splits" / SPLIT_FILES[name])
    assert (len(split.class_names), len(split.train), len(split.val), len(split.test)) == SIZES[name]


FEW_SHOT_LISTS = {"food101": 15, "sun397": 15, "fgvc_aircraft": 15, "imagenet": 9}  # draws


@pytest.mark.real_data
@pytest.mark.parametrize("name", FEW_SHOT_LISTS)
def test_published_lists_without_a_split_file_match_their_hashes(name: str, shared_data: Path):
    """The split files of three of these datasets are not available here, but the draws made from them are recorded."""
    golden = json.loads((shared_data / "splits/fewshot/golden_sha256.json").read_text())[name]
    published = json.loads((shared_data / f"splits/fewshot/{name}.json").read_text())
    classes = len(published.pop("classnames"))
    assert len(published) == FEW_SHOT_LISTS[name]
    for draw, parts in published.items():
        for part, rows in parts.items():
            samples = tuple(Sample(key, label) for key, label in rows)
            assert path_hash(samples) == golden[draw][part]["sha256"], (draw, part)
            shots = int(draw.split("-")[0].removeprefix("shot_"))
            wanted = shots if part == "train" else min(shots, 4)
            assert sorted({s.label for s in samples}) == list(range(classes))
            assert len(samples) == golden[draw][part]["n"] == wanted * classes


@pytest.mark.real_data
def test_our_keys_are_those_of_the_published_lists(shared_data: Path):
    """Published lists can therefore be imported unchanged."""
    forms = {
        "fgvc_aircraft": r"\d{7}\.jpg",
        "food101": r"[a-z_]+/\d+\.jpg",
        "sun397": r"[a-z](/[a-z_]+){1,2}/sun_[a-z]+\.jpg",
        "imagenet": r"(train|val)/n\d{8}/n\d{8}_\d+\.JPEG",
    }
    for name, form in forms.items():
        rows = json.loads((shared_data / f"splits/fewshot/{name}.json").read_text())["shot_1-seed_1"]["train"]
        assert all(re.fullmatch(form, key) for key, _ in rows), name
    names = json.loads((shared_data / "splits/fewshot/food101.json").read_text())["classnames"]
    rows = json.loads((shared_data / "splits/fewshot/food101.json").read_text())["shot_1-seed_1"]["train"]
    assert all(key.split("/")[0] == names[label] for key, label in rows)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["food101", "sun397", "fgvc_aircraft"])
def test_each_published_image_has_one_class_and_one_part(name: str, shared_data: Path):
    """In all fifteen draws an image has the same label and part, so the lists come from one split."""
    published = json.loads((shared_data / f"splits/fewshot/{name}.json").read_text())
    labels: dict[str, int] = {}
    parts: dict[str, str] = {}
    for draw in (value for key, value in published.items() if key != "classnames"):
        for part, rows in draw.items():
            for key, label in rows:
                assert labels.setdefault(key, label) == label
                assert parts.setdefault(key, part) == part


def positions(draw: few_shot_draws.FewShotDraw, part: str, members: int) -> list[list[int]]:
    """Positions within the class, in drawing order, for classes of `members` images."""
    flat = [int(sample.key) for sample in getattr(draw, part)]
    return [flat[i : i + members] for i in range(0, len(flat), members)]


def draws_over(facts: dict[str, Any]) -> Iterator[tuple[str, int, few_shot_draws.FewShotDraw]]:
    """The fifteen draws over class sizes, with their names and shots; a key is the position within the class."""
    train, val = (
        [Sample(str(i), label) for label, n in enumerate(facts[sizes]) for i in range(n)]
        for sizes in ("train_sizes", "val_sizes")
    )
    names = [str(label) for label in range(len(facts["train_sizes"]))]
    for shots in SHOTS:
        for seed in SEEDS:
            draw = few_shot_draws.draw_coop(train, val, shots=shots, seed=seed, class_names=names)
            yield f"shot_{shots}-seed_{seed}", shots, draw


@pytest.mark.parametrize("name", ["eurosat", "oxford_pets"])
def test_the_draw_over_the_real_class_sizes_gives_the_published_positions(name: str):
    facts = json.loads((FIXTURES / "coop_draws.json").read_text())["datasets"][name]
    drawn = {key: (shots, draw) for key, shots, draw in draws_over(facts)}
    for key in facts["draws"]:
        shots, draw = drawn[key]
        assert positions(draw, "train", shots) == facts["draws"][key]["train"], key
        assert positions(draw, "val", min(shots, 4)) == facts["draws"][key]["val"], key


@pytest.mark.parametrize("name", [name for name in SPLIT_FILES if name not in {"eurosat", "oxford_pets"}])
def test_the_draw_over_the_real_class_sizes_gives_the_digest_of_the_published_positions(name: str):
    facts = json.loads((FIXTURES / "coop_draw_digests.json").read_text())["datasets"][name]
    for key, _, draw in draws_over(facts):
        for part in ("train", "val"):
            found = " ".join(sample.key for sample in getattr(draw, part))
            assert hashlib.sha256(found.encode()).hexdigest() == facts["sha256"][key][part], (key, part)


def test_a_small_split_that_is_not_grouped_by_label():
    """The expected values were computed with CPython's `random.sample` on the file's paths."""
    split = read_coop_split(FIXTURES / "toy_split.json")
    assert split.class_names == ("Big_Owl", "small_owl", "colt's foot", "2012 Van C/V", "grid")
    draw = few_shot_draws.draw_coop(split.train, split.val, shots=2, seed=1, class_names=split.class_names)
    assert [s.key[len("train/") : -len(".jpg")] for s in draw.train] == (
        ["3_04", "3_00", "0_05", "0_03", "2_03", "2_04", "4_02", "4_01", "1_04", "1_00"]
    )
    assert [s.key[len("val/") : -len(".jpg")] for s in draw.val] == (
        ["1_02", "1_00", "4_01", "4_00", "0_02", "0_00", "3_00", "3_01", "2_00", "2_02"]
    )
