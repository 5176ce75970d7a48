"""Own images that are added again after they changed: what stays, and what is said."""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from own_folders import add_images, picture
from PIL import Image

from datasets_registry import (
    AddedDataset,
    BadImagesError,
    BenchError,
    RegistrationError,
    SplitRule,
    image_sources,
    own_images,
)

PARTS = ("train", "val", "test")
BY_HAND = 'summary = "Mine."\ncitation = "Me."\n'


def photo(path: Path, seed: int, orientation: int = 1) -> Path:
    exif = Image.Exif()
    exif[0x112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, (9, 6)).save(path, exif=exif)
    return path


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Three classes with 7, 9 and 11 photographs, of which some are stored rotated."""
    for place, name in enumerate(("crow", "Sea_Gull", "jay")):
        for i in range(7 + 2 * place):
            photo(tmp_path / "birds" / name / f"{i}.jpg", 100 * place + i, orientation=1 + 5 * (i == 1))
    return tmp_path / "birds"


def part_of(added: AddedDataset) -> dict[str, str]:
    """The part of each image by the digest of its content."""
    digests = added.inspection.digests
    return {digests[sample.key]: part for part in PARTS for sample in getattr(added.splits, part)}


def moved(before: AddedDataset, after: AddedDataset) -> set[str]:
    """The images that are in another part than before."""
    old, new = part_of(before), part_of(after)
    return {digest for digest in old.keys() & new.keys() if old[digest] != new[digest]}


@pytest.mark.parametrize("rule", ["hash", "even"])
def test_nothing_is_written_where_nothing_changed(birds: Path, rule: SplitRule) -> None:
    first = add_images(birds, split=rule)
    record = first.file.with_suffix(".images.json")
    record.write_text(as_written := f"{record.read_text()}\n")
    first.file.write_text(f"# mine\n{first.file.read_text()}")
    again = add_images(birds)
    assert first.file.read_text().startswith("# mine\n")
    assert record.read_text() == as_written
    assert part_of(again) == part_of(first)


def test_settings_and_texts_written_by_hand_stay(birds: Path) -> None:
    first = add_images(birds, template="{} (bird)", orient=False, names={"crow": "carrion crow"})
    text = first.file.read_text().replace('"Sea_Gull", "crow", "jay"', '"jay", "crow", "Sea_Gull"')
    text = text.replace("domain", BY_HAND + "domain")
    first.file.write_text(text.replace('"crow" = "carrion crow"', '"crow" = "black crow"'))
    photo(birds / "Blue_Jay" / "0.jpg", 900)
    photo(birds / "Blue_Jay" / "1.jpg", 901)
    config = add_images(birds).config
    assert config.classes == ("jay", "crow", "Sea_Gull", "Blue_Jay")
    assert config.class_names == ("jay", "black crow", "Sea_Gull", "Blue_Jay")
    assert (config.template, config.orient, config.summary, config.citation) == ("{} (bird)", False, "Mine.", "Me.")
    assert tomllib.loads(first.file.read_text())["summary"] == "Mine."
    changed = add_images(birds, template="{}", orient=True)
    assert (changed.config.template, changed.config.orient) == ("{}", True)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rule", ["hash", "even"])
def test_no_image_moves_however_the_folder_changes(birds: Path, seed: int, rule: SplitRule) -> None:
    """Random additions, removals, renames and corrected labels, read at once and added again."""
    rng = np.random.default_rng(seed)
    before = add_images(birds, split=rule)
    for step in range(3):
        files = sorted(birds.rglob("*.jpg"))
        for path in rng.choice(np.array(files, dtype=object), 4, replace=False):
            match int(rng.integers(4)):
                case 0 if len([*path.parent.iterdir()]) > 2:
                    path.unlink()
                case 1:
                    path.rename(path.with_name(f"renamed {step} {path.name}"))
                case 2 if len([*path.parent.iterdir()]) > 2:
                    other = str(rng.choice(["crow", "Sea_Gull", "jay"]))
                    path.rename(birds / other / f"from {path.parent.name} {step} {path.name}")
                case _:
                    photo(path.with_name(f"new {step} {path.name}"), int(rng.integers(10**6)))
        read = replace(before, splits=before.info.reader(None))
        names = {sample.key: image_sources.oriented(read.splits.images, orient=False).digest(sample.key)
                 for part in PARTS for sample in getattr(read.splits, part)}  # fmt: skip
        read = replace(read, inspection=replace(read.inspection, digests=names))
        after = add_images(birds)
        assert not moved(before, after)
        assert part_of(read) == part_of(after)
        before = after


def test_a_class_has_its_shares_after_images_were_added(birds: Path) -> None:
    add_images(birds, split="even")
    for i in range(13):
        photo(birds / "crow" / f"later {i}.jpg", 500 + i)
    added = add_images(birds)
    label = added.config.classes.index("crow")
    assert [sum(s.label == label for s in getattr(added.splits, part)) for part in PARTS] == [10, 4, 6]


def test_a_class_of_which_only_validation_images_are_left_gets_a_training_image_first(birds: Path) -> None:
    first = add_images(birds, split="even")
    label = first.config.classes.index("crow")
    for sample in (*first.splits.train, *first.splits.test):
        if sample.label == label:
            (birds / sample.key).unlink()
    photo(birds / "crow" / "new.jpg", 500)
    assert sum(sample.label == label for sample in add_images(birds).splits.train) == 1


def test_another_rule_or_force_divides_all_images_again(birds: Path) -> None:
    first = add_images(birds, split="hash")
    even = add_images(birds, split="even")
    assert moved(first, even)
    hashed = add_images(birds, force=True, split="hash")
    assert part_of(hashed) == part_of(first)
    first.file.unlink()
    assert part_of(add_images(birds, split="even")) == part_of(even)


def test_rows_of_a_table_are_corrected_and_its_paths_become_absolute(birds: Path) -> None:
    files = sorted(birds.rglob("*.jpg"))
    rows = [f"{path.relative_to(birds.parent)},{path.parent.name}" for path in files]
    table = birds.parent / "list.csv"
    table.write_text("\n".join(["path,label", *rows]))
    first = add_images(table, split="even")
    rows[0] = rows[0].rpartition(",")[0] + ",jay"
    table.write_text("\n".join(["path,label", *rows[:-2]]))
    after = add_images(table)
    assert not moved(first, after)
    table.write_text("\n".join(["path,label", *(f"{birds.parent}/{row}" for row in rows[:-2])]))
    absolute = add_images(table)
    assert (absolute.splits.train, absolute.splits.test) == (after.splits.train, after.splits.test)


def test_groups_stay_in_their_part(birds: Path) -> None:
    def table(files: list[Path]) -> Path:
        names = [(path.relative_to(birds), path.parent.name) for path in files]
        rows = [f"{path},{label},{label}{i // 2}" for i, (path, label) in enumerate(names)]
        place = birds.parent / "list.csv"
        place.write_text("\n".join(["path,label,group", *rows]))
        return place

    files = sorted(birds.rglob("*.jpg"))
    first = add_images(table(files), root=birds, split="even")
    more = [photo(birds / "crow" / f"later {i}.jpg", 500 + i) for i in range(8)]
    after = add_images(table([*files, *more]))
    assert not moved(first, after)
    where: dict[str | None, set[str]] = {}
    for part in PARTS:
        for sample in getattr(after.splits, part):
            where.setdefault(sample.group, set()).add(part)
    assert all(len(parts) == 1 for parts in where.values())


def test_broken_images_stay_left_out(birds: Path) -> None:
    (birds / "crow" / "a.jpg").write_bytes(b"\xff\xd8\xffno image")
    add_images(birds, skip_broken=True)
    after = add_images(birds)
    assert after.config.skip == ("crow/a.jpg",)
    (birds / "jay" / "c.jpg").write_bytes(b"")
    with pytest.raises(BadImagesError, match=r"jay/c\.jpg"):
        add_images(birds)
    assert tomllib.loads(after.file.read_text())["skip"] == ["crow/a.jpg"]
    for file in ("crow/a.jpg", "jay/c.jpg"):
        (birds / file).unlink()
    assert add_images(birds).config.skip == (), "what is gone is not left out"


@pytest.mark.parametrize("rule", ["hash", "even"])
def test_an_image_that_comes_back_gets_its_former_part(birds: Path, rule: SplitRule) -> None:
    first = add_images(birds, split=rule)
    shutil.copytree(birds, birds.parent / "all")
    for seed, path in enumerate(sorted(birds.rglob("*.jpg"))):
        match seed % 4:
            case 0 | 1:
                path.unlink()
            case 2:
                photo(path, 2000 + seed)
        photo(path.with_name(f"in place of {path.name}"), 3000 + seed)
    for _ in range(2):  # those that are gone stay known
        add_images(birds)
    for path in sorted((birds.parent / "all").rglob("*.jpg")):
        shutil.copy(path, birds / path.parent.name / f"back {path.name}")
    after = add_images(birds)
    assert not moved(first, after)
    assert part_of(first).keys() <= part_of(after).keys()


def test_small_classes_stay_left_out_until_they_are_asked_for(birds: Path) -> None:
    for i in range(3):
        photo(birds / "owl" / f"{i}.jpg", 600 + i)
    assert add_images(birds, min_images=5).config.small_classes == ("owl",)
    again = add_images(birds)
    assert again.config.small_classes == ("owl",)
    assert again.small == {"owl": 3}
    assert "owl" in add_images(birds, min_images=2).config.classes


def test_images_that_moved_are_the_same_after_their_place_is_corrected(birds: Path) -> None:
    first = add_images(birds, split="even", template="{}")
    new = birds.rename(birds.parent / "moved")
    for read in (lambda: add_images(new), lambda: first.info.reader(None)):
        with pytest.raises(BenchError, match="If they moved.* as `images`") as raised:
            read()
        assert str(first.file) in str(raised.value)
    with pytest.raises(BenchError, match="No images at"):
        add_images(birds)
    first.file.write_text(first.file.read_text().replace(str(birds), str(new)))
    after = add_images(new)
    assert part_of(after) == part_of(first)


FORMAT = "clip-etl-bench images of a dataset"
DAMAGED = {
    "no_format": {"images": {}},
    "an_unknown_part": {"format": FORMAT, "images": {"crow/0.jpg": ["crow", "tset", "0"]}},
    "no_json": "{",
    "nested": 100_000 * "[",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_record_is_refused_and_replaced_by_force(birds: Path, content: object) -> None:
    first = add_images(birds, split="even")
    record = first.file.with_suffix(".images.json")
    whole = record.read_text()
    record.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(RegistrationError, match="--force"):
        add_images(birds)
    with pytest.raises(RegistrationError):
        first.info.reader(None)
    add_images(birds, force=True, split="even")
    assert record.read_text() == whole


def test_the_list_of_images_names_their_division_and_not_their_record(birds: Path) -> None:
    first = add_images(birds, split="even")
    for i in range(13):
        photo(birds / "crow" / f"later {i}.jpg", 500 + i)
    lists = [own_images.image_list(first.info), first.info.reader(None).image_list]
    lists += [own_images.image_list(add_images(birds).info) for _ in range(2)]
    assert len(set(lists)) == 1
    forced = add_images(birds, force=True, split="even")
    assert moved(first, forced)
    divided = own_images.image_list(forced.info)
    assert divided not in lists
    add_images(birds, force=True, split="even")
    assert own_images.image_list(forced.info) == divided


def test_a_record_has_at_most_so_many_values_and_other_images_are_refused_without_force(
    birds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_images(birds)
    with monkeypatch.context() as patch:
        patch.setattr("datasets_registry._custom.image_record.MOST_RECORDED_VALUES", 27)
        with pytest.raises(RegistrationError, match="27 values"):
            add_images(birds)
    shutil.copytree(birds, birds.parent / "others")
    with pytest.raises(RegistrationError, match=r"describes .*birds\. Give --force"):
        add_images(birds.parent / "others")
    assert add_images(birds.parent / "others", force=True).config.images == str(birds.parent / "others")
