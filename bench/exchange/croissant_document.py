"""The JSON-LD document of a dataset in MLCommons' Croissant format 1.1: files, classes, splits, images and draws."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bench
from datasets_registry import DatasetInfo, DatasetSplits

VERSION = "http://mlcommons.org/croissant/1.1"
LISTING_COLUMNS = {
    "image": ("sc:Text", "Path of the image in the archive."),
    "split": ("sc:Text", "The part of the dataset: train, val or test."),
    "class_name": ("sc:Text", "Name of the class."),
    "class_index": (["sc:Integer", "cr:Label"], "Label, from 0."),
    "key": ("sc:Text", "Name of the image in clip-etl-bench."),
    "sha256": ("sc:Text", "SHA-256 of the image file."),
}
"""Columns of `images.csv`, with their data types and descriptions."""
SUPPORT_COLUMNS = {
    "image": ("sc:Text", "Path of the image in the archive."),
    "draw": ("sc:Text", "Rule that drew the images, such as coop."),
    "shots": ("sc:Integer", "Training images per class."),
    "seed": ("sc:Integer", "Seed of the draw."),
    "part": ("sc:Text", "train, or val for the few images on which settings may be chosen."),
}
"""Columns of `support.csv`, with their data types and descriptions."""
_SPLITS = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
_TERMS = """
    annotation arrayShape citeAs column containedIn equivalentProperty excludes extract field fileObject fileProperty
    fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path readLines recordSet references regex
    repeated replace samplingRate sdVersion separator source subField transform unArchive value
"""
"""Terms of Croissant's namespace, and four of version 1.0 without which `mlcroissant` warns."""
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}


@dataclass(frozen=True)
class Publication:
    """What Croissant requires to know about a dataset and the catalogue does not say.

    Args:
        creator: person or organization; None is not written.
        url: web page of the dataset; None is not written.
        version: three numbers, such as 1.0.0.
        date: of publication, as YYYY-MM-DD.
    """

    creator: str | None
    url: str | None
    version: str
    date: str


@dataclass(frozen=True)
class DataFile:
    """A file of the folder: its name, hex SHA-256 and size in bytes."""

    name: str
    sha256: str
    size: int

    @classmethod
    def of(cls, path: Path) -> "DataFile":
        """The facts of a file on disk."""
        with path.open("rb") as file:
            return cls(path.name, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


def document(
    info: DatasetInfo, splits: DatasetSplits, about: Publication, files: Sequence[DataFile], formats: Sequence[str]
) -> dict[str, Any]:
    """The document of a dataset.

    Args:
        files: the archive of the images, the table of images, and the table of draws if there is one.
        formats: MIME types of the images.
    """
    archive, listing, *draws = files
    drawn = f" Drawn by clip-etl-bench {bench.__version__}." if info.synthetic else ""
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": info.name,
        "alternateName": info.title,
        "description": f"{info.summary}{drawn}",
        "conformsTo": VERSION,
        "license": _licence(info.licence),
        **({"url": about.url} if about.url else {}),
        **({"creator": {"@type": "sc:Organization", "name": about.creator}} if about.creator else {}),
        "datePublished": about.date,
        "version": about.version,
        **({"citeAs": info.citation} if info.citation else {}),
        "keywords": ["image classification", "few-shot", info.domain],
        "distribution": [
            _file_object(archive, "application/zip"),
            {
                "@type": "cr:FileSet",
                "@id": "image-files",
                "name": "image-files",
                "containedIn": {"@id": archive.name},
                "encodingFormat": list(formats),
                "includes": "*-*-*.*",
            },
            *(_file_object(table, "text/csv") for table in (listing, *draws)),
        ],
        "recordSet": [
            _classes(info, splits),
            _splits(splits),
            _images(),
            _listing(listing),
            *(_support(table) for table in draws),
        ],
    }


def _licence(text: str) -> str | dict[str, str]:
    return text if text.startswith(("https://", "http://")) else {"@type": "sc:CreativeWork", "name": text}


def _file_object(file: DataFile, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "contentUrl": file.name,
        "contentSize": f"{file.size} B",
        "encodingFormat": kind,
        "sha256": file.sha256,
    }


def _record_set(name: str, description: str, key: Sequence[str], fields: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "key": [{"@id": f"{name}/{part}"} for part in key],
        "field": list(fields),
    }


def _field(name: str, kind: str | list[str], description: str, **more: Any) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": name,
        "name": name,
        "description": description,
        "dataType": kind,
        **more,
    }


def _classes(info: DatasetInfo, splits: DatasetSplits) -> dict[str, Any]:
    fields = [
        _field("classes/index", "sc:Integer", "Label, from 0."),
        _field("classes/name", "sc:Text", f"Name of the class, for the prompt {info.template!r}."),
    ]
    return _record_set("classes", "The classes, in the order of their labels.", ["index"], fields) | {
        "dataType": "sc:Enumeration",
        "data": [{"classes/index": i, "classes/name": name} for i, name in enumerate(splits.class_names)],
    }


def _splits(splits: DatasetSplits) -> dict[str, Any]:
    fields = [
        _field("splits/name", "sc:Text", "Name of the part."),
        _field("splits/url", ["sc:URL", "cr:Split"], "What the part is for."),
    ]
    return _record_set("splits", "The parts of the dataset.", ["name"], fields) | {
        "dataType": "cr:Split",
        "data": [{"splits/name": part, "splits/url": url} for part, url in _SPLITS.items() if getattr(splits, part)],
    }


def _images() -> dict[str, Any]:
    def from_name(part: str, **more: Any) -> dict[str, Any]:
        return {"fileSet": {"@id": "image-files"}, "extract": {"fileProperty": part}, **more}

    def regex(text: str) -> dict[str, Any]:
        return {"transform": {"regex": text}}

    fields = [
        _field("images/image", "sc:Text", "Name of the file.", source=from_name("filename")),
        _field("images/content", "sc:ImageObject", "The image.", source=from_name("content")),
        _field(
            "images/split",
            "sc:Text",
            "The part of the dataset.",
            source=from_name("fullpath", **regex(r"^(train|val|test)(?:-.+)?$")),  # mlcroissant applies it twice
            references={"field": {"@id": "splits/name"}},
        ),
        _field(
            "images/label",
            ["sc:Integer", "cr:Label"],
            "The class: an index of `classes`.",
            source=from_name("filename", **regex(r"^[a-z]+-(\d+)-.+$")),
        ),
    ]
    return _record_set("images", "The images with their splits and labels.", ["image"], fields)


def _listing(table: DataFile) -> dict[str, Any]:
    fields = _columns("listing", table, LISTING_COLUMNS, {"class_index": "classes/index"})
    return _record_set("listing", "The table of the images.", ["image"], fields)


def _support(table: DataFile) -> dict[str, Any]:
    fields = _columns("support", table, SUPPORT_COLUMNS, {})
    text = "Few-shot draws: the images of each number of shots and seed."
    return _record_set("support", text, ["draw", "shots", "seed", "image"], fields)


def _columns(
    record_set: str, table: DataFile, columns: Mapping[str, tuple[Any, str]], references: Mapping[str, str]
) -> list[dict[str, Any]]:
    """A field for each column of a table; `references` has the field of another record set that a column refers to."""
    return [
        _field(
            f"{record_set}/{name}",
            kind,
            description,
            source={"fileObject": {"@id": table.name}, "extract": {"column": name}},
            **({"references": {"field": {"@id": references[name]}}} if name in references else {}),
        )
        for name, (kind, description) in columns.items()
    ]
