"""Sources of class texts: a template, a paper's variant of it, a list of templates, or descriptions.

Every source gives each class one or more sentences. The frozen feature of a class is the normalised mean of its
sentences' normalised features, as in CLIP's ensembles (`Backbone.class_texts`). Methods that learn their text input do
not use these sources.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasets_registry import (
    LARGEST_CLASS_LIST,
    DataError,
    DatasetInfo,
    Sentences,
    UnknownNameError,
    foreign_files,
    wordings_of,
)
from methods._text.templates import TEMPLATE_LISTS

KINDS = ("template", "variant", "ensemble", "descriptions")
_MISSING_SHOWN = 3


@dataclass(frozen=True)
class ClassText:
    """One source of class texts.

    Args:
        kind: one of `KINDS`.
        value: the template, the variant's name, the list's name, or the digest of the descriptions file.
        source: the descriptions file, else None.
        described: sentences by class name, for descriptions.
    """

    kind: str
    value: str
    source: Path | None = None
    described: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def identity(self) -> str:
        """The name of the source in a run's spec; for descriptions it has the file's digest, not its path."""
        return f"{self.kind}:{self.value}"

    def __call__(self, info: DatasetInfo, names: Sequence[str]) -> Sentences:
        """The sentences of each class; raises DataError for a class without a description."""
        if self.kind == "descriptions":
            return self._descriptions(info, names)
        if self.kind == "ensemble":
            templates = TEMPLATE_LISTS[self.value]
        elif self.kind == "variant":
            if wording := wordings_of(info.name).get(self.value):
                return wording.sentences(tuple(names))
            templates = (info.template_variants.get(self.value, info.template),)
        else:
            templates = (self.value,)
        spoken = [name.replace("_", " ") for name in names]
        return tuple(tuple(template.replace("{}", name) for template in templates) for name in spoken)

    def _descriptions(self, info: DatasetInfo, names: Sequence[str]) -> Sentences:
        descriptions = [self.described.get(_comparable_name(name)) for name in names]
        absent = [name for name, sentences in zip(names, descriptions, strict=True) if not sentences]
        if absent:
            raise DataError(
                f"Descriptions {self.source} have no sentence for {len(absent)} of the {len(names)} classes of "
                f"{info.name!r}, for example {', '.join(map(repr, absent[:_MISSING_SHOWN]))}. Add them; a key is the "
                f"class name, in any case, with spaces or underscores."
            )
        return tuple(sentences for sentences in descriptions if sentences)


def parse_class_text(text: str | None) -> ClassText | None:
    """Parse a source of class texts; None for the datasets' own templates.

    `template` is the dataset's template; `template:TEXT` another one with {}; `variant:NAME` a paper's templates and
    class names, or the dataset's template if it has no variant of that name; `ensemble:NAME` a list of templates;
    `descriptions:FILE` a JSON object of class names and lists of sentences.

    Raises:
        DataError: for anything else, or a file without such an object.
        UnknownNameError: for a list of templates that does not exist.
    """
    if text is None or text == "template":
        return None
    kind, _, value = text.partition(":")
    if kind not in KINDS or not value:
        raise DataError(
            f"Class text {text!r} is unknown. Allowed: template, template:TEXT with {{}}, variant:NAME, "
            f"ensemble:{'|'.join(TEMPLATE_LISTS)}, descriptions:FILE.json."
        )
    if kind == "template" and "{}" not in value:
        raise DataError(f"Class text {text!r} has no '{{}}' for the class name; add one.")
    if kind == "ensemble" and value not in TEMPLATE_LISTS:
        raise UnknownNameError("template list", value, TEMPLATE_LISTS)
    if kind == "descriptions":
        return _read_descriptions(Path(value))
    return ClassText(kind, value)


def _read_descriptions(path: Path) -> ClassText:
    try:
        content = foreign_files.read_bytes(path, LARGEST_CLASS_LIST)
        described = foreign_files.parse_json(content)
    except (OSError, ValueError) as error:
        raise DataError(
            f"Descriptions {path} cannot be read as JSON ({error}). Give one object of class names and lists of "
            f"sentences."
        ) from error
    if not isinstance(described, dict) or not described:
        raise DataError(f"Descriptions {path} must be one object of class names and lists of sentences.")
    sentences: dict[str, tuple[str, ...]] = {}
    for name, value in described.items():
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(
            isinstance(sentence, str) and sentence.strip() for sentence in listed
        ):
            raise DataError(f"Descriptions {path}: class {name!r} must have a list of sentences; correct that entry.")
        if _comparable_name(name) in sentences:
            raise DataError(f"Descriptions {path} contain class {name!r} twice; keep one entry.")
        sentences[_comparable_name(name)] = tuple(listed)
    return ClassText("descriptions", hashlib.sha256(content).hexdigest()[:32], path, sentences)


def _comparable_name(name: str) -> str:
    return name.replace("_", " ").strip().lower()


def known_variants(infos: Sequence[DatasetInfo]) -> list[str]:
    """Names of the variants that some of these datasets have."""
    return sorted({name for info in infos for name in (*info.template_variants, *wordings_of(info.name))})
