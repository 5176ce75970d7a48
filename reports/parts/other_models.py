"""Models that are not CLIPs beside the best CLIP rows on the same images, and what is stated of each."""

from bench.analysis import measure_name
from reports._format import counted, interval, join, p_value, unbroken
from reports.parts.part import Part, paragraph, table
from reports.tables.model import FIRST_ROWS, Column, Table, TableCell, cell, whole
from reports.views import BesideClipView, OtherModelsView, OtherModelView

NAME = "other_models"
_INTRODUCTION = (
    "These models are not CLIPs, so they are ranked on leaderboards of their own. Here, each stands beside the CLIP "
    "row with the highest score on the same test images, for each backbone and each kind of input. These CLIP rows "
    "were chosen by the scores below, which favours them a little."
)
_NOT_STATED = "not stated"


def other_models_parts(view: OtherModelsView) -> list[Part]:
    """The pairs, and the facts of each model."""
    parts = [paragraph(_INTRODUCTION)]
    if view.pairs:
        parts.append(table(_pairs(view.pairs)))
    paired = {pair.title for pair in view.pairs}
    if alone := [model.title for model in view.models if model.title not in paired]:
        text = f"No CLIP row has the same images and a common seed with {join(alone)}. A run of zero_shot adds one."
        parts.append(paragraph(text, "missing"))
    return [*parts, table(_models(view.models))]


def _pairs(pairs: tuple[BesideClipView, ...]) -> Table:
    columns = [
        Column("Model", "text", "Below: its inputs"),
        Column("CLIP row", "text", "Below: its backbone and its inputs"),
        Column("Difference", "points", "Model minus CLIP, with its 95 % interval", "score"),
        Column("Model, %", "percent"),
        Column("CLIP, %", "percent"),
        Column("Dataset", "text", "Below: the score"),
        Column("Images", "number", "Test images that both classified"),
        Column("Seeds", "number", "Seeds of the compared runs"),
    ]
    rows = [_pair(pair) for pair in pairs]
    caption = "Model minus CLIP in points, paired on images, with its 95 % interval."
    if any(len(pair.found.seeds) == 1 for pair in pairs):
        caption += (
            " With one seed, the interval has the noise of the test images and not that of another draw or training."
        )
    return Table(f"{NAME}-pairs", columns, rows, caption=unbroken(caption), classes="matrix", first=FIRST_ROWS)


def _pair(pair: BesideClipView) -> list[TableCell]:
    found, test = pair.found, pair.found.difference
    protocol = found.model.board.setting.protocol
    tip = "" if test.p is None else p_value(test.p)
    seeds = counted(len(found.seeds), "seed")
    return [
        cell(pair.title, pair.inputs),
        cell(pair.clip_title, f"{found.clip.board.setting.backbone}, {pair.clip_inputs}"),
        cell(whole(test.mean), interval(test.low, test.high) or "not tested", tip),
        whole(found.score),
        whole(found.clip_score),
        cell(pair.dataset, f"{measure_name(found.measure)}, {protocol}"),
        found.images,
        cell(len(found.seeds), None, f"{seeds}: {', '.join(map(str, found.seeds))}"),
    ]


def _models(models: tuple[OtherModelView, ...]) -> Table:
    columns = [Column("Model", "text"), *(Column(title, "text") for title in ("Name", "Weights", "Decoding"))]
    columns += [Column("Service", "text"), Column("Date", "text")]
    columns += [
        Column("Unanswered", "word", "Answers that name no class, with requests that failed; they count as wrong"),
        Column("Ambiguous", "word", "Answers that name several classes; they count as wrong"),
        Column("Prompt", "text", "{choices} stands for the class names", "why"),
    ]
    rows = [
        [
            cell(model.title, model.setting),
            *(model.settings[name] or _NOT_STATED for name in ("model", "weights", "decoding")),
            model.service or _NOT_STATED,
            model.date or _NOT_STATED,
            *(_of(number, model.answers) for number in (model.unanswered, model.ambiguous)),
            model.settings["prompt"] or _NOT_STATED,
        ]
        for model in models
    ]
    caption = (
        "What the files of predictions state of each model, which nothing proves, and its answers without one class."
    )
    return Table(f"{NAME}-facts", columns, rows, caption=caption, classes="matrix")


def _of(number: int, answers: int) -> TableCell:
    return cell(number, f"{number} of {answers}") if answers else None
