"""Caveats about an added dataset, shown before the first run."""

from collections.abc import Iterator

from datasets_registry._custom.add import USUAL_SHOTS, AddedDataset
from datasets_registry._custom.dataset import SplitRule
from datasets_registry._custom.inspection import TINY
from datasets_registry._custom.listing import SKIPPED
from datasets_registry._errors import some
from datasets_registry._readers.image_suffixes import describe_left_out, left_out_advice


def notes_on(added: AddedDataset) -> Iterator[str]:
    """The caveats, one line each."""
    yield from _left_out(added)
    yield from _images(added)
    if added.config.split is SplitRule.EVEN:
        yield "note: few images, so each class is split evenly; images that you add later may move others."
    names = added.splits.class_names
    smallest, name = min(zip(added.train_sizes, names, strict=True), key=lambda pair: pair[0])
    if smallest < USUAL_SHOTS[0]:
        yield (
            f"note: class {name!r} has {smallest} training images; --shots can be at most {smallest}. To use more, "
            f"`run --allow-fewer` takes what a class has, and `datasets add --min-images N` leaves small classes out."
        )
    tested = {sample.label for sample in added.splits.test}
    if untested := [name for label, name in enumerate(names) if label not in tested]:
        yield f"note: {_are(len(untested), 'class')} without a test image, for example {untested[0]!r}."
    yield from _names(added)


def _left_out(added: AddedDataset) -> Iterator[str]:
    left_out = {kind: paths for kind, paths in added.splits.left_out.items() if kind != SKIPPED}
    if added.small:
        # their images are named by their class
        left_out = {kind: paths for kind, paths in left_out.items() if not kind.startswith("images of classes")}
        listed = ", ".join(f"{label!r} with {size}" for label, size in added.small.items())
        yield f"note: {_are(len(added.small), 'class')} left out, having too few images: {listed}."
    if left_out:
        yield f"note: left out: {describe_left_out(left_out)}. {left_out_advice(left_out)}"
    if unnamed := added.inspection.unnamed:
        yield f"note: {_are(len(unnamed), 'image')} left out because of a missing image suffix: {some(unnamed)}."
    if skip := added.config.skip:
        listed = f"listed under `skip` in {added.file}: {some(skip)}"
        yield f"note: {_are(len(skip), 'broken image')} left out and {listed}."


def _images(added: AddedDataset) -> Iterator[str]:
    found, keys = added.inspection, list(added.label_of)
    if copies := added.copies_across_classes:
        yield (
            f"note: {_are(len(copies), 'image')} in more than one class with the same bytes, for example "
            f"{' and '.join(copies[0][:2])}. At most one of the labels can be right; remove the other copies."
        )
    if links := added.links_to_other_classes:
        key, label = next(iter(links.items()))
        yield f"note: {_are(len(links), 'image')} linked from another class, for example {key} from class {label!r}."
    if tiny := found.tiny(keys):
        yield f"note: {_are(len(tiny), 'image')} less than {TINY} pixels wide or high ({some(tiny)})."
    if misnamed := found.misnamed(keys):
        yield (
            f"note: {_are(len(misnamed), 'image')} not in the format that the suffix names, which does no harm: "
            f"{some(misnamed)}."
        )
    if turned := found.turned(keys):
        how = "turned upright" if added.config.orient else "left as stored"
        yield f"note: {_are(len(turned), 'image')} {how}, by EXIF orientation and `orient` in {added.file}."


def _names(added: AddedDataset) -> Iterator[str]:
    if names := added.config.names:
        listed = some([f"{label!r} is {name!r}" for label, name in names.items()], most=5)
        yield f"note: names in prompts: {listed}. Edit them under [names] in {added.file}, or give --name LABEL=NAME."
    if numbers := [name for name in added.splits.class_names if name.strip().isdecimal()]:
        yield (
            f"note: {_are(len(numbers), 'class name')} numbers, such as {numbers[0]!r}, which mean nothing to CLIP. "
            f'Write words into `names` in {added.file}, such as names = {{ "{numbers[0]}" = "robin" }}.'
        )


def _are(number: int, noun: str) -> str:
    """`1 image is` or `2 images are`."""
    if number == 1:
        return f"1 {noun} is"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'} are"
