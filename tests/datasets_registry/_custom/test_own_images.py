"""Folders of photographs as people have them: damaged files, rotated ones, small classes, labels nobody says."""

from __future__ import annotations

import functools
import io
import os
import shutil
import struct
import tomllib
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from own_folders import add_images, class_folders
from PIL import Image

from datasets_registry import (
    AddedDataset,
    BadImagesError,
    DataError,
    DrawRule,
    EvalProtocol,
    FewShotTask,
    ShotsError,
    TaskRequest,
    build_task,
    check_dataset,
)
from datasets_registry._custom.dataset import read_custom_dataset


def photo(seed: int, image_format: str = "JPEG", size: tuple[int, int] = (64, 48), **saved: object) -> bytes:
    """A random picture, so that no two are equal; `saved` are options of the format."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST).save(content, image_format, **saved)
    return content.getvalue()


def rotated(seed: int, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x112] = orientation
    return photo(seed, exif=exif)


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Two classes of twelve photographs."""
    return class_folders(tmp_path / "birds", suffix="jpg", size=(64, 48))


add = functools.partial(add_images, force=True)


def toml(added: AddedDataset) -> dict[str, object]:
    return tomllib.loads(added.file.read_text(encoding="utf-8"))


def notes(added: AddedDataset) -> str:
    return "\n".join(added.notes())


def draw(added: AddedDataset, shots: int, rule: DrawRule = "coop", **options: bool) -> FewShotTask:
    splits = added.info.reader(None)
    return build_task(TaskRequest(added.info, splits, EvalProtocol.FEW_SHOT, shots, 1, rule, **options))


# --- bad files --------------------------------------------------------------------------------------------------------


BAD = {
    "crow/cut.jpg": "truncated",
    "crow/dangling.jpg": "broken link",
    "crow/empty.jpg": "zero bytes",
    "crow/loop.jpg": "broken link",
    "gull/page.jpg": "web page",
    "gull/paper.jpg": "not an image, or damaged",
    "gull/pointer.png": "Git LFS pointer",
}


@pytest.fixture
def damaged(birds: Path) -> Path:
    """The photographs with one bad file of each kind."""
    content = photo(1000, size=(256, 256))
    (birds / "crow" / "cut.jpg").write_bytes(content[: len(content) // 2])
    (birds / "crow" / "dangling.jpg").symlink_to(birds / "nowhere.jpg")
    (birds / "crow" / "empty.jpg").write_bytes(b"")
    (birds / "crow" / "loop.jpg").symlink_to(birds / "crow" / "loop.jpg")
    (birds / "gull" / "page.jpg").write_text("<!DOCTYPE html><html>404</html>")
    (birds / "gull" / "paper.jpg").write_bytes(b"%PDF-1.4 no image")
    (birds / "gull" / "pointer.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0")
    return birds


def test_all_bad_files_are_listed_at_once_and_nothing_is_written(damaged: Path) -> None:
    with pytest.raises(BadImagesError) as raised:
        add(damaged)
    assert {image.key: image.kind for image in raised.value.bad} == BAD
    text = str(raised.value)
    assert text.startswith(f"7 of the 31 images of {damaged} are not readable: truncated: crow/cut.jpg; broken link: ")
    assert text.endswith("them out with --skip-broken.")
    assert not {"archive", "split file", "\n"} & set(text.split(" "))
    assert not (damaged.parent / "own").exists()


def test_skip_broken_leaves_bad_files_out_and_records_them(damaged: Path) -> None:
    added = add(damaged, skip_broken=True)
    assert set(toml(added)["skip"]) == set(BAD)
    assert (added.facts()["images"], added.facts()["broken_images"]) == (24, 7)
    assert "7 broken images are left" in notes(added)
    splits = added.info.reader(None)
    assert not set(BAD) & set(splits.keys)
    for key in splits.keys:
        splits.images.load(key)
    assert check_dataset(added.info, None).problems == [], "skipped is known"


def test_a_file_that_breaks_later_is_named_with_advice_for_ones_own_folder(birds: Path) -> None:
    splits = add(birds).splits
    (birds / "crow" / "1.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="has zero bytes"):
        splits.images.load("crow/1.jpg")
    (birds / "crow" / "2.jpg").unlink()
    with pytest.raises(DataError, match="2.jpg does not exist."):
        splits.images.digest("crow/2.jpg")


def test_a_row_of_a_table_without_its_file_is_left_out_by_skip_broken(birds: Path) -> None:
    keys = sorted(path.relative_to(birds).as_posix() for path in birds.rglob("*.jpg"))
    rows = [f"{key},{key.partition('/')[0]}" for key in (*keys, "crow/gone.jpg")]
    table = birds / "list.csv"
    table.write_text("\n".join(["path,label", *rows]))
    with pytest.raises(DataError, match="exist: crow/gone.jpg. .* with --skip-broken"):
        add(table)
    added = add(table, skip_broken=True)
    assert toml(added)["skip"] == ["crow/gone.jpg"]
    assert len(added.info.reader(None).keys) == 24
    table.write_text("path,label\nx.jpg,crow\ny.jpg,gull\n")
    with pytest.raises(DataError, match="2 of the 2 images of"):
        add(table, skip_broken=True)


@pytest.mark.filterwarnings("ignore:(Corrupt EXIF|Truncated File)")
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_cut_file_is_found_wherever_it_ends_if_a_run_would_fail_on_it(birds: Path, image_format: str) -> None:
    """The quick reading of JPEGs agrees with full decoding, for cuts all over the file."""
    content = photo(7, image_format, size=(256, 128))
    cuts = np.linspace(20, len(content), 30).astype(int)
    for cut in cuts:
        (birds / "crow" / f"{cut}.{image_format.lower()}").write_bytes(content[:cut])
    with pytest.raises(BadImagesError) as raised:
        add(birds)
    images = add(birds, skip_broken=True).splits.images
    refused = set()
    for path in (birds / "crow").iterdir():
        try:
            images.load(f"crow/{path.name}")
        except DataError:
            refused.add(f"crow/{path.name}")
    assert {image.key for image in raised.value.bad} == refused
    assert len(refused) >= 20


# --- the summary ------------------------------------------------------------------------------------------------------


def test_copies_are_listed_within_a_class_and_across_classes(birds: Path) -> None:
    shutil.copy(birds / "crow" / "1.jpg", birds / "crow" / "again.jpg")
    assert "1 image occurs more than once with the same bytes: crow/1.jpg and crow/again.jpg" in notes(add(birds))
    shutil.copy(birds / "gull" / "0.jpg", birds / "crow" / "copy.jpg")
    added = add(birds)
    assert "2 images occur more than once" in notes(added)
    assert "1 of them in more than one class, where one label at most is right: " in notes(added)
    assert (added.facts()["duplicates"], added.facts()["duplicates_across_classes"]) == (2, 1)


def test_the_summary_has_sizes_and_unused_files(birds: Path) -> None:
    (birds / "gull" / "small.png").write_bytes(photo(5, "PNG", size=(40, 16)))
    (birds / "crow" / "large.jpg").write_bytes(photo(6, "PNG", size=(320, 240)))
    (birds / "crow" / "IMG_0001").write_bytes(photo(8))
    (birds / "nothing").mkdir()
    (birds / "crow" / "Thumbs.db").write_bytes(b"x")
    added = add(birds)
    assert added.facts()["image_sizes"] == {"smallest": "40x16", "median": "64x48", "largest": "320x240"}
    assert added.facts()["images"] == 26
    text = notes(added)
    assert "Thumbs.db" not in text
    assert "1 file without suffix (crow/IMG_0001)" in text
    assert "1 class folder without" in text


# --- EXIF orientation -------------------------------------------------------------------------------------------------


def with_orient(added: AddedDataset, orient: str) -> AddedDataset:
    """The dataset as a file with this line about its orientation, or with none, describes it."""
    lines = [line for line in added.file.read_text().splitlines() if not line.startswith("orient")]
    added.file.write_text("\n".join((*lines, orient)) + "\n")
    config = type(added.config).model_validate(toml(added))
    return replace(added, config=config, info=config.info("birds", added.file.parent))


def test_own_images_are_turned_upright_unless_the_file_says_otherwise(birds: Path) -> None:
    (birds / "crow" / "0.jpg").write_bytes(rotated(0, 6))
    added = add(birds)
    assert added.facts()["turned_by_exif"] == 1
    splits, as_stored = added.info.reader(None), with_orient(added, "orient = false").info.reader(None)
    upright, stored = splits.images.load("crow/0.jpg"), as_stored.images.load("crow/0.jpg")
    assert (upright.size, stored.size) == ((48, 64), (64, 48))
    assert upright.tobytes() == stored.transpose(Image.Transpose.ROTATE_270).tobytes()
    assert splits.images.digest("crow/0.jpg") != as_stored.images.digest("crow/0.jpg"), "its cached features differ"
    assert splits.images.digest("crow/1.jpg") == as_stored.images.digest("crow/1.jpg")
    assert (splits.train, splits.val, splits.test) == (as_stored.train, as_stored.val, as_stored.test)
    assert add(birds, orient=False).splits.images.load("crow/0.jpg").size == (64, 48)
    by_hand = with_orient(added, "").info.reader(None)
    assert by_hand.images.load("crow/0.jpg").size == (48, 64)


def test_the_fingerprint_has_the_rule_only_where_an_image_is_turned(birds: Path) -> None:
    added = add(birds)
    assert draw(added, 1).fingerprint == draw(with_orient(added, "orient = false"), 1).fingerprint
    for i in range(12):
        (birds / "crow" / f"{i}.jpg").write_bytes(rotated(i, 3))
    added = add(birds)
    assert draw(added, 0).fingerprint != draw(with_orient(added, "orient = false"), 0).fingerprint, "test images alone"


# --- class names ------------------------------------------------------------------------------------------------------


def test_a_name_is_the_label_or_chosen(birds: Path) -> None:
    (birds / "gull").rename(birds / "sea_gull")
    added = add(birds, names={"sea_gull": "herring gull"})
    assert added.facts()["class_names"] == ["crow", "herring gull"]
    assert toml(added)["names"] == {"sea_gull": "herring gull"}
    assert add(birds).splits.class_names == ("crow", "sea_gull")
    with pytest.raises(DataError, match="Did you mean 'sea_g"):
        add(birds, names={"seagull": "x"})
    with pytest.raises(DataError, match="--name sea_gull=crow"):
        add(birds, names={"sea_gull": "crow"})


# --- small classes ----------------------------------------------------------------------------------------------------


@pytest.fixture
def with_a_rare_class(birds: Path) -> Path:
    class_folders(birds, ("rare",), 3, first=500)
    return birds


def test_min_images_leaves_small_classes_out_by_name(with_a_rare_class: Path) -> None:
    added = add(with_a_rare_class, min_images=4)
    assert added.splits.class_names == ("crow", "gull")
    assert toml(added)["small_classes"] == ["rare"]
    assert added.facts()["small_classes"] == {"rare": 3}
    assert "few images: 'rare' with 3" in notes(added)
    with pytest.raises(ValueError, match="small_classes has 'gull'"):
        type(added.config).model_validate(toml(added) | {"small_classes": ["gull"]})
    with pytest.raises(DataError, match="0 classes, .* left out has 12 images"):
        add(with_a_rare_class, min_images=20)


@pytest.mark.parametrize("rule", ["coop", "nested"])
def test_allow_fewer_takes_what_there_is(with_a_rare_class: Path, rule: DrawRule) -> None:
    added = add(with_a_rare_class)
    with pytest.raises(ShotsError, match=r"\d training .* --allow-fewer to take"):
        draw(added, 4, rule)
    task = draw(added, 4, rule, allow_fewer=True)
    rare = {sample.key for sample in added.splits.train if sample.label == 2}
    assert {sample.key for sample in task.support.samples if sample.label == 2} == rare
    assert task.short == {"rare": len(rare)}
    assert [task.support.labels.count(label) for label in (0, 1)] == [4, 4]


def test_a_class_without_training_images_is_refused_also_with_allow_fewer(birds: Path) -> None:
    for part, names in (("train", ("crow", "gull")), ("test", ("crow", "gull", "jay"))):
        for name in names:
            shutil.copytree(birds / "crow", birds.parent / "parts" / part / name)
    added = add(birds.parent / "parts")
    with pytest.raises(ShotsError, match="'jay' has no training"):
        draw(added, 4, allow_fewer=True)
    assert not added.suggested_shots[1]
    (finding,) = [found for found in check_dataset(added.info, None).findings if found.code == "small-class"]
    (note,) = [line for line in added.notes() if "training image" in line]
    assert all("'jay'" in text and "refuse" in text and "most 0" not in text for text in (finding.text, note))


# --- what is left out, and names ------------------------------------------------------------------------------------


def test_odd_files_are_listed_as_broken_and_can_be_left_out(birds: Path) -> None:
    (birds / "crow" / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n")
    os.mkfifo(birds / "crow" / "b.png")
    (birds / "crow" / "c.png").symlink_to("/dev/zero")
    with (birds / "gull" / "d.png").open("wb") as file:
        file.truncate(6 * 2**30)
    with pytest.raises(BadImagesError) as caught:
        add(birds)
    assert [(bad.key, bad.kind) for bad in caught.value.bad] == [
        ("crow/a.png", "PostScript"),
        ("crow/b.png", "not a regular file"),
        ("crow/c.png", "not a regular file"),
        ("gull/d.png", "too large"),
    ]
    added = add(birds, skip_broken=True)
    assert (len(added.config.skip), len(added.label_of)) == (4, 24)
    assert not check_dataset(added.info, None).problems


def test_a_file_name_that_is_not_utf8_is_left_out_and_named(birds: Path) -> None:
    (birds / "crow" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(photo(7))
    text = notes(add(birds))
    assert r"UTF-8 (crow/caf\udce9.jpg). Rename images" in text


def test_further_frames_bands_and_damaged_metadata_are_named(birds: Path) -> None:
    one, other = Image.new("RGB", (64, 48), "red"), Image.new("RGB", (64, 48), "blue")
    one.save(birds / "crow" / "moving.gif", save_all=True, append_images=[other])
    one.save(birds / "crow" / "pages.tif", save_all=True, append_images=[other])
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHII", 8, 5, 0x0112, 3, 1, 6)
    other.save(birds / "gull" / "damaged.jpg", exif=exif)
    added = add(birds)
    text = notes(added)
    assert "2 images have further frames" in text
    assert "metadata: gull/damaged.jpg (Corrupt EXIF" in text
    assert added.facts()["more_frames"] == 2


def test_folders_whose_names_look_equal_are_one_class(birds: Path) -> None:
    for form, first in (("NFC", 300), ("NFD", 400)):
        class_folders(birds, (unicodedata.normalize(form, "Möwe"),), 4, first=first)
    added = add(birds)
    assert added.config.classes == ("Möwe", "crow", "gull")
    assert sum(label == "Möwe" for label in added.label_of.values()) == 8
    named = add(birds, names={unicodedata.normalize("NFD", "Möwe"): "gull of the sea"})
    assert named.config.names == {"Möwe": "gull of the sea"}
    text = named.file.read_text(encoding="utf-8")
    named.file.write_text(unicodedata.normalize("NFD", text), encoding="utf-8")
    assert read_custom_dataset(named.file).class_names == named.config.class_names


SUGGESTED = {(6, 30, 30): (8, True), (20, 24): (8, False), (4, 4): (2, False)}


@pytest.mark.parametrize(("sizes", "suggested"), SUGGESTED.items())
def test_the_suggested_shots_the_table_and_the_note_agree(
    sizes: tuple[int, ...], suggested: tuple[int, bool], tmp_path: Path
) -> None:
    for label, size in enumerate(sizes):
        class_folders(tmp_path / "birds", (f"bird {'abc'[label]}",), size, first=100 * label)
    added = add(tmp_path / "birds", split="even")
    shots, fewer = added.suggested_shots
    assert (shots, fewer) == suggested
    facts = added.facts()
    assert (facts["suggested_shots"], facts["allow_fewer"]) == suggested
    (note,) = [line for line in added.notes() if "training image" in line]
    smallest = facts["smallest_class"]
    if fewer:
        assert f"--shots {shots} needs --allow-fewer" in note
    else:
        assert f"at most {smallest}; of the usual numbers, take {shots}." in note
    draw(added, shots, allow_fewer=fewer)
