"""Near-duplicates and suspect labels of a dataset, from the features of a frozen backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench._util.words import counted
from bench.errors import UsageError
from bench.sweep import SweepRequest, context_of, dataset_conflict
from datasets_registry import CheckResult, DatasetInfo, Finding, FindingLevel, get_dataset

if TYPE_CHECKING:
    from bench.context import RunContext
    from bench.experiment import AuditedImage, DatasetAudit, NearDuplicate, SuspectImage

MANY_SHARE = 0.1
MANY = " These are many: the dataset has copies of its pictures, or pictures too simple to tell them apart."
"""Added if more than a tenth of the test images have a near-duplicate."""
LEAST_AGREEMENT = 0.6
"""Share of held-out predictions that agree with the labels, below which no label is called suspect.

With 5 % planted wrong labels, a quarter of what is named was planted at an agreement of 73 %, and less below.
"""
NAMED = 3
"""Images or pairs that a finding names; `--json` lists all."""


def audit_dataset(
    name: str,
    *,
    backbone: str,
    data_root: str | Path | None = None,
    cache: str | Path | None = None,
    device: str = "auto",
) -> DatasetAudit:
    """Test images whose picture is also elsewhere in a dataset, and suspect labels; see `etl-bench datasets check -b`.

    Args:
        name: one dataset, also a synthetic one.
        backbone: `arch.tag`, or `ARCH=FILE`; its frozen features are taken from the cache or stored there.
        data_root: folder of the datasets.
        cache: folder of the feature cache; by default that of the user.
        device: as in `etl-bench run`.

    Raises UsageError for a backbone that does not fit, and DataError for images that cannot be read.
    """
    info = get_dataset(name)
    root, store = (None if folder is None else Path(folder).expanduser() for folder in (data_root, cache))
    slug, context = audit_context([info], backbone, root, store, device)
    return _audit(info.name, slug, context)


def audit_context(
    infos: Sequence[DatasetInfo], backbone: str, data_root: Path | None, cache: Path | None, device: str
) -> tuple[str, RunContext]:
    """Slug of the backbone and context of audits, without torch; raises UsageError for a backbone that does not fit."""
    from methods import parse_backbone

    request = SweepRequest.build(
        methods=["zero_shot"],
        datasets=[info.name for info in infos] or ["spectrum_basic"],
        backbones=[backbone],
        data_root=data_root,
        cache=cache,
        device=device,
        jobs=0,
    )
    if len(request.backbones) != 1:
        raise UsageError(f"-b {backbone} names several backbones; an audit takes one.")
    spec = parse_backbone(request.backbones[0])
    for info in infos:
        if reason := dataset_conflict(info, spec):
            raise UsageError(f"Dataset {info.name!r} cannot be audited with -b {spec.slug}: {reason}")
    return spec.slug, context_of(request, 1)


def with_audit(checked: CheckResult, backbone: str, context: RunContext) -> CheckResult:
    """A check with the findings of an audit. If images cannot be read, it says that there is none."""
    if checked.problems:
        text = "Near-duplicates and suspect labels were not looked for, because of the problems above."
        return replace(checked, findings=(*checked.findings, Finding("not-audited", text, level=FindingLevel.NOTE)))
    audit = _audit(checked.name, backbone, context)
    return replace(checked, findings=(*checked.findings, *audit_findings(audit)), audit=asdict(audit))


def _audit(name: str, backbone: str, context: RunContext) -> DatasetAudit:
    from bench.experiment import audit_images as audited  # imports torch

    return audited(name, backbone, context)


def audit_findings(audit: DatasetAudit) -> tuple[Finding, ...]:
    """The findings of an audit as notes, with the first examples; none for what was not found."""
    found = []
    if pairs := audit.near_duplicates:
        learned = {pair.image.key for pair in pairs if pair.other.part != "test"}
        tested = {one.key for pair in pairs if pair.other.part == "test" for one in (pair.image, pair.other)}
        shown = [
            f"{count} {'occurs' if count == 1 else 'occur'} {where}"
            for count, where in ((len(learned), "in train or val"), (len(tested), "more than once in test"))
            if count
        ]
        many = MANY if len(learned | tested) > MANY_SHARE * audit.test_images else ""
        first = _some([_pair_text(pair) for pair in pairs])
        of = counted(audit.test_images, "test image")
        text = f"Of {of}, {' and '.join(shown)}, in files with other bytes.{many} {first}"
        found.append(Finding("near-duplicates", text, level=FindingLevel.NOTE))
    if audit.judged and audit.accuracy < LEAST_AGREEMENT:
        text = (
            f"Labels were not judged: {100 * audit.accuracy:.0f} % agree with held-out predictions from "
            f"{audit.backbone}, which separates these classes too poorly. Give a backbone for such images."
        )
        found.append(Finding("not-judged", text, level=FindingLevel.NOTE))
    elif audit.suspects:
        text = (
            f"{len(audit.suspects)} of {counted(audit.judged, 'label')} are suspect; an estimated "
            f"{100 * audit.wrong_share:.1f} % of the images are mislabelled or ambiguous. {100 * audit.accuracy:.0f} % "
            f"agree with held-out predictions from {audit.backbone}. "
            f"{_some([_suspect_text(one) for one in audit.suspects])}"
        )
        found.append(Finding("suspect-labels", text, level=FindingLevel.NOTE))
    return tuple(found)


def _some(texts: Sequence[str]) -> str:
    more = f"; {len(texts) - NAMED} more in --json" if len(texts) > NAMED else ""
    return f"First: {'; '.join(texts[:NAMED])}{more}."


def _pair_text(pair: NearDuplicate) -> str:
    return f"{_image_text(pair.image)} and {_image_text(pair.other)}"


def _image_text(image: AuditedImage) -> str:
    return f"{image.key} ({image.part}, {image.label!r})"


def _suspect_text(one: SuspectImage) -> str:
    return f"{_image_text(one.image)} looks like {one.suggested!r} ({100 * one.suggested_probability:.0f} %)"
