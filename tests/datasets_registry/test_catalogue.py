"""The files without an underscore are the catalogue, and each is one complete entry."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import datasets_registry
from datasets_registry import DATASETS, DatasetInfo, get_dataset, list_datasets
from datasets_registry._coop_split import read_coop_split

FOLDER = Path(datasets_registry.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))
ON_DISK = [info for info in list_datasets() if not info.drawn]


def bibtex_fields(entry: str) -> dict[str, str]:
    """Fields of one BibTeX entry, read by counting braces; raises ValueError where it does not parse."""
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


@pytest.mark.parametrize("info", list_datasets(), ids=lambda info: info.name)
def test_an_entry_is_complete(info: DatasetInfo):
    assert get_dataset(info.name) is info
    assert info.title
    assert info.summary.endswith(".")
    assert info.domain
    assert info.licence
    assert info.template.count("{}") == 1
    assert not info.class_names or len(set(info.class_names)) == info.num_classes


@pytest.mark.parametrize("info", ON_DISK, ids=lambda info: info.name)
def test_a_dataset_on_disk_is_cited_and_has_a_home(info: DatasetInfo):
    fields = bibtex_fields(info.citation)
    assert {"title", "author", "year"} <= set(fields)
    assert re.fullmatch(r"\d{4}", fields["year"])
    assert info.homepage.startswith("https://")
    assert info.split_file is not None
    assert re.fullmatch(r"split_zhou_\w+\.json", info.split_file)


@pytest.mark.parametrize("info", ON_DISK, ids=lambda info: info.name)
def test_without_a_data_folder_the_message_says_how_to_give_one(info: DatasetInfo):
    with pytest.raises(datasets_registry.DataError, match=rf"'{info.name}' lies on disk.*--data-root.*ETL_BENCH_DATA"):
        info.reader(None)


@pytest.mark.parametrize("info", ON_DISK, ids=lambda info: info.name)
def test_the_class_names_are_those_of_the_split_file(info: DatasetInfo, shared_data: Path):
    assert info.split_file is not None
    assert read_coop_split(shared_data / "splits" / info.split_file).class_names == info.class_names


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("eurosat", "a centered satellite photo of {}."),
        ("dtd", "{} texture."),
        ("oxford_pets", "a photo of a {}, a type of pet."),
    ],
)
def test_the_template_is_coops(name: str, template: str):
    assert get_dataset(name).template == template


def test_importing_the_catalogue_imports_no_torch():
    code = "import sys, datasets_registry; assert not {'torch', 'torchvision', 'open_clip'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=FOLDER.parent)


def test_a_typo_gets_near_misses():
    with pytest.raises(datasets_registry.UnknownNameError, match=r"Unknown dataset 'eurosta'. Did you mean 'eurosat'"):
        get_dataset("eurosta")
