"""Inspects every image of a custom dataset before it is added: finds bad files, and the facts of the others."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from datasets_registry._custom.listing_folders import FoundImage, Listing
from datasets_registry._errors import DataError, some
from datasets_registry._readers.decode import BadImageError, ImageFacts, examine_image, is_image, keep_warnings
from datasets_registry._readers.image_formats import format_of_suffix, image_suffixes
from datasets_registry._readers.image_sources import ImageFiles

TINY = 32
"""Images with fewer pixels on their shorter side are counted as tiny; CLIP enlarges them to 224 or more."""

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
        links: for each link to an image of another class, its key and the label of that class.
        unnamed: images that are left out because their names have no image suffix.
    """

    bad: tuple[BadImage, ...]
    facts: dict[str, ImageFacts]
    digests: dict[str, str]
    links: dict[str, str]
    unnamed: tuple[str, ...] = ()

    def sizes(self, keys: list[str]) -> dict[str, str]:
        """The smallest, median and largest size of images as `WIDTHxHEIGHT`, by area."""
        found = sorted((self.facts[key].size for key in keys), key=lambda size: size[0] * size[1])
        named = {"smallest": found[0], "median": found[(len(found) - 1) // 2], "largest": found[-1]}
        return {name: f"{width}x{height}" for name, (width, height) in named.items()}

    def tiny(self, keys: list[str]) -> list[str]:
        """Images whose shorter side is below `TINY`."""
        return [key for key in keys if min(self.facts[key].size) < TINY]

    def turned(self, keys: list[str]) -> list[str]:
        """Images that are stored rotated, by their EXIF orientation."""
        return [key for key in keys if self.facts[key].turned]

    def misnamed(self, keys: list[str]) -> list[str]:
        """Images whose format differs from their suffix; they are read nevertheless."""
        return [key for key in keys if not _suffix_fits(key, self.facts[key].format)]

    def copies(self, labels: dict[str, str]) -> list[list[str]]:
        """Groups of images with the same bytes; `labels` has the images to compare, by key."""
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for key in labels:
            groups[self.digests[key]].append(key)
        return [keys for keys in groups.values() if len(keys) > 1]


def inspect_images(listing: Listing, progress: InspectionProgress | None = None) -> Inspection:
    """Read every image of a listing completely, in threads: Pillow releases the interpreter lock while it decodes."""
    found = listing.found
    facts, digests, bad = {}, {}, []
    threads = min(8, os.cpu_count() or 1) if isinstance(listing.images, ImageFiles) else 1

    def examined(item: FoundImage) -> tuple[str, ImageFacts, str] | BadImage:
        try:
            return item.key, *_examine(listing, item.key)
        except BadImageError as error:
            return BadImage(item.key, error.problem, error.kind)
        except DataError as error:  # from the archive or table that holds the image
            return BadImage(item.key, str(error), "unreadable")

    with keep_warnings(), ThreadPoolExecutor(threads) as pool:
        for number, result in enumerate(pool.map(examined, found), 1):
            if isinstance(result, BadImage):
                bad.append(result)
            else:
                key, facts[key], digests[key] = result
            if progress:
                progress(number, len(found))
    return Inspection(tuple(bad), facts, digests, dict(_links(listing)), _unnamed(listing))


def _examine(listing: Listing, key: str) -> tuple[ImageFacts, str]:
    images = listing.images.oriented()
    facts = examine_image(images.read(key), key, images.decoding)
    return facts, listing.images.digest(key)


def _links(listing: Listing) -> Iterator[tuple[str, str]]:
    """Images that link to an image of another class of the listing, themselves or through their folder."""
    if not isinstance(listing.images, ImageFiles):
        return
    label_of = {item.key: item.label for item in listing.found}
    root = listing.images.root.resolve()
    folders: dict[str, Path] = {}
    for item in listing.found:
        folder, _, name = item.key.rpartition("/")
        if folder not in folders:
            folders[folder] = (root / folder).resolve()
        path = folders[folder] / name
        target = Path(os.path.realpath(path)) if path.is_symlink() else path  # resolve() fails on a link to itself
        if target.is_relative_to(root):
            label = label_of.get(target.relative_to(root).as_posix(), item.label)
            if label != item.label:
                yield item.key, label


def _unnamed(listing: Listing) -> tuple[str, ...]:
    if not isinstance(listing.images, ImageFiles):
        return ()
    suffixes, root = image_suffixes(), listing.images.root
    others = [path for paths in listing.left_out.values() for path in paths]
    others = [path for path in others if PurePosixPath(path).suffix.lower() not in suffixes]
    return tuple(path for path in others if (root / path).is_file() and is_image(root / path))


def _suffix_fits(key: str, image_format: str) -> bool:
    """Whether an image has the format of its suffix; True for suffixes of no format that is read."""
    named = format_of_suffix(PurePosixPath(key).suffix)
    return named is None or named == {"MPO": "JPEG"}.get(image_format, image_format)
