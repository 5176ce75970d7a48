"""Inspects every image of a custom dataset before it is added: finds bad files, and the facts of the others."""

import os
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from datasets_registry._custom.listing_folders import FoundImage, Listing
from datasets_registry._errors import DataError, some
from datasets_registry._readers.decode import BadImageError, ImageFacts, examine_image, keep_warnings
from datasets_registry._readers.image_sources import ImageFiles, oriented

InspectionProgress = Callable[[int, int], None]
"""Receives the number of inspected images and of all images."""


@dataclass(frozen=True, slots=True)
class BadImage:
    """A file that is not a readable image, its problem in a few words, and the kind of problem, such as `truncated`."""

    key: str
    problem: str
    kind: str


class BadImagesError(DataError):
    """Some images of a new dataset cannot be read; `bad` lists all of them."""

    def __init__(self, place: Path, bad: tuple[BadImage, ...], total: int) -> None:
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for image in bad:
            groups[image.kind].append(image.key)
        kinds = "; ".join(f"{kind}: {some(keys)}" for kind, keys in groups.items())
        rest = "" if len(bad) == total else ", or leave them out with --skip-broken"
        verb = "is" if len(bad) == 1 else "are"
        super().__init__(
            f"{len(bad)} of the {total} images of {place} {verb} not readable: {kinds}. Replace or remove them{rest}."
        )
        self.bad = bad


@dataclass(frozen=True)
class Inspection:
    """The facts of every image of a listing.

    Args:
        bad: files that are not readable images.
        facts: size and orientation of the readable images, by key.
        digests: digests of the readable images, by key.
    """

    bad: tuple[BadImage, ...]
    facts: dict[str, ImageFacts]
    digests: dict[str, str]


def inspect_images(listing: Listing, progress: InspectionProgress | None = None) -> Inspection:
    """Read every image of a listing completely, in threads: Pillow releases the interpreter lock while it decodes."""
    upright = oriented(listing.images)
    facts, digests, bad = {}, {}, []
    threads = min(8, os.cpu_count() or 1) if isinstance(listing.images, ImageFiles) else 1

    def examined(item: FoundImage) -> tuple[str, ImageFacts, str] | BadImage:
        try:
            facts_of_image = examine_image(upright.read(item.key), item.key, upright.decoding)
            return item.key, facts_of_image, listing.images.digest(item.key)
        except BadImageError as error:
            return BadImage(item.key, error.problem, error.kind)
        except DataError as error:  # from the Hugging Face folder that holds the image
            return BadImage(item.key, str(error), "unreadable")

    with keep_warnings(), ThreadPoolExecutor(threads) as pool:
        for number, result in enumerate(pool.map(examined, listing.found), 1):
            if isinstance(result, BadImage):
                bad.append(result)
            else:
                key, facts[key], digests[key] = result
            if progress:
                progress(number, len(listing.found))
    return Inspection(tuple(bad), facts, digests)
