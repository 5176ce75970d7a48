"""Reads the published tables into one long frame with a source and a note on every row."""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.papers.printed_averages import AVERAGE, GROUPS, averaged, convention
from bench.results import known_methods
from bench.spec import external_parts
from datasets_registry import BenchError, did_you_mean, some

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED_COLUMNS = (
    "method", "variant", "label", "protocol", "backbone", "shots", "dataset", "split", "metric", "value", "printed",
    "spread", "paper", "reported_in", "source_table", "url", "standing", "recipe", "settings", "draw", "seeds", "over",
    "convention", "likely", "note",
)  # fmt: skip


class Standing(StrEnum):
    """Who printed a number of a method."""

    OWN = "own"
    """The method's own paper or official code."""
    UNKNOWN = "unknown"
    """Another paper that does not say whether it copied the number or trained the method."""
    RERUN = "rerun"
    """Another paper that trained the method."""


KEYS = ("method", "variant", "label", "protocol", "backbone", "shots", "split", "metric", "paper")
"""Columns of a table that say what a row is of; the others are datasets."""
_IDENTIFIER = re.compile(r"\d{4}\.\d{4,5}|(?<=openreview )\w+|(?<=doi:)\S+")
ZERO_SHOT = "zero_shot"
PUBLISHED = "published"
"""Name of the recipe of a method's paper or official code."""
ADDED_COLUMNS = ("reported_in", "source_table", "url", *KEYS)
"""Columns of a file in `added/` before those of its datasets: where the rows were printed, and what they are of."""


def published_frame() -> pd.DataFrame:
    """Every published number, one per row.

    Columns:
        - `method`: name in the registry, if it has one; `label` as printed, if that differs.
        - `variant`: what distinguishes the row from the unmodified method (`beta=2.0`, `SGD`); empty for that method.
        - `protocol`, `backbone`, `shots` (missing if the source does not state it), `dataset`, `split`.
        - `dataset`: also `average`, `easy` and `challenge` for printed means.
        - `metric`: `accuracy` (for split `H` the harmonic mean), or a difficulty measure.
        - `value`: a fraction for accuracies; `printed` is the text in the source.
        - `spread`: number after ± in the source, as a fraction; missing almost everywhere.
        - `paper`: of the method; `reported_in`, `source_table`, `url`: where the number was printed.
        - `standing`: `Standing` of the source for this method.
        - `recipe`: `published` for the method's published training settings, else a recipe of `named_recipes()`; empty
          for a method without training, or where the source does not say.
        - `settings`: canonical JSON of the settings in the names of the registry that differ from the published ones;
          `{}` for the published settings, and empty where the source does not say. A list has the values that fit.
        - `draw`: kind of draw of the labelled images, such as `coop`; empty where the source does not say.
        - `seeds`: number of seeds that were averaged; missing where the source does not say.
        - `over`: the datasets that a printed average averages, joined by commas; empty for a number of one dataset.
        - `convention`: how an average H was computed (`HConvention`); empty for other numbers, or if none fits.
        - `likely`: value that was probably meant, as `value`, for a known misprint; missing otherwise.
        - `note`: known error or peculiarity; empty if none is known.

    A number whose recipe or settings are unknown is compared as if they were the published ones.
    """
    import pandas as pd

    frame = pd.DataFrame(_rows(_added()), columns=list(PUBLISHED_COLUMNS))
    return frame.astype(
        {"shots": "Int64", "value": "float64", "spread": "float64", "seeds": "Int64", "likely": "float64"}
    )


@cache
def named_recipes(backbone: str = "") -> Mapping[str, Mapping[str, object]]:
    """Recipes that papers train other methods with, by name: the values that differ from a published recipe.

    `backbone` leaves out those of other backbones.
    """
    found = tomllib.loads(_text("recipes.toml"))
    return {
        name: {key: value for key, value in one.items() if key not in ("source", "backbone")}
        for name, one in found.items()
        if not backbone or one.get("backbone", backbone) == backbone
    }


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame of published numbers, by column."""
    names = [str(name) for name in frame]
    columns = [frame[name].tolist() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def published_difficulty() -> pd.DataFrame:
    """Number of classes, zero-shot accuracy (fraction) and relative transfer difficulty by dataset and backbone.

    Zero-shot accuracies use CoOp's templates for ViT-B/16 and RN50, and are open_clip's for ViT-B/32 and ViT-L/14.
    """
    import pandas as pd

    columns = {
        "ViT-B-16.openai": "zs_b16_coop_templates",
        "RN50.openai": "zs_rn50_coop_templates",
        "ViT-B-32.openai": "zs_b32_openclip",
        "ViT-L-14.openai": "zs_l14_openclip",
    }
    rows = []
    for row in _table("difficulty.csv"):
        for backbone, column in columns.items():
            if row[column]:
                zero_shot, n_classes = float(row[column]) / 100, int(row["num_classes"])
                rows.append((row["dataset"], backbone, n_classes, zero_shot, 1 / n_classes / zero_shot))
    names = ["dataset", "backbone", "n_classes", "zero_shot_accuracy", "relative_transfer_difficulty"]
    return pd.DataFrame(rows, columns=names)


@dataclass(frozen=True)
class PublishedMethod:
    """A method that this project lacks.

    Args:
        family: what it learns, as `Family` of the registry.
        uses: what it sees besides the labelled images (`Extra`); None if its source does not say.
        year: of its paper; None if unknown, like the empty texts below.
        paper: an arXiv id, `openreview:ID`, `doi:ID` or an address.
        code: owner and name of its repository.
        source: what `uses` was read from.
    """

    name: str
    title: str
    family: str
    uses: tuple[str, ...] | None
    year: int | None
    venue: str
    paper: str
    code: str
    source: str


@cache
def published_methods() -> Mapping[str, PublishedMethod]:
    """The methods of the ledger that this project lacks, by id."""
    return {row["method"]: _published_method(row) for row in _table("methods.csv")}


def _published_method(row: Mapping[str, str]) -> PublishedMethod:
    uses = () if row["uses"] == "none" else tuple(row["uses"].split(";"))
    return PublishedMethod(
        name=row["method"],
        title=row["title"],
        family=row["family"],
        uses=None if row["uses"] == "unknown" else uses,
        year=int(row["year"]) if row["year"] else None,
        venue=row["venue"],
        paper=row["paper"],
        code=row["code"],
        source=row["source"],
    )


def select(
    frame: pd.DataFrame,
    *,
    methods: Sequence[str] = (),
    datasets: Sequence[str] = (),
    protocol: str | None = None,
    backbone: str | None = None,
    shots: Sequence[int] = (),
    splits: Sequence[str] = (),
) -> pd.DataFrame:
    """Rows that match all given filters; an empty filter matches every row.

    UsageError for a name without a row, and for filters that no row matches together.
    """
    kept, met = frame, list[str]()
    for column, wanted in (
        ("method", methods),
        ("dataset", datasets),
        ("protocol", [protocol] if protocol else []),
        ("backbone", [backbone] if backbone else []),
        ("shots", list(map(str, shots))),
        ("split", splits),
    ):
        same = system_of if column == "method" else str
        known = [str(value) for value in sorted(frame[column].dropna().unique())]
        for name in wanted:
            if same(name) not in map(same, known):
                lists = f"`etl-bench papers published --list {column}` lists all."
                lists = f"Known: {', '.join(known)}." if column == "shots" else lists
                raise UsageError(f"No published number has {column} {name!r}.{did_you_mean(name, known)} {lists}")
        if not wanted:
            continue
        chosen, before = f"{column} {', '.join(wanted)}", kept
        kept = kept[kept[column].map(same).isin([same(name) for name in wanted])]
        if kept.empty:
            others = [str(value) for value in sorted(before[column].dropna().unique())]
            raise UsageError(
                f"No published number has {' and '.join([*met, chosen])}. Those of {' and '.join(met)} have {column} "
                f"{some(others, 12)}."
            )
        met.append(chosen)
    return kept


def value_columns(line: Mapping[str, str]) -> list[str]:
    """The datasets of a row of a table, also `average`."""
    return [name for name in line if name not in ("source", *ADDED_COLUMNS)]


def csv_rows(text: str) -> list[dict[str, str]]:
    """The rows of a CSV text by column."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _lines(added: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """The rows of all tables, each with its source: those of `tables.csv`, then those of the files in `added/`."""
    sources = {row["source"]: row for row in _table("sources.csv")}
    for line in _table("tables.csv"):
        source = sources[line["source"]]
        place = {"reported_in": source["reported_in"], "source_table": source["table"], "url": source["url"]}
        yield place | {name: value for name, value in line.items() if name != "source"}
    for text in added:
        yield from csv_rows(text)


@cache
def _added() -> tuple[str, ...]:
    """The texts of the files in `added/`, sorted by name."""
    folder = resources.files("bench.papers") / "added"
    if not folder.is_dir():
        return ()
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".csv")), key=lambda item: item.name)
    return tuple(item.read_text(encoding="utf-8") for item in files)


@cache
def _rows(added: tuple[str, ...]) -> tuple[dict[str, object], ...]:
    return tuple(_read_rows(added))


def _read_rows(added: tuple[str, ...]) -> Iterator[dict[str, object]]:
    errata, lines = _table("errata.csv"), list(_lines(added))
    splits: dict[tuple[str, ...], dict[str, Mapping[str, str]]] = {}
    for line in lines:
        splits.setdefault(method_of(line), {})[line["split"]] = line
    for line in lines:
        of_line = [item for item in errata if _concerns(item, line)]
        accuracy = line["metric"] == "accuracy"
        conditions = _conditions(line)
        for dataset in value_columns(line):
            cell = line[dataset]
            if not cell:
                continue
            printed, _, spread = cell.partition("±")
            average = dataset == AVERAGE or dataset in GROUPS
            over = averaged(line, dataset) if average else ()
            of_h = convention(splits[method_of(line)], over) if dataset == AVERAGE and line["split"] == "H" else None
            known = [item for item in of_line if _applies(item, dataset, printed)]
            likely = next((float(item["likely"]) for item in known if item["likely"]), None)
            yield line | {
                "shots": int(line["shots"]) if line["shots"] else None,
                "dataset": dataset,
                "value": float(printed) / 100 if accuracy else float(printed),
                "likely": likely / 100 if likely is not None and accuracy else likely,
                "printed": printed,
                "spread": float(spread) / 100 if spread else None,
                "note": " ".join(_note(item) for item in known),
                "over": ",".join(over),
                "convention": of_h.value if of_h else "",
                **conditions,
            }


def method_of(line: Mapping[str, str]) -> tuple[str, ...]:
    """What the rows of one method in one table share, for all splits."""
    return tuple(line[name] for name in ("reported_in", "source_table", *KEYS) if name != "split")


@dataclass(frozen=True)
class CellPlace:
    """The cell of a run that a number belongs to.

    Args:
        method: as `system_of` names it.
        protocols: of the runs that it can be compared with.
        split: base, new, H or all.
        accuracy: whether it is an accuracy, and not a measure of difficulty.
    """

    method: str
    backbone: str
    protocols: tuple[str, ...]
    shots: int
    dataset: str
    split: str
    accuracy: bool


def place_of(number: Mapping[str, Any]) -> CellPlace | None:
    """The cell of a number; None for one that no run has, such as a number of epochs, or without known shots."""
    accuracy = number["metric"] == "accuracy"
    if (not accuracy and number["metric"] not in DIFFICULTIES) or _missing(number["shots"]):
        return None
    protocol, split = str(number["protocol"]), str(number["split"])
    # zero-shot accuracy over all classes is the same in every protocol that evaluates all classes
    scored = "few-shot" if protocol == "zero-shot" else protocol
    on_all = split == "target" or (split == "all" and protocol != "cross-dataset")
    method = system_of(str(number["method"]))
    return CellPlace(
        method=method,
        backbone=str(number["backbone"]),
        # papers print accuracies of test-time adaptation under any protocol that evaluates all classes
        protocols=(scored, "test-time") if on_all and scored != "test-time" else (scored,),
        shots=0 if method == ZERO_SHOT else int(number["shots"]),
        dataset=str(number["dataset"]),
        split="all" if split == "target" else split,
        accuracy=accuracy,
    )


@cache
def system_of(method: str) -> str:
    """The shortest name of a method: a wrapper around its own host is the method of that title.

    Example:
        >>> system_of("dept_on:kgcoop"), system_of("atprompt_on:coop"), system_of("dept_on:coop")
        ('dept', 'atprompt_on', 'dept_on:coop')
    """
    if ":" not in method or external_parts(method):
        return method
    try:
        title = known_methods().get(method).title
    except BenchError:
        return method
    return next((one.name for one in known_methods().infos() if one.title == title), method)


def members(number: Mapping[str, Any]) -> tuple[str, ...]:
    """The datasets that a number covers: one, or those of an average."""
    return tuple(number["over"].split(",")) if number["over"] else (str(number["dataset"]),)


DIFFICULTIES = {
    "relative_transfer_difficulty_as_printed": "relative_transfer_difficulty",
    "inter_class_cosine_mean": "inter_cosine",
    "intra_class_cosine_mean": "intra_cosine",
    "intra_over_inter_ratio": "separability_pairwise",
}
"""Printed measures of difficulty, and the harness's measure of the same name. Papers give no exact definition."""


def _missing(shots: object) -> bool:
    """Whether the source does not state a number of shots."""
    return str(shots) in ("<NA>", "nan", "None", "")


def _conditions(line: Mapping[str, str]) -> dict[str, object]:
    """Standing, recipe, settings, draw and seeds of a row; see `published_frame`."""
    found = {"standing": Standing.UNKNOWN.value, "recipe": "", "settings": "", "draw": "", "seeds": ""}
    for rule in _table("conditions.csv"):
        if (
            rule["reported_in"] in line["reported_in"]
            and f"{rule['table']} " in f"{line['source_table']} "
            and rule["method"] in ("", line["method"])
            and (rule["method"] == "" or rule["variant"] == line["variant"])
        ):
            found |= {key: rule[key] for key in found if rule[key]}
    if _is_own(line):
        found |= {"standing": Standing.OWN.value, "recipe": found["recipe"] or PUBLISHED}
        found["settings"] = found["settings"] or ("" if line["variant"] else "{}")
    if line["method"] == ZERO_SHOT:
        found |= {"standing": Standing.UNKNOWN.value, "recipe": ""}
    return found | {"seeds": int(found["seeds"]) if found["seeds"] else None}


def _is_own(line: Mapping[str, str]) -> bool:
    """Whether a row was printed by the method's own paper or official code: they have the same identifier."""
    return bool(line["paper"]) and line["paper"].removeprefix("openreview:") in _IDENTIFIER.findall(line["reported_in"])


def _concerns(erratum: Mapping[str, str], line: Mapping[str, str]) -> bool:
    """Whether an erratum is about cells of a row. Empty fields match everything, table numbers match whole."""
    return (
        erratum["reported_in"] in line["reported_in"]
        and f"{erratum['table']} " in f"{line['source_table']} "
        and erratum["method"] in ("", line["method"])
        and erratum["split"] in ("", line["split"])
    )


def _applies(erratum: Mapping[str, str], dataset: str, printed: str) -> bool:
    """Whether an erratum about a row applies to one of its cells."""
    same = not erratum["printed"] or float(erratum["printed"]) == float(printed)
    return same and erratum["dataset"] in ("", dataset)


def _note(erratum: Mapping[str, str]) -> str:
    return f"Likely {erratum['likely']}. {erratum['note']}" if erratum["likely"] else erratum["note"]


@cache
def _table(name: str) -> tuple[Mapping[str, str], ...]:
    return tuple(csv_rows(_text(name)))


@cache
def _text(name: str) -> str:
    return (resources.files("bench.papers") / name).read_text(encoding="utf-8")
