"""Choosing a method by difficulty, effects of single components, and gains on easy and hard datasets."""

import math
from typing import Any

from markupsafe import Markup

from bench.analysis import ContrastPanels, Trends, best_method, difficulty_trend, method_choice, percent
from reports._format import counted, p_number, p_value, signed
from reports._format import signed_points as points_text
from reports.charts.ablations import AblationPanel, panel_svg
from reports.parts.part import Part, block, fold, heading, paragraph, table
from reports.tables.model import Column, Table, TableCell, cell, percent_cell, whole
from reports.titles import COVARIATE_AXES, PANEL_TITLES, DifficultyAxis
from reports.views import AnyBoardView, OverviewView, PublishedBoardView

STEPS = {True: math.log(2), False: 0.1}
"""One step of a covariate, by whether it is logarithmic: a doubling, or ten points."""
TRENDS = {"rises": "increases", "falls": "decreases"}
"""Words for the significant slopes; others are NO_TREND."""
NO_TREND = "no clear trend"


_RULE_TITLES = dict(zip(best_method.RULES, ("Best on average", "Best on the third nearest in difficulty"), strict=True))


def difficulty_parts(view: AnyBoardView, overview: OverviewView) -> list[Part]:
    """The parts of the section."""
    parts = _choice(view, overview)
    if not overview.axes or not view.trends:
        missing: str = Markup(
            "No difficulty is known for these datasets and this backbone; <code>etl-bench run</code> measures it with "
            "the first run on a dataset."
        )
        if isinstance(view, PublishedBoardView):
            missing = f"Trends need at least six datasets with known difficulty for {overview.backbone}."
        return [*parts, paragraph(missing, "missing")]
    return [*parts, *_ablations(view), *_slopes(view)]


def _choice(view: AnyBoardView, overview: OverviewView) -> list[Part]:
    judged = [answer for answer in overview.answers.values() if answer.advice]
    if not judged:
        return []
    known = {policy for answer in judged for policy in answer.advice["any"].choice.regrets}
    policies = [policy for policy in best_method.RULES if policy in known]
    if not policies:
        return []
    columns = [
        Column("Score", "text"),
        *(Column(_RULE_TITLES[policy], "word") for policy in policies),
        Column("Methods"),
    ]
    rows: list[list[TableCell]] = []
    for answer in judged:
        advice = answer.advice["any"]
        row: list[TableCell] = [PANEL_TITLES[answer.measure]]
        for policy in policies:
            lost = advice.choice.regrets.get(policy)
            if lost is None:
                row.append(None)
                continue
            text = f"{percent(lost.mean, 1)} / {percent(lost.worst, 1)}"
            row.append(cell(whole(lost.mean), text, "", "shown" if policy is advice.choice.policy else ""))
        rows.append([*row, len(advice.candidates) + 1])
    caption = (
        "Points lost to the best method of a dataset when the method is chosen without that dataset: mean / worst "
        "over the datasets. Bold: the rule of the cards, by difficulty only if it loses less by more than one standard "
        "error."
    )
    predicted = prediction_sentence(overview) if isinstance(view, PublishedBoardView) else ""
    return [
        heading(f"{view.anchor}-choice", "Does difficulty help to choose a method?"),
        table(Table(f"{view.anchor}-choice-table", columns, rows, caption=caption)),
        *([paragraph(predicted)] if predicted else []),
    ]


def prediction_sentence(overview: OverviewView) -> str:
    """How well gains on a left-out dataset are predicted, with and without its difficulty; empty if that is unknown."""
    scores = overview.table
    measure = "new" if "new" in scores.measures else scores.measures[-1]
    complete = scores.complete_rows(measure)
    keys = [key for key in complete if key != scores.baseline]
    found = method_choice.predicted_gains(scores.gains(measure, keys)) if scores.baseline in complete else None
    if found is None:
        return ""
    errors, regrets = ([percent(value) for value in pair] for pair in (found.errors, found.regrets))
    text = (
        f"Predicting the gain of a method on a left-out dataset ({PANEL_TITLES[measure].lower()}, "
        f"{counted(len(keys), 'method')}): a line over log transfer difficulty is off by {errors[1]} points on "
        f"average, and the method's mean gain on the other datasets by {errors[0]}. The method of the highest "
        f"prediction loses {regrets[1]} and {regrets[0]} points to the best."
    )
    helps = "helps to choose" if found.helps else "does not choose"
    return f"{text} On these {found.datasets} datasets, difficulty {helps} the method."


def _ablations(view: AnyBoardView) -> list[Part]:
    contrasted = [trends for trends in view.trends if trends.contrasts]
    if not contrasted:
        return []
    anchor, published = f"{view.anchor}-parts", isinstance(view, PublishedBoardView)
    pairs = (
        "Pairs of published methods from one table that come closest to a method with and without one component. Most "
        "pairs also differ in other respects."
        if published
        else "Differences between two methods that differ in one component, on the same images with the same seeds."
    )
    note = (
        f"{pairs} Each point is a dataset. The differences are plotted against three dataset properties, since "
        "difficulty largely reflects the number of classes, and gains mostly follow the headroom (100 % minus "
        "zero-shot accuracy). A line is shown only if it predicts left-out datasets. It is dashed if the association "
        "is not significant (permutation p values, Holm-corrected over all trends of the measure)."
    )
    number = counted(len(contrasted[-1].contrasts), "pair")
    body = [paragraph(note), block("ablations")]
    return [fold(anchor, "Ablations", f"with and without one component: {number}", body)]


def _slopes(view: AnyBoardView) -> list[Part]:
    sloped = [trends for trends in view.trends if trends.methods]
    if not sloped:
        return []
    note = Markup(
        "Gain over zero-shot in points: on average, on the third of the datasets with the smallest gains, on the easy "
        "and on the hard datasets, and how it changes with each property (±: error when predicting a left-out "
        "dataset). <em>No significant trend</em>: the interval includes 0, or the line predicts left-out datasets no "
        "better than the mean. Slopes are not corrected for multiple testing."
    )
    folds = [
        fold(
            f"{view.anchor}-slopes-{trends.measure}",
            PANEL_TITLES[trends.measure],
            counted(len(trends.methods), "method") + _groups(view, trends),
            [table(_slopes_table(view, trends))],
        )
        for trends in sloped
    ]
    return [heading(f"{view.anchor}-slopes", "Gain on easy and hard datasets"), paragraph(note), *folds]


def _groups(view: AnyBoardView, trends: Trends) -> str:
    if not trends.easy:
        return ""
    easy, hard = (", ".join(view.dataset_title(name) for name in group) for group in (trends.easy, trends.hard))
    return f" · easy: {easy} · hard: {hard}"


def _slopes_table(view: AnyBoardView, trends: Trends) -> Table:
    columns = [
        Column("Method", "text"),
        Column("Gain", "points", "Mean over datasets"),
        Column("Gain on its worst third", "points", "Mean gain on the third of the datasets with the smallest gains"),
    ]
    if trends.easy:
        columns.append(Column("Easy", "points", "Mean gain on the easy datasets"))
        columns.append(Column("Hard", "points", "Mean gain on the hard datasets"))
    for covariate in COVARIATE_AXES:
        change = f"{covariate.hint}; change of the gain per {_step(covariate)}"
        columns.append(Column(covariate.title, "points", change))
    columns.append(Column("Datasets", "of", "Datasets with runs, of all datasets"))
    rows = [_slopes_row(view, method, trends) for method in trends.methods]
    return Table(f"{view.anchor}-slopes-table-{trends.measure}", columns, rows, classes="slopes")


def _slopes_row(view: AnyBoardView, method: difficulty_trend.MethodTrend, trends: Trends) -> list[TableCell]:
    n, expected = len(method.gains), len(view.averaged)
    gap = "gap" if n < expected else ""
    row: list[TableCell] = [
        view.entry_name(method.method),
        percent_cell(method.gain, classes=gap),
        percent_cell(method.worst_third, classes=gap),
    ]
    if trends.easy:
        row += [percent_cell(method.mean_on(trends.easy)), percent_cell(method.mean_on(trends.hard))]
    for covariate in COVARIATE_AXES:
        slope, step = method.slopes.get(covariate.name), STEPS[covariate.log]
        if slope is None:
            row.append(None)
            continue
        ends = ""
        if slope.low is not None and slope.high is not None:
            low, high = points_text(step * slope.low), points_text(step * slope.high)
            ends = f"95 % interval {low} to {high} per {_step(covariate)}, {counted(slope.n, 'dataset')}"
        error = "" if slope.error is None else f"error on an unseen dataset {percent(slope.error)} points"
        trend = TRENDS.get(slope.verdict, NO_TREND)
        small = trend if slope.error is None else f"{trend}, ±{percent(slope.error, 1)}"
        small += f"; {view.dataset_title(slope.carrier)} carries it" if slope.carrier else ""
        faint = "" if slope.verdict in TRENDS else "faint"
        row.append(percent_cell(step * slope.slope, small, "; ".join(part for part in (ends, error) if part), faint))
    return [*row, cell([n, expected], None, "", gap)]


def _step(covariate: DifficultyAxis) -> str:
    return "doubling" if covariate.log else "ten points"


def ablations_data(view: AnyBoardView) -> list[dict[str, Any]]:
    """The contrasts of every measure with their panels, for `script/ablations.js`; empty without contrasts."""
    found = [_trends_data(view, trends) for trends in view.trends]
    return found if any(trends["contrasts"] for trends in found) else []


def _trends_data(view: AnyBoardView, trends: Trends) -> dict[str, Any]:
    return {
        "title": PANEL_TITLES[trends.measure],
        "tests": f"Holm correction over {counted(trends.tests, 'test')}",
        "contrasts": [_contrast_data(view, contrast, trends.left_out) for contrast in trends.contrasts],
    }


def _contrast_data(view: AnyBoardView, contrast: ContrastPanels, left_out: str | None) -> dict[str, Any]:
    first = contrast.trends[0]
    pair = [view.entry_name(first.method), view.entry_name(first.without)]
    heights = [y for trend in contrast.trends for _, y in trend.points.values()]
    titles = {dataset.name: dataset.title for dataset in view.datasets}
    panels = []
    for trend, axis in zip(contrast.trends, COVARIATE_AXES, strict=True):
        without = _without_one(contrast, trend)
        trends = {None: trend} | {list(titles).index(name): other for name, other in without.items()}
        label = f"{' minus '.join(pair)} against {axis.title}, {trend.verdict}"
        results = {"" if out is None else str(out): [other.verdict, _result(other)] for out, other in trends.items()}
        if left_out in without and (found := without[left_out].found):
            results[""][1] += f"; ρ {signed(found.rho)} without {titles[left_out]}"
        drawn = panel_svg(AblationPanel(label, axis, trends, heights, titles))
        panels.append({"title": axis.title, "hint": axis.hint, "svg": drawn, "results": results})
    mean = f"mean {points_text(first.mean)} points over {counted(len(first.points), 'dataset')}"
    return {"part": first.part[0].upper() + first.part[1:], "pair": " − ".join(pair), "mean": mean, "panels": panels}


def _without_one(
    contrast: ContrastPanels, trend: difficulty_trend.ContrastTrend
) -> dict[str, difficulty_trend.ContrastTrend]:
    """The same trend without one dataset, by dataset."""
    return {
        dataset: other
        for (dataset, covariate), other in contrast.leaving_out.items()
        if covariate == trend.covariate and dataset in trend.points
    }


def _result(trend: difficulty_trend.ContrastTrend) -> str:
    """Correlation, number of datasets and p values of a trend."""
    if trend.found is None or trend.found.rho is None or trend.found.p is None or trend.p_holm is None:
        return "needs three datasets"
    known = f"ρ {signed(trend.found.rho)} over {len(trend.points)}, {p_value(trend.found.p)}"
    return f"{known}, corrected {p_number(trend.p_holm)}"
