"""Every file of the package without a leading underscore registers one complete catalogue entry."""

import hashlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from one_case import for_each
from places import FIXTURES, REAL_DATA

import datasets_registry
from datasets_registry import (
    DATASETS,
    DataError,
    DatasetInfo,
    RegistrationError,
    Registry,
    get_dataset,
    import_catalogue,
    list_datasets,
    read_coop_split,
    recorded_draw,
    register_dataset,
)

FOLDER = Path(datasets_registry.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
ON_DISK = [info for info in list_datasets() if not info.synthetic]


def bibtex_fields(entry: str) -> dict[str, str]:
    """Fields of one BibTeX entry, parsed by counting braces; raises ValueError if it is malformed."""
    head = re.match(r"\s*@(\w+)\{([\w:-]+),", entry)
    if not head:
        raise ValueError("no @kind{key, at the start")
    fields, position = {"kind": head[1], "key": head[2]}, head.end()
    while match := re.compile(r"\s*(\w+)\s*=\s*\{").match(entry, position):
        depth, end = 1, match.end()
        while depth:
            depth += {"{": 1, "}": -1}.get(entry[end], 0)
            end += 1
        fields[match[1].lower()] = entry[match.end() : end - 1]
        position = end + (entry[end : end + 1] == ",")
    if entry[position:].strip() != "}":
        raise ValueError(f"something is left over: {entry[position:]!r}")
    return fields


def test_every_file_registers_exactly_one_entry_under_its_own_name():
    assert list(DATASETS) == MODULES


@for_each("info", list_datasets(), ids=lambda info: info.name)
def test_an_entry_is_complete(info: DatasetInfo):
    assert get_dataset(info.name) is info
    assert info.title
    assert info.summary.endswith(".")
    assert info.domain
    assert info.licence
    assert info.template.count("{}") == 1
    assert not info.class_names or len(set(info.class_names)) == info.num_classes
    assert all(template.count("{}") == 1 for template in info.template_variants.values())
    assert info.template not in info.template_variants.values()


@for_each("info", ON_DISK, ids=lambda info: info.name)
def test_a_dataset_on_disk_has_a_citation_and_a_homepage(info: DatasetInfo):
    fields = bibtex_fields(info.citation)
    assert {"title", "author", "year"} <= set(fields)
    assert re.fullmatch(r"\d{4}", fields["year"])
    assert info.homepage.startswith("https://")
    assert info.split_file is None or re.fullmatch(r"split(_\w+)?\.json", info.split_file)
    if info.expected:
        assert info.expected["test"] > 0
        assert info.test_only == ("train" not in info.expected)
    else:
        assert any("counts are not checked" in problem for problem in info.known_problems)
    assert info.known_problems


@for_each("info", ON_DISK, ids=lambda info: info.name)
def test_the_error_without_a_data_folder_names_the_option(info: DatasetInfo):
    with pytest.raises(DataError, match=rf"'{info.name}' is read from disk.*--data-root.*ETL_BENCH_DATA"):
        info.reader(None)


PLAIN = "a photo of a {}."
FACTS = {  # template, classes, train, val, test: CoOp's tables
    "imagenet": (PLAIN, 1000, 1281167, 0, 50000),
    "caltech101": (PLAIN, 100, 4128, 1649, 2465),
    "oxford_pets": ("a photo of a {}, a type of pet.", 37, 2944, 736, 3669),
    "stanford_cars": (PLAIN, 196, 6509, 1635, 8041),
    "oxford_flowers": ("a photo of a {}, a type of flower.", 102, 4093, 1633, 2463),
    "food101": ("a photo of {}, a type of food.", 101, 50500, 20200, 30300),
    "fgvc_aircraft": ("a photo of a {}, a type of aircraft.", 100, 3334, 3333, 3333),
    "sun397": (PLAIN, 397, 15880, 3970, 19850),
    "dtd": ("{} texture.", 47, 2820, 1128, 1692),
    "eurosat": ("a centered satellite photo of {}.", 10, 13500, 5400, 8100),
    "ucf101": ("a photo of a person doing {}.", 101, 7639, 1898, 3783),
}


@for_each("name", [name for name in FACTS if name != "imagenet"])
def test_the_class_names_have_the_digest_of_coops(name: str):
    recorded = json.loads((FIXTURES / "class_name_digests.json").read_text())["datasets"]
    assert hashlib.sha256("\n".join(get_dataset(name).class_names).encode()).hexdigest() == recorded[name]


@pytest.mark.real_data
@pytest.mark.parametrize("name", [name for name in FACTS if name != "imagenet"])
def test_the_class_names_are_those_of_the_split_file(name: str):
    info, splits = get_dataset(name), REAL_DATA / "splits"
    if info.split_file is not None and (splits / info.split_file).is_file():
        assert read_coop_split(splits / info.split_file).class_names == info.class_names
    else:
        names = json.loads((splits / "fewshot" / f"{info.name}.json").read_text())["classnames"]
        assert tuple(names) == info.class_names


VARIANTS = {  # classes, test
    "imagenet_v2": (1000, 10000),
    "imagenet_sketch": (1000, 50889),
    "imagenet_a": (200, 7500),
    "imagenet_r": (200, 30000),
}


@for_each("name", FACTS)
def test_template_and_counts_are_coops(name: str):
    info = get_dataset(name)
    expected = tuple(info.expected[part] for part in ("train", "val", "test"))
    assert (info.template, info.num_classes, *expected) == FACTS[name]
    assert len(info.class_names) == (0 if name == "imagenet" else info.num_classes)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_of_imagenet_is_test_only(name: str):
    info = get_dataset(name)
    assert info.template == PLAIN
    assert (info.num_classes, dict(info.expected)) == (VARIANTS[name][0], {"test": VARIANTS[name][1]})
    assert info.test_only


def test_a_collection_names_datasets_that_can_be_got():
    for names in datasets_registry.COLLECTIONS.values():
        assert len(names) == len(set(names))
        assert set(names) <= datasets_registry.dataset_sources().keys() & set(DATASETS)
    assert set(datasets_registry.COLLECTIONS["coop"]) == FACTS.keys()
    assert set(datasets_registry.COLLECTIONS["imagenet_shifts"]) == VARIANTS.keys()


def test_coops_draw_over_a_folder_listing_is_recorded_as_coop_sorted():
    imagenet, dtd = get_dataset("imagenet"), get_dataset("dtd")
    assert recorded_draw(imagenet, "coop") == "coop-sorted"
    assert recorded_draw(imagenet, "nested") == "nested"
    assert recorded_draw(dtd, "coop") == "coop"
    with pytest.raises(DataError, match="'dtd' has published lists"):
        recorded_draw(dtd, "coop-sorted")


def test_case_blanks_and_hyphens_of_a_name_do_not_matter_and_a_typo_gets_near_misses():
    assert DATASETS.match("EuroSAT") == ["eurosat"]
    assert DATASETS.match("FGVC Aircraft") == DATASETS.match("fgvc-aircraft") == ["fgvc_aircraft"]
    with pytest.raises(datasets_registry.UnknownNameError, match="Did you mean 'fgvc_aircraft'?"):
        DATASETS.match("FGVC Aircrafts")
    with pytest.raises(datasets_registry.UnknownNameError, match="Did you mean 'eurosat'"):
        get_dataset("eurosta")


def test_an_unknown_name_says_where_own_datasets_are_looked_up(monkeypatch, tmp_path):
    monkeypatch.setenv("ETL_BENCH_DATASETS", str(tmp_path / "mine"))
    advice = rf"looked up in {re.escape(str(tmp_path / 'mine'))}; `etl-bench datasets add --user`"
    for wrong in ("birds", "birds*"):
        with pytest.raises(datasets_registry.UnknownNameError, match=advice):
            datasets_registry.DATASETS.match(wrong)


def test_a_plug_in_cannot_register_a_name_outside_the_alphabet_or_a_title_that_fits_no_table():
    registry: Registry[str] = Registry("dataset")
    for name in ("", "A", "a-b", "a\n", "1a", "a\x1b[2J", "a b", "=a", "ä", "a" * 201):
        with pytest.raises(RegistrationError, match=r"must match '\[a-z\]\[a-z0-9_\]\{0,199\}'"):
            registry.add(name, "entry")
    for title in ("a\x1b[2J", "a\nb", "a" * 301):
        with pytest.raises(RegistrationError, match="dataset 'mine' must"):
            registry.add("mine", "entry", title)
    assert registry.add("a" * 200, "entry", "a" * 300) == "entry"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("def f()", r"broken_entry\.py, line 2 cannot be imported: SyntaxError: expected ':'"),
        ("nothing", r"broken_entry\.py, line 2 cannot be imported: NameError: name 'nothing' is not defined"),
        ("import nothing_here", r"broken_entry\.py, line 2 cannot be imported: ModuleNotFoundError: No module named"),
        (
            "from methods import Recipe; Recipe(lr=-1, epochs=0)",
            r"ValidationError: lr: Input .*; epochs: [^:]*\. `py",
        ),
        ("__import__('enum').Enum('E', 'a').b", r"broken_entry\.py, line 2 cannot be imported: AttributeError: b"),
    ],
)
def test_a_file_that_cannot_be_imported_is_named_with_its_line(
    line: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "broken_catalogue"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "broken_entry.py").write_text(f"\n{line}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("broken_catalogue", "broken_catalogue.broken_entry"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    registry: Registry[object] = Registry("thing")
    import_catalogue("broken_catalogue", [str(package)], registry)
    with pytest.raises(RegistrationError, match=message):
        registry.get("broken_entry")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"template": "a photo."}, r"'a photo\.' of unknown has no '\{\}'"),
        ({"template_variants": {"plain": "a sketch."}}, r"'a sketch\.' of unknown has no '\{\}'"),
        ({"reader": replace(get_dataset("dtd").reader, dataset="flowers")}, "dataset='flowers'; write .*'unknown'"),
    ],
)
def test_an_entry_that_cannot_work_is_refused(changes: dict[str, Any], message: str) -> None:
    fine = replace(get_dataset("dtd"), name="unknown", reader=get_dataset("spectrum_basic").reader)
    with pytest.raises(RegistrationError, match=message):
        register_dataset(replace(fine, **changes))
    assert "unknown" not in DATASETS
