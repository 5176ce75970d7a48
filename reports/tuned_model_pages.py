"""The page of a prediction with a tuned model: one HTML file that needs no network."""

from collections.abc import Iterator
from pathlib import Path

from bench.results import write_output
from bench.tuned_models import GalleryView
from reports.page_file import longest_word, page_environment

CERTAINTIES = (("90 % and more", 0.9), ("50 to 90 %", 0.5), ("below 50 %", 0.0))
"""Groups of predictions with their least probability, from certain to uncertain."""


def render_gallery(view: GalleryView, out: Path, *, force: bool = False) -> Path:
    """Write the page of `view` to the file `out`, whole or not at all, and return its path.

    Raises UsageError if a file that is not a page of etl-bench is there, unless `force`.

    Example:
        >>> from tempfile import mkdtemp
        >>> page = render_gallery(GalleryView("coop on birds", (), predicted=0), Path(mkdtemp()) / "predictions.html")
        >>> "coop on birds" in page.read_text("utf-8")
        True
    """
    environment = page_environment()
    environment.filters["certainty"] = _certainty
    page = environment.get_template("gallery.html.j2").render(
        view=view,
        sentences=list(_sentences(view)),
        labels=sorted({image.label for image in view.images}),
        certainties=CERTAINTIES,
        word=longest_word(_class_names(view)),
    )
    return write_output(out, page.encode(), force=force)


def _certainty(probability: float) -> str:
    return next(name for name, least in CERTAINTIES if probability >= least)


def _class_names(view: GalleryView) -> Iterator[str]:
    for image in view.images:
        yield image.label
        yield from (label for label, _ in image.others)
        yield from image.in_set or ()


def _sentences(view: GalleryView) -> Iterator[str]:
    """What the page shows, and what its probabilities, marks and sets mean."""
    shown = len(view.images)
    some = f", of which the {shown} least certain are shown" if shown < view.predicted else ""
    yield f"{view.predicted} images{some}, least certain first."
    if view.unreadable:
        yield f"{view.unreadable} more could not be read."
    yield (
        "Probabilities were calibrated on validation images."
        if view.calibrated
        else "Probabilities are uncalibrated, since there were no validation images."
    )
    if view.false_alarm_rate is not None:
        yield (
            "A red border marks images unlike the training images; at most "
            f"{100 * view.false_alarm_rate:.1f}\u00a0% of images of the known classes are expected to be marked."
        )
    if view.no_sets:
        yield f"There are no prediction sets: {view.no_sets}."
        return
    yield (
        f"The prediction set of an image contains its class with a probability of {100 * view.promise:g}\u00a0%, for "
        "images like the validation images; an empty set means that no class is probable enough."
    )
