"""Published wordings: each fits the classes of its datasets and names its source."""

from __future__ import annotations

from importlib import resources

import pytest
from one_case import for_each

from datasets_registry import list_datasets, wordings_of
from methods import parse_class_text

WORDED = [(info, name) for info in list_datasets() for name in wordings_of(info.name)]


def published_classes(dataset: str) -> tuple[str, ...]:
    text = (resources.files("datasets_registry") / "data" / f"{dataset}.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


@for_each(("info", "name"), WORDED, ids=lambda one: f"{one[0].name}-{one[1]}")
def test_a_wording_fits_the_classes_of_its_dataset(info, name: str) -> None:
    wording, classes = wordings_of(info.name)[name], published_classes(info.name)
    assert len(classes) == info.num_classes
    assert set(wording.names) in (set(), set(classes)), "all classes or none"
    assert len(set(wording.names.values())) == len(wording.names)
    assert all(template.count("{}") == 1 for template in wording.templates)
    assert len(set(wording.templates)) == len(wording.templates)
    assert wording.source
    assert name not in info.template_variants, "ambiguous variant:NAME"
    sentences = wording.sentences(classes)
    assert len(sentences) == len(classes)
    assert len({text for some in sentences for text in some}) == len(classes) * len(wording.templates)


@pytest.mark.parametrize(
    ("dataset", "variant", "classes", "first", "number"),
    [
        ("eurosat", "clip_all", "Sea or Lake", "a centered satellite photo of lake or sea.", 3),
        ("eurosat", "fewshot_rsvlms", "Annual Crop Land", "a satellite photo of annual crop land.", 1),
        ("resisc45", "clip_all", "sea ice", "satellite imagery of sea ice.", 18),
        ("aid", "georsclip", "bare land", "a remote sensing image of many bare land.", 105),
        ("lc25000", "unimed_clip", "lung adenocarcinoma", "Histopathology slide of lung adenocarcinoma", 3),
        ("busi", "biomedclip", "normal ultrasound scan", "this is a photo of normal ultrasound scan", 1),
    ],
)
def test_class_text_takes_a_wording_as_variant(
    dataset: str, variant: str, classes: str, first: str, number: int
) -> None:
    source = parse_class_text(f"variant:{variant}")
    assert source is not None
    info = next(info for info in list_datasets() if info.name == dataset)
    (sentences,) = source(info, [classes])
    assert (sentences[0], len(sentences)) == (first, number)
