"""Write `official_settings.json` from `sources/*.toml` and the repositories at the stated commits.

    python -m tools.official_settings CLONES            write the file
    python -m tools.official_settings CLONES --compare  print every difference, and every setting without a source

CLONES has a git clone of each repository as OWNER/NAME.

A file of `sources/` describes one repository:

    include = ["dassl"]                     files whose values come first
    repository = "KaiyangZhou/CoOp"
    commit = "ff61507"
    others = { dassl = "KaiyangZhou/Dassl.pytorch@c61a1b5" }    for files such as "dassl:dassl/config/defaults.py"

    [[values]]                              later values replace earlier ones where both hold
    methods = ["coop"]
    protocols = ["few-shot"]                left out: all of the method
    datasets = ["imagenet"]                 left out: all; `except` gives those that are left out
    shots = [1]                             left out: any number
    file = "configs/vit_b16.yaml"           for values that name none
    dassl = "configs/vit_b16.yaml"          reads all usual keys that this file of Dassl's settings has
    [values.recipe]                         fields of the recipe; [values.data]; [values.words]; [values.settings]
    lr = "OPTIM.LR"                         a key of `file`, or a table as in `values_in_files`
    epochs = { key = "OPTIM.MAX_EPOCH", means = 5, differs = "why ours is another" }

`means` is the value in our terms where it is written otherwise there; `null = true` means that it is what a setting of
null stands for, such as the backbone's own factor on the cosine; `with = ["text"]` makes a list of the value, or adds
to one. `{ unstated = "what was searched" }` says that no source states it, `{ ours = "reason" }` that the official code
has no such setting. `<dataset>` stands for the name of each of the eleven datasets in Dassl. A value that is compared
with no setting of ours is an error.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from datasets_registry import EvalProtocol, get_dataset
from methods import get_method
from tools.official_settings.compared import (
    ABSENT,
    ELEVEN_DATASETS,
    NOT_STATED,
    SETTINGS_FILE,
    equal_values,
    our_settings,
    published_cases,
)
from tools.official_settings.values_in_files import NotStatedError, value_in

SOURCES = Path(__file__).parent / "sources"
DASSL_KEYS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "recipe.optimizer": ("OPTIM.NAME", {}),
    "recipe.lr": ("OPTIM.LR", {}),
    "recipe.weight_decay": ("OPTIM.WEIGHT_DECAY", {}),
    "recipe.momentum": ("OPTIM.MOMENTUM", {}),
    "recipe.epochs": ("OPTIM.MAX_EPOCH", {}),
    "recipe.batch_size": ("DATALOADER.TRAIN_X.BATCH_SIZE", {}),
    "recipe.schedule": ("OPTIM.LR_SCHEDULER", {"cosine": "dassl"}),
    "recipe.warmup": ("OPTIM.WARMUP_TYPE", {}),
    "recipe.warmup_epochs": ("OPTIM.WARMUP_EPOCH", {}),
    "recipe.warmup_lr": ("OPTIM.WARMUP_CONS_LR", {}),
    "recipe.augment": ("INPUT.TRANSFORMS", {"random_resized_crop": True}),
    "recipe.crop_scale": ("INPUT.RRCROP_SCALE", {}),
    "data.interpolation": ("INPUT.INTERPOLATION", {}),
    "data.test_view": ("INPUT.SIZE", {"224": "centre crop"}),
}
"""Keys of Dassl's settings files, each with our words for theirs: the first that occurs in the value as written."""
DASSL_NAMES = {
    "imagenet": "ImageNet", "caltech101": "Caltech101", "oxford_pets": "OxfordPets", "stanford_cars": "StanfordCars",
    "oxford_flowers": "OxfordFlowers", "food101": "Food101", "fgvc_aircraft": "FGVCAircraft", "sun397": "SUN397",
    "dtd": "DescribableTextures", "eurosat": "EuroSAT", "ucf101": "UCF101",
}  # fmt: skip
"""The names of the eleven datasets in Dassl."""
REASONS = {"data.precision": "the towers run in the precision of the run, fp32 by default (docs/decisions.md)"}
"""Differences of all methods."""


@dataclass(frozen=True)
class Stated:
    """One value of a case; exactly one of `where`, `unstated` and `ours` is given."""

    value: Any = None
    stated: str = ""
    where: str = ""
    differs: str = ""
    unstated: str = ""
    ours: str = ""

    def row(self, ours: Any) -> list[Any]:
        """The columns of the file that do not say where it holds; those after the place only with a reason."""
        if self.where:
            stated = [self.value, self.stated, self.where]
            return [*stated, self.differs, ours] if self.differs else stated
        return [None, NOT_STATED if self.unstated else ABSENT, "", self.unstated or self.ours, ours]


@dataclass(frozen=True)
class Source:
    """One file of `sources/`, with where its repositories lie."""

    content: Mapping[str, Any]
    clones: Path

    def place(self, file: str) -> tuple[str, str, str]:
        """Repository, commit and path of a file."""
        other, colon, path = file.partition(":")
        if not colon:
            return str(self.content["repository"]), str(self.content["commit"]), file
        repository, _, commit = str(self.content["others"][other]).partition("@")
        return repository, commit, path

    def stated(self, entry: Any, file: str) -> Stated:
        """The value that an entry describes; `file` is for entries that name none."""
        given = {"key": entry} if isinstance(entry, str) else dict(entry)
        for kind in ("unstated", "ours"):
            if kind in given:
                return Stated(**{kind: given[kind]})
        repository, commit, path = self.place(given.get("file", file))
        text = _text(self.clones / repository, commit, path)
        found = value_in(text, given | {"file": path})
        value = None if given.get("null") else given.get("means", found.value)
        if isinstance(value, str) and "means" not in given and value.isupper() and " " not in value:
            value = value.lower()
        value, stated = _spaced(value), found.text
        if "with" in given:
            value = [*([value] if isinstance(value, str) else value), *given["with"]]
            stated += f" with {given['with']}" if given["with"] else ""
        return Stated(value, stated, f"{repository}@{commit} {path}:{found.line}", given.get("differs", ""))

    def values(self, block: Mapping[str, Any]) -> dict[str, Stated]:
        """The values that one `[[values]]` names, by setting."""
        found = {}
        for part, prefix in (("recipe", "recipe."), ("data", "data."), ("words", "words."), ("settings", "")):
            for name, entry in block.get(part, {}).items():
                try:
                    found[prefix + name] = self.stated(entry, str(block.get("file", "")))
                except NotStatedError as error:
                    raise NotStatedError(f"{prefix}{name}: {error}") from error
        return found

    def usual_keys(self, file: str) -> dict[str, Stated]:
        """The values of all usual keys that a file of Dassl's settings has."""
        repository, commit, path = self.place(file)
        text, found = _text(self.clones / repository, commit, path), {}
        for setting, (key, words) in DASSL_KEYS.items():
            try:
                one = value_in(text, {"file": path, "key": key})
            except NotStatedError:
                continue
            value = next((ours for word, ours in words.items() if word in one.text), one.value)
            value = False if setting == "recipe.augment" and value is not True else value
            found[setting] = Stated(value, one.text, f"{repository}@{commit} {path}:{one.line}")
        return found


def _spaced(value: Any) -> Any:
    """A value whose texts have one space between words, as a tokenizer reads them."""
    if isinstance(value, list | tuple):
        return [_spaced(one) for one in value]
    return " ".join(value.split()) if isinstance(value, str) else value


@cache
def _text(clone: Path, commit: str, path: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(clone), "show", f"{commit}:{path}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotStatedError(f"{clone} has no {commit}:{path}: {done.stderr.strip()}")
    return done.stdout


def _blocks(path: Path, clones: Path) -> Iterator[tuple[Source, Mapping[str, Any]]]:
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    for other in content.get("include", ()):
        yield from _blocks(path.with_name(f"{other}.toml"), clones)
    source = Source(content, clones)
    for block in content["values"]:
        for each in _for_each_dataset(block):
            yield source, each


def _for_each_dataset(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A block with `<dataset>`, for each dataset; any other one as it is."""
    text = json.dumps(block)
    if "<dataset>" not in text:
        yield block
        return
    for dataset, name in DASSL_NAMES.items():
        if dataset in block.get("datasets", ELEVEN_DATASETS) and dataset not in block.get("except", ()):
            yield json.loads(text.replace("<dataset>", name)) | {"datasets": [dataset]}


def _holds(block: Mapping[str, Any], method: str, protocol: str, dataset: str, shots: int) -> bool:
    return (
        method in block.get("methods", [method])
        and protocol in block.get("protocols", [protocol])
        and dataset in block.get("datasets", [dataset])
        and dataset not in block.get("except", [])
        and shots in block.get("shots", [shots])
    )


def read(clones: Path, chosen: list[str]) -> dict[str, dict[tuple[str, str, int], dict[str, Stated]]]:
    """By method and case, all that the sources say."""
    found: dict[str, dict[tuple[str, str, int], dict[str, Stated]]] = {}
    for path in sorted(SOURCES.glob("*.toml")):
        if chosen and path.stem not in chosen:
            continue
        blocks = [
            (source, block, source.usual_keys(str(block["dassl"])) if "dassl" in block else {}, source.values(block))
            for source, block in _blocks(path, clones)
        ]
        compared = set()
        own = tomllib.loads(path.read_text(encoding="utf-8"))
        methods = sorted({name for block in own["values"] for name in block.get("methods", ())})
        for method in methods:
            if method in found:
                raise NotStatedError(f"{method} has two files")
            by_case = found[method] = {}
            for protocol, dataset, shots in published_cases(get_method(method).info):
                ours = our_settings(method, protocol, get_dataset(dataset), shots)
                here: dict[str, Stated] = {}
                for _, block, usual, named in blocks:
                    if _holds(block, method, str(protocol), dataset, shots):
                        here |= usual | named
                compared |= {id(here[setting]) for setting in ours if setting in here}
                by_case[str(protocol), dataset, shots] = _with_reasons(here, ours)
        for source, block, _, named in blocks:
            left = [setting for setting, one in named.items() if id(one) not in compared]
            if left and methods and source.content == own:  # not what another file includes
                raise NotStatedError(f"{path.name}: no setting of ours is compared with {left[0]!r} of {block}")
    return found


def _with_reasons(found: Mapping[str, Stated], ours: Mapping[str, Any]) -> dict[str, Stated]:
    """The values of settings of ours, with the reasons of `REASONS`."""
    return {
        setting: replace(one, differs=REASONS[setting])
        if setting in REASONS and one.where and not one.differs and not equal_values(one.value, ours[setting])
        else one
        for setting, one in found.items()
        if setting in ours
    }


def as_json(method: str, by_case: Mapping[tuple[str, str, int], Mapping[str, Stated]]) -> list[list[Any]]:
    """The content of the file for one method: equal values of several cases stand once."""
    places: dict[tuple[str, str], dict[str, set[tuple[str, int]]]] = defaultdict(lambda: defaultdict(set))
    everywhere: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for (protocol, dataset, shots), values in by_case.items():
        everywhere[protocol].add((dataset, shots))
        ours = our_settings(method, EvalProtocol(protocol), get_dataset(dataset), shots)
        for setting, one in values.items():
            places[setting, json.dumps(one.row(ours[setting]))][protocol].add((dataset, shots))
    rows: list[list[Any]] = []
    for (setting, row), by_protocol in places.items():
        shared: dict[tuple[tuple[str, ...], tuple[int, ...]], list[str]] = defaultdict(list)
        for protocol, held in by_protocol.items():
            for key in _groups(held, everywhere[protocol]):
                shared[key].append(protocol)
        rows += [[setting, held_in, *place, *json.loads(row)] for place, held_in in shared.items()]
    return rows


def _groups(
    held: set[tuple[str, int]], everywhere: set[tuple[str, int]]
) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """Datasets and shots that cover `held` exactly; an empty tuple means all."""
    by_shots: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for dataset in ELEVEN_DATASETS:
        if found := tuple(sorted(shots for name, shots in held if name == dataset)):
            by_shots[found].append(dataset)
    for shots, datasets in by_shots.items():
        every_shots = set(shots) == {number for name, number in everywhere if name in datasets}
        every_dataset = {name for name, _ in everywhere} == set(datasets)
        yield () if every_dataset else tuple(datasets), () if every_shots else shots


def problems(method: str, by_case: Mapping[tuple[str, str, int], Mapping[str, Stated]]) -> list[str]:
    """Differences without a reason, reasons without a difference, and settings without a source."""
    found = defaultdict(list)
    for protocol, dataset, shots in published_cases(get_method(method).info):
        ours = our_settings(method, protocol, get_dataset(dataset), shots)
        theirs = by_case[str(protocol), dataset, shots]
        for setting, value in ours.items():
            one = theirs.get(setting)
            if one is None:
                found[f"{method} {protocol} {setting}: no source; ours is {value!r}"].append((dataset, shots))
            elif one.where and equal_values(value, one.value) == bool(one.differs):
                said = f"reason {one.differs!r} but no difference" if one.differs else f"theirs {one.value!r}"
                found[f"{method} {protocol} {setting}: ours {value!r}, {said} ({one.where})"].append((dataset, shots))
    return [f"{text}  [{_said(where)}]" for text, where in found.items()]


def _said(where: list[tuple[str, int]]) -> str:
    names, shots = list(dict.fromkeys(n for n, _ in where)), sorted({s for _, s in where})
    return f"{'all datasets' if len(names) == len(ELEVEN_DATASETS) else ', '.join(names)}; shots {shots}"


def main() -> int:
    """Run the command; 1 if something differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", type=Path)
    parser.add_argument("--compare", action="store_true", help="print what differs, and write nothing")
    parser.add_argument("--only", nargs="*", default=[], help="names of files of sources/, without .toml")
    given = parser.parse_args()
    found = read(given.clones, given.only)
    if given.compare:
        said = [text for method, by_case in found.items() for text in problems(method, by_case)]
        sys.stdout.write("\n".join([*said, f"{len(said)} problems, {len(found)} methods"]) + "\n")
        return 1 if said else 0
    lines = [f"{json.dumps(name)}: {json.dumps(as_json(name, by_case))}" for name, by_case in sorted(found.items())]
    SETTINGS_FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    sys.stdout.write(f"{len(found)} methods in {SETTINGS_FILE.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
