"""Pages about tuned models: the first sentence, the pictures, and no serious finding about accessibility."""

from __future__ import annotations

import pytest

pytest.importorskip("websocket", reason="websocket-client is not installed")
from chromium import find_chromium, serious_findings

from bench.tuned_models import GalleryView
from bench.tuned_models.galleries import GalleryImage
from reports import render_gallery

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


def needs_chromium(test):
    return pytest.mark.skipif(find_chromium() is None, reason="no chromium on this machine")(test)


@needs_chromium
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


@needs_chromium
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


@needs_chromium
@pytest.mark.parametrize(("scheme", "width"), [("light", 320), ("dark", 1440)])
def test_no_serious_accessibility_finding_without_pictures(tab, tmp_path, width: int, scheme: str) -> None:
    tab.size(width, 900)
    tab.emulate(scheme=scheme)
    tab.open("about:blank")
    tab.open(render_gallery(GalleryView("apex on birds", (), predicted=0), tmp_path / "gallery.html").as_uri())
    assert serious_findings(tab) == []
    assert tab.run("document.documentElement.scrollWidth <= innerWidth")
    assert tab.run("document.querySelectorAll('main h1').length") == 1
    assert tab.run("document.querySelectorAll('main img').length") == 0, "titles are text"
