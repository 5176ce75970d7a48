"""Reads the published tables into one long frame with a source and a note on every row."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError
from bench.papers.printed_averages import AVERAGE, MEANS, averaged, convention
from bench.results import known_methods
from bench.spec import external_parts
from datasets_registry import BenchError, did_you_mean, some

if TYPE_CHECKING:
    import pandas as pd


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
ACCURACY = "accuracy"
"""The metric of most numbers; the others are settings and `DIFFICULTIES`."""
ZERO_SHOT = "zero_shot"
PUBLISHED = "published"
"""Name of the recipe of a method's paper or official code."""
ADDED_COLUMNS = ("reported_in", "source_table", "url", *KEYS)
"""Columns of a file in `added/` before those of its datasets: where the rows were printed, and what they are of."""


Cell = tuple[str, str, str, int, str, str]
"""What runs have an accuracy for: method (as `system_of` names it), protocol, backbone, shots, dataset and split."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PrintedNumber:
    """One number of the ledger, as printed in one table.

    Args:
        method: name in the registry, if it has one; `label` as printed, if that differs.
        variant: what distinguishes the row from the unmodified method (`beta=2.0`, `SGD`); empty for that method.
        shots: None if the source does not state it.
        dataset: also `average`, `easy` and `challenge` for printed means.
        metric: `accuracy` (for split `H` the harmonic mean), or a difficulty measure.
        value: a fraction for accuracies; `printed` is the text in the source.
        spread: number after ± in the source, as a fraction; None almost everywhere.
        paper: of the method; `reported_in`, `source_table`, `url`: where the number was printed.
        standing: `Standing` of the source for this method.
        recipe: `published` for the method's published training settings, else a recipe of `named_recipes()`; empty for
            a method without training, or where the source does not say.
        settings: canonical JSON of the settings in the names of the registry that differ from the published ones;
            `{}` for the published settings, and empty where the source does not say. A list has the values that fit.
        draw: kind of draw of the labelled images, such as `coop`; empty where the source does not say.
        seeds: number of seeds that were averaged; None where the source does not say.
        over: the datasets that a printed average averages, joined by commas; empty for a number of one dataset.
        convention: how an average H was computed (`HConvention`); empty for other numbers, or if none fits.
        likely: value that was probably meant, as `value`, for a known misprint; None otherwise.
        note: known error or peculiarity; empty if none is known.
    """

    method: str
    variant: str
    label: str
    protocol: str
    backbone: str
    shots: int | None
    dataset: str
    split: str
    metric: str
    value: float
    printed: str
    spread: float | None
    paper: str
    reported_in: str
    source_table: str
    url: str
    standing: str
    recipe: str
    settings: str
    draw: str
    seeds: int | None = None
    over: str = ""
    convention: str = ""
    likely: float | None = None
    note: str = ""

    @property
    def meant(self) -> float:
        """The value that runs are compared with, without noise of floating point; of a known misprint `likely`."""
        return round(self.value if self.likely is None else self.likely, 6)

    @property
    def source(self) -> str:
        """The paper and its table."""
        return ", ".join(filter(None, (self.reported_in, self.source_table)))

    @property
    def errors(self) -> str:
        """Its known errors."""
        misprint = "" if self.likely is None else f"Printed as {self.printed}."
        return f"{misprint} {self.note}".strip()

    @property
    def stated(self) -> dict[str, Any]:
        """The settings that differ from the published ones, as far as its source says."""
        return dict(json.loads(self.settings or "{}"))

    @property
    def plain(self) -> bool:
        """Whether it is of the method with published settings, not of an ablation."""
        return not self.variant or (bool(self.settings) and not self.stated)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets that it covers: one, or those of an average."""
        return tuple(self.over.split(",")) if self.over else (self.dataset,)

    @property
    def run_split(self) -> str:
        """The split of a run that it is about."""
        return "all" if self.split == "target" else self.split

    @property
    def cells(self) -> list[Cell]:
        """The cells of runs that an accuracy can be compared with, at most one in each protocol.

        None for other numbers, such as a number of epochs, and for accuracies without known shots.
        """
        if self.metric != ACCURACY or self.shots is None:
            return []
        # zero-shot accuracy over all classes is the same in every protocol that evaluates all classes
        protocols = ["few-shot" if self.protocol == "zero-shot" else self.protocol]
        # papers print accuracies of test-time adaptation under any protocol that evaluates all classes
        if self.split == "target" or (self.split == "all" and self.protocol != "cross-dataset"):
            protocols.append("test-time")
        method = system_of(self.method)
        shots = 0 if method == ZERO_SHOT else self.shots
        return [
            (method, protocol, self.backbone, shots, self.dataset, self.run_split)
            for protocol in dict.fromkeys(protocols)
        ]


def published_frame() -> pd.DataFrame:
    """Every published number, one per row; its columns are the fields of `PrintedNumber`.

    A number whose recipe or settings are unknown is compared as if they were the published ones.
    """
    import pandas as pd

    frame = pd.DataFrame(_rows(), columns=[field.name for field in fields(PrintedNumber)])
    return frame.astype(
        {"shots": "Int64", "value": "float64", "spread": "float64", "seeds": "Int64", "likely": "float64"}
    )


def numbers_of(frame: pd.DataFrame) -> list[PrintedNumber]:
    """The rows of `published_frame()`, or of a part of it."""
    columns = {field.name: frame[field.name] for field in fields(PrintedNumber) if field.name in frame}
    for name in {"shots", "spread", "seeds", "likely"} & set(columns):
        columns[name] = columns[name].astype(object).where(columns[name].notna(), None)
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [PrintedNumber(**dict(zip(columns, row, strict=True))) for row in rows]


@cache
def named_recipes(backbone: str = "") -> Mapping[str, Mapping[str, object]]:
    """Recipes that papers train other methods with, by name: the values that differ from a published recipe.

    `backbone` leaves out those of other backbones.
    """
    recipes = tomllib.loads(_text("recipes.toml"))
    return {
        name: {key: value for key, value in recipe.items() if key not in ("source", "backbone")}
        for name, recipe in recipes.items()
        if not backbone or recipe.get("backbone", backbone) == backbone
    }


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
    for row in table("difficulty.csv"):
        for backbone, column in columns.items():
            if row[column]:
                zero_shot, n_classes = float(row[column]) / 100, int(row["num_classes"])
                rows.append((row["dataset"], backbone, n_classes, zero_shot, 1 / n_classes / zero_shot))
    names = ["dataset", "backbone", "n_classes", "zero_shot_accuracy", "relative_transfer_difficulty"]
    return pd.DataFrame(rows, columns=names)


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
    matching, met = frame, list[str]()
    for column, names in (
        ("method", methods),
        ("dataset", datasets),
        ("protocol", [protocol] if protocol else []),
        ("backbone", [backbone] if backbone else []),
        ("shots", list(map(str, shots))),
        ("split", splits),
    ):
        same = system_of if column == "method" else str
        column_values = [str(value) for value in sorted(frame[column].dropna().unique())]
        for name in names:
            if same(name) not in map(same, column_values):
                lists = f"`etl-bench papers published --list {column}` lists all."
                lists = f"Known: {', '.join(column_values)}." if column == "shots" else lists
                raise UsageError(
                    f"No published number has {column} {name!r}.{did_you_mean(name, column_values)} {lists}"
                )
        if not names:
            continue
        chosen, before = f"{column} {', '.join(names)}", matching
        matching = matching[matching[column].map(same).isin([same(name) for name in names])]
        if matching.empty:
            alternatives = [str(value) for value in sorted(before[column].dropna().unique())]
            raise UsageError(
                f"No published number has {' and '.join([*met, chosen])}. Those of {' and '.join(met)} have {column} "
                f"{some(alternatives, 12)}."
            )
        met.append(chosen)
    return matching


@cache
def _rows() -> tuple[dict[str, object], ...]:
    """The rows of `published_frame`."""
    lines = _lines()
    splits: dict[tuple[str, ...], dict[str, Mapping[str, str]]] = {}
    for line in lines:
        splits.setdefault(_method_of(line), {})[line["split"]] = line
    rows = []
    for line in lines:
        errata = [erratum for erratum in table("errata.csv") if _is_about(erratum, line)]
        errata = [erratum for erratum in errata if erratum["split"] in ("", line["split"])]
        accuracy, conditions = line["metric"] == ACCURACY, _conditions(line)
        for dataset, cell in line.items():
            if dataset in ADDED_COLUMNS or not cell:
                continue
            printed, _, spread = cell.partition("±")
            over = averaged(line, dataset) if dataset in MEANS else ()
            of_h = convention(splits[_method_of(line)], over) if (dataset, line["split"]) == (AVERAGE, "H") else None
            about_cell = [
                erratum
                for erratum in errata
                if erratum["dataset"] in ("", dataset)
                and (not erratum["printed"] or float(erratum["printed"]) == float(printed))
            ]
            likely = next((float(erratum["likely"]) for erratum in about_cell if erratum["likely"]), None)
            notes = (
                f"Likely {erratum['likely']}. {erratum['note']}" if erratum["likely"] else erratum["note"]
                for erratum in about_cell
            )
            rows.append(
                line
                | {
                    "shots": int(line["shots"]) if line["shots"] else None,
                    "dataset": dataset,
                    "value": float(printed) / 100 if accuracy else float(printed),
                    "likely": likely / 100 if likely is not None and accuracy else likely,
                    "printed": printed,
                    "spread": float(spread) / 100 if spread else None,
                    "note": " ".join(notes),
                    "over": ",".join(over),
                    "convention": of_h.value if of_h else "",
                    **conditions,
                }
            )
    return tuple(rows)


def _lines() -> list[dict[str, str]]:
    """The rows of all tables, each with its source: those of `tables.csv`, then those of the files in `added/`."""
    sources = {row["source"]: row for row in table("sources.csv")}
    lines = []
    for line in table("tables.csv"):
        source = sources[line["source"]]
        place = {"reported_in": source["reported_in"], "source_table": source["table"], "url": source["url"]}
        lines.append(place | {name: value for name, value in line.items() if name != "source"})
    added = resources.files("bench.papers") / "added"
    names = sorted(item.name for item in added.iterdir() if item.name.endswith(".csv")) if added.is_dir() else []
    return lines + [dict(line) for name in names for line in table(f"added/{name}")]


def _method_of(line: Mapping[str, str]) -> tuple[str, ...]:
    """What the rows of one method in one table share, for all splits."""
    return tuple(line[name] for name in ("reported_in", "source_table", *KEYS) if name != "split")


def _is_about(rule: Mapping[str, str], line: Mapping[str, str]) -> bool:
    """Whether an erratum or a condition is about a row. No method stands for all, and table numbers match whole."""
    return (
        rule["reported_in"] in line["reported_in"]
        and f"{rule['table']} " in f"{line['source_table']} "
        and rule["method"] in ("", line["method"])
    )


def _conditions(line: Mapping[str, str]) -> dict[str, object]:
    """Standing, recipe, settings, draw and seeds of a row; see `published_frame`."""
    conditions = {"standing": Standing.UNKNOWN.value, "recipe": "", "settings": "", "draw": "", "seeds": ""}
    for rule in table("conditions.csv"):
        if _is_about(rule, line) and (rule["method"] == "" or rule["variant"] == line["variant"]):
            conditions |= {key: rule[key] for key in conditions if rule[key]}
    # the method's own paper or official code has the identifier of its paper
    if line["paper"] and line["paper"].removeprefix("openreview:") in _IDENTIFIER.findall(line["reported_in"]):
        conditions |= {"standing": Standing.OWN.value, "recipe": conditions["recipe"] or PUBLISHED}
        conditions["settings"] = conditions["settings"] or ("" if line["variant"] else "{}")
    if line["method"] == ZERO_SHOT:
        conditions |= {"standing": Standing.UNKNOWN.value, "recipe": ""}
    return conditions | {"seeds": int(conditions["seeds"]) if conditions["seeds"] else None}


@cache
def table(name: str) -> tuple[Mapping[str, str], ...]:
    """The rows of a CSV file of this package, by column."""
    return tuple(csv.DictReader(io.StringIO(_text(name), newline="")))


def _text(name: str) -> str:
    return (resources.files("bench.papers") / name).read_text(encoding="utf-8")


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
    return next((info.name for info in known_methods().infos() if info.title == title), method)


DIFFICULTIES = {
    "relative_transfer_difficulty_as_printed": "relative_transfer_difficulty",
    "inter_class_cosine_mean": "inter_cosine",
    "intra_class_cosine_mean": "intra_cosine",
    "intra_over_inter_ratio": "separability_pairwise",
}
"""Printed measures of difficulty, and the harness's measure of the same name. Papers give no exact definition."""
