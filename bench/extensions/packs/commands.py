"""The commands `datasets pack` and `datasets check-pack`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench._util.words import counted
from bench.cli import AsJson, options_of, print_json, print_line, print_rows, remark
from bench.extensions.packs.make_and_check import check_pack, make_pack

if TYPE_CHECKING:
    from bench.extensions.packs.stored import StoredPack


@options_of(make_pack)
def _pack(out: Path, **options: Any) -> None:
    """Write the frozen features of datasets that you have to one file, from which others run methods without images.

    The file has features of test images and of drawn training images, class texts, draws, digests and licences, and no
    image. `etl-bench run --pack FILE` gives the same run ids and scores as with the images.

    Example: etl-bench datasets pack all-of coop -b ViT-B-16.openai -m tip_adapter,gda --out coop.pack
    """
    pack = make_pack(out=out, progress=remark, **options)
    print_line(_summary(pack, out))
    remark(f"Next: etl-bench run --pack {out} -m zero_shot -d {pack.contents.names[0]} --protocol few-shot")


@options_of(check_pack)
def _check_pack(file: Path, as_json: AsJson = False) -> None:
    """Read a feature pack, compare every file in it with its digest, and list what it has.

    Example: etl-bench datasets check-pack coop.pack
    """
    pack = check_pack(file)
    if as_json:
        facts = pack.contents.model_dump(mode="json", exclude={"datasets": {"__all__": {"texts"}}})
        print_json({"digest": pack.digest} | facts)
        return
    rows = [
        {
            "name": one.name,
            "images": one.images,
            "shots": ",".join(one.shots),
            "seeds": ",".join(map(str, one.seeds)),
            "views": max((views.count for views in one.views), default=0),
            "texts": len(one.templates),
            "licence": one.licence,
        }
        for one in pack.contents.datasets
    ]
    print_rows(rows, list(rows[0]))
    print_line(_summary(pack, file))


def _summary(pack: StoredPack, file: Path) -> str:
    images = sum(one.images for one in pack.contents.datasets)
    return (
        f"{counted(len(pack.contents.datasets), 'dataset')}, {counted(images, 'image')}, {pack.slug} with weights "
        f"{pack.backbone_digest[:12]}, {file.stat().st_size / 2**20:.1f} MiB; pack {pack.digest[:12]}"
    )


COMMANDS = {"datasets pack": _pack, "datasets check-pack": _check_pack}
