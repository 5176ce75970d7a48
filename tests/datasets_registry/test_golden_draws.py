"""CoOp's draw is compared with published draws: those in tests/fixtures, all others if the real splits are present."""

import hashlib
import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from places import FIXTURES, REAL_DATA

from datasets_registry import Sample, few_shot_draws, get_dataset, read_coop_split

SHOTS, SEEDS = (1, 2, 4, 8, 16), (1, 2, 3)
IN_FULL = ("eurosat", "oxford_pets")
"""Datasets whose published draws are in tests/fixtures with every position; of the others, digests of them."""
BY_DIGEST = ("caltech101", "dtd", "oxford_flowers", "stanford_cars", "ucf101")


def path_hash(samples: tuple[Sample, ...]) -> str:
    return hashlib.sha256("\n".join(sample.key for sample in samples).encode()).hexdigest()


@pytest.mark.real_data
@pytest.mark.parametrize("name", [*IN_FULL, *BY_DIGEST])
def test_every_published_draw_is_reproduced(name: str):
    golden = json.loads((REAL_DATA / "splits/fewshot/golden_sha256.json").read_text())[name]
    info = get_dataset(name)
    split = read_coop_split(REAL_DATA / "splits" / str(info.split_file))
    counts = {"train": len(split.train), "val": len(split.val), "test": len(split.test)}
    assert (len(split.class_names), counts) == (info.num_classes, dict(info.expected))
    assert len(golden) == len(SHOTS) * len(SEEDS)
    for shots, seed in product(SHOTS, SEEDS):
        names = split.class_names
        draw = few_shot_draws.draw_coop(split.train, split.val, shots=shots, seed=seed, class_names=names)
        expected = golden[f"shot_{shots}-seed_{seed}"]
        found = {"train": path_hash(draw.train), "val": path_hash(draw.val)}
        assert found == {part: expected[part]["sha256"] for part in found}, (shots, seed)


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
    for shots, seed in product(SHOTS, SEEDS):
        draw = few_shot_draws.draw_coop(train, val, shots=shots, seed=seed, class_names=names)
        yield f"shot_{shots}-seed_{seed}", shots, draw


@pytest.mark.parametrize("name", IN_FULL)
def test_the_draw_over_the_real_class_sizes_gives_the_published_positions(name: str):
    facts = json.loads((FIXTURES / "coop_draws.json").read_text())["datasets"][name]
    drawn = {key: (shots, draw) for key, shots, draw in draws_over(facts)}
    for key in facts["draws"]:
        shots, draw = drawn[key]
        assert positions(draw, "train", shots) == facts["draws"][key]["train"], key
        assert positions(draw, "val", min(shots, 4)) == facts["draws"][key]["val"], key


@pytest.mark.parametrize("name", BY_DIGEST)
def test_the_draw_over_the_real_class_sizes_gives_the_digest_of_the_published_positions(name: str):
    facts = json.loads((FIXTURES / "coop_draw_digests.json").read_text())["datasets"][name]
    for key, _, draw in draws_over(facts):
        for part in ("train", "val"):
            found = " ".join(sample.key for sample in getattr(draw, part))
            assert hashlib.sha256(found.encode()).hexdigest() == facts["sha256"][key][part], (key, part)
