"""Pages about tuned models: the first sentence, the pictures, and no serious finding about accessibility."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("websocket", reason="websocket-client is not installed")
from chromium import serious_findings

from bench.extensions.model_tools import (
    ClassTextProjection,
    EnsembleSummary,
    Explanation,
    ZeroShotChanges,
    render_explanation,
)
from bench.extensions.model_tools.page import LETTER, LINE, NAMED, WIDTH, placed, weight_plot, what_changed
from bench.tuned_models import GalleryView
from bench.tuned_models.galleries import GalleryImage
from reports import render_gallery

COUNTS = {"both right": 30, "only tuned right": 20, "only zero-shot right": 2, "both wrong": 8}


@pytest.mark.parametrize(
    ("changed", "counts", "wanted"),
    [
        (
            29,
            COUNTS,
            "for 29 of 60 images (test images). 20 are fixed, 2 are broken, and 7 are wrong before and after.",
        ),
        (0, COUNTS, "The tuned model predicts the same as zero-shot for all 60 images (test images)."),
        (3, None, "for 3 of 60 images (test images). Their labels are unknown"),
    ],
)
def test_the_first_sentence_counts_what_changed(changed: int, counts: dict[str, int] | None, wanted: str) -> None:
    assert wanted in what_changed(ZeroShotChanges("test images", 60, changed, counts, ()))


def test_without_images_there_is_no_sentence() -> None:
    assert what_changed(None) == ""


@pytest.mark.parametrize("n", [1, 3, 300])
def test_names_do_not_cover_each_other_and_belong_to_what_moved_most(n: int) -> None:
    noise = np.random.default_rng(n)
    rows = tuple((f"class {i}", *map(float, noise.normal(size=4))) for i in range(n))
    found = placed(ClassTextProjection(rows, 0.5, "text features"))
    named = [one for one in found if one.labelled]
    assert 1 <= len(named) <= NAMED
    boxes = [(one.u, one.v, one.u + LETTER * (len(one.name) + 1)) for one in named]
    for i, (left, y, right) in enumerate(boxes):
        assert right < WIDTH
        for other_left, other_y, other_right in boxes[:i]:
            assert abs(y - other_y) >= LINE or right < other_left or other_right < left
    least = min(np.hypot(one.u - one.x, one.v - one.y) for one in named)
    assert sum(np.hypot(one.u - one.x, one.v - one.y) > least for one in found) < NAMED


def test_weights_are_drawn_against_distances_unless_all_are_equal() -> None:
    rows = (("near", 0.9, 0.2, 0.1), ("middle", 0.5, 0.5, 0.3), ("far", 0.1, 0.8, 0.6))
    plot = weight_plot(EnsembleSummary(rows, 0.5))
    assert plot is not None
    assert [x for _, x, _ in plot.points] == sorted(x for _, x, _ in plot.points)
    assert [y for _, _, y in plot.points] == sorted(y for _, _, y in plot.points), "small weights are low"
    heights = {text: y for y, text in plot.lines}
    assert heights["0.5"] == plot.points[1][2]
    assert weight_plot(EnsembleSummary(tuple((name, 1.0, d, 0.0) for name, _, d, _ in rows), 1.0)) is None


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    rows = (("near & <b>", 0.9, 0.2, 0.1), ("far", 0.1, 0.8, 0.6))
    view = Explanation(
        "apex on birds <img>",
        (("backbone", "ViT-tiny"),),
        ensemble=EnsembleSummary(rows, 0.5),
        changes=ZeroShotChanges("test images", 60, 29, COUNTS, ()),
        projection=ClassTextProjection((("near & <b>", 0.0, 0.0, 1.0, 1.0),), 0.5, "text features"),
        left_out=("There is no linear head.",),
    )
    explanation = render_explanation(view, folder / "explanation.html")
    gallery = render_gallery(GalleryView("apex on birds", (), predicted=0), folder / "gallery.html")
    return {"explanation": explanation.as_uri(), "gallery": gallery.as_uri()}


PICTURE = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
CLASSES = ("red admiral", "Chlorophyllum_brunneum_mushroom", "Rhododendron ferrugineum")
SHOWN = "[...document.querySelectorAll('.pictures li')].filter((one) => !one.hidden).map((one) => one.innerText)"
CUT_WORDS = """[...document.querySelectorAll('.pictures li, .pictures li *')].flatMap((node) => [...node.childNodes])
    .filter((node) => node.nodeType === 3 && !node.parentNode.matches('.name'))
    .flatMap((node) => [...node.data.matchAll(/[^\\s_]+_?/g)].filter((word) => {
        const range = document.createRange();
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        return new Set([...range.getClientRects()].map(({ top }) => top)).size > 1;
    }).map((word) => word[0]))"""


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of nine images of three classes, each once with 95, 70 and 30 %."""
    images = tuple(
        GalleryImage(f"folder/image-{i}.jpg", PICTURE, CLASSES[i % 3], p, ((CLASSES[i % 2], 0.1),), unlike=i == 0)
        for i, p in enumerate([0.3] * 3 + [0.7] * 3 + [0.95] * 3)
    )
    view = GalleryView("coop on plants", images, predicted=9, false_alarm_rate=0.05)
    return render_gallery(view, tmp_path_factory.mktemp("predictions") / "page.html").as_uri()


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1024)])
def test_names_of_classes_are_whole_on_the_page_of_predictions(tab, predictions: str, width: int, scheme: str) -> None:
    tab.size(width, 900)
    tab.emulate(scheme=scheme)
    tab.open("about:blank")
    tab.open(predictions)
    assert tab.run(CUT_WORDS) == []
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")
    assert serious_findings(tab) == []
    assert "marked. The" in tab.run("document.querySelector('main p').textContent")


def test_predictions_are_chosen_by_class_and_certainty_and_the_address_keeps_it(tab, predictions: str) -> None:
    tab.open("about:blank")
    tab.open(predictions)
    assert len(tab.run(SHOWN)) == 9
    for name, value in (("class", CLASSES[0]), ("certainty", "below 50 %")):
        tab.run(
            f"(() => {{ const one = document.querySelector('select[name={name}]'); one.value = '{value}';"
            "one.dispatchEvent(new Event('change')); })()"
        )
    tab.wait(f"{SHOWN}.length === 1")
    assert "red admiral 30.0" in tab.run(SHOWN)[0]
    address = tab.run("location.href")
    tab.open("about:blank")
    tab.open(address)
    tab.wait(f"{SHOWN}.length === 1")
    assert tab.run("document.querySelector('.choices span').innerText") == "1 of 9 shown"


@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1440)])
@pytest.mark.parametrize("name", ["explanation", "gallery"])
def test_no_serious_accessibility_finding(tab, pages: dict[str, str], name: str, width: int, scheme: str) -> None:
    tab.size(width, 900)
    tab.emulate(scheme=scheme)
    tab.open("about:blank")
    tab.open(pages[name])
    tab.run("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert serious_findings(tab) == []
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")
    assert tab.run("document.querySelectorAll('main h1').length") == 1
    assert tab.run("document.querySelectorAll('main img').length") == 0, "titles are text"
