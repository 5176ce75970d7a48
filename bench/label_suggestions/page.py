"""The page of suggestions, in the order in which to label them."""

from PIL import Image

from bench._util.counted import counted
from bench.explanation.pictures import small_picture
from bench.label_suggestions.suggest import Suggestions
from reports import GalleryImage, GalleryView


def suggestions_view(found: Suggestions, title: str) -> GalleryView:
    """The view of the gallery page."""
    images = tuple(
        GalleryImage(
            name=one.image,
            picture=small_picture(Image.fromarray(one.rendered)),
            label=one.label,
            probability=one.probability,
            note=f"{rank}. margin {one.margin:.2f}, distance {one.distance:.2f}",
        )
        for rank, one in enumerate(found.images, 1)
    )
    introduction = (
        f"{len(images)} of {counted(found.pool, 'image')}, in the order in which to label them, with the model's "
        "predictions. Margin: difference of the two largest probabilities. Distance: to the nearest labelled image or "
        f"image listed before. Left out: {found.labelled} that the dataset has already, {found.repeated} repeated, "
        f"{found.unreadable} unreadable."
    )
    return GalleryView(title=title, images=images, predicted=found.pool, introduction=introduction)
