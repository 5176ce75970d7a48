"""What stands beside the headline: caveats, which method to take, gains by difficulty, and what is missing."""

import math
from collections import Counter
from urllib.parse import quote

from markupsafe import Markup

from bench.analysis import (
    FEWEST_ELSEWHERE,
    Certainty,
    H,
    HConvention,
    best_method,
    difficulty_trend,
    why_no_ranks,
)
from bench.score_texts import percent
from bench.spec import ALL_SHOTS, OTHER_MODELS
from datasets_registry import SeenImages
from reports._format import counted, join, plural, points, unsigned
from reports.verdict_sentences import far_trainings, headline, known_lines
from reports.views import OverviewView, SiteView


def caveats(view: OverviewView, measure: str) -> Markup:
    """What changes the reading of the headline: shared runs, and too few seeds."""
    texts = (_compared_on(view), why_no_ranks(view.answers[measure].verdict))
    return Markup(" ").join(Markup.escape(text) for text in texts if text)


def take(view: OverviewView, measure: str) -> Markup:
    """The answer below the table; empty without advice.

    A method is advised if its gain on other datasets is clear and the choice lost on at most half of the left-out ones.
    """
    answer = view.answers[measure]
    pick, verdict = answer.advice, answer.verdict
    if pick is None or pick.n < FEWEST_ELSEWHERE:
        return Markup("")
    kind = "the other method" if pick.method == view.table.baseline else "the method"
    left_out = (
        f"On each dataset, {kind} that was best on the others gained {points(pick.gain)} on average and lost on "
        f"{pick.below} of {pick.n}."
    )
    if pick.method != view.table.baseline and (
        verdict.judgement_elsewhere.known is not Certainty.CLEAR or 2 * pick.below > pick.n
    ):
        return Markup("<b>No method is sure to gain elsewhere.</b> {}").format(left_out)
    return Markup("<b>If in doubt, take {}.</b> {}").format(view.names[pick.method], left_out)


def seen_mark(seen: SeenImages) -> str:
    """How much of a dataset the backbone has seen: 21.5 % seen, or seen if the share is not published."""
    return "seen" if seen.share is None else f"{percent(seen.share, 1)} % seen"


def answer_lines(view: OverviewView) -> list[str]:
    """The sentences of the first screen and what is missing as plain lines, by the measure that orders the methods."""
    measure = view.table.measures[-1]
    lines = [
        Markup.escape(headline(view, measure).sentence),
        known_lines(view, measure),
        caveats(view, measure),
        small_print(view, measure),
        missing_runs(view),
    ]
    with_backticks = [str(line).replace("<code>", "`").replace("</code>", "`") for line in lines if line]
    return [Markup(line).striptags() for line in with_backticks]


def small_print(view: OverviewView, measure: str) -> Markup:
    """The trend with difficulty, what these runs can tell, trainings that stand apart, and the remarks."""
    answer = view.answers[measure]
    texts = [far_trainings(view, answer.verdict)]
    if not view.seeds:
        alike = "; only equal inputs are ranked" if any(view.uses.values()) else ""
        texts.append(f"One published value for each method, no costs{alike}.")
    beside = [Markup.escape(text) for text in texts if text]
    return Markup(" ").join(filter(None, [*_trend(view, answer), *beside, remarks(view, measure)]))


_NOT_CLIPS = "These models are not CLIPs, so they are ranked apart from them."


def remarks(view: OverviewView, measure: str) -> Markup:
    """How H is averaged, that a demo is one, and which command adds what a small set of runs lacks."""
    parts = []
    if measure == H and view.convention is HConvention.H_OF_MEANS:
        parts.append("Mean H is that of the mean accuracies, as in most papers; gains are those of each dataset's H.")
    if view.demo is not None:
        images = "all images" if view.demo.shots == ALL_SHOTS else f"{counted(view.demo.shots, 'image')} per class"
        parts.append(f"Demo on {images}; published recipes may differ.")
    return Markup(" ").join(Markup.escape(part) for part in [*parts, *_to_add(view, view.answers[measure])])


def _to_add(view: OverviewView, answer: best_method.Answer) -> list[Markup]:
    """What a small set of runs lacks, and the command that adds it; nothing for published numbers."""
    if not view.seeds:
        return []
    if view.table.empty:
        return [Markup("The same <code>etl-bench run</code> command repeats runs that failed or are missing.")]
    if view.backbone == OTHER_MODELS:
        return [Markup(_NOT_CLIPS)]
    lacks = []
    if len(view.names) == 1:
        methods = [entry.method for entry in view.board.entries] if view.board is not None else []
        both = ",".join([*methods, "coop" if view.table.baseline else "zero_shot"])
        lacks.append(("A comparison needs a second method", f"-m {both}", ""))
    elif view.table.baseline is None:
        lacks.append(("Gains need zero-shot CLIP", "-m zero_shot", ""))
    elif answer.leader is None:
        lacks.append(("A comparison needs the missing runs", "", "with the same options as before"))
    if len(view.datasets) == 1:
        lacks.append(("What holds on other datasets needs more of them", "-d DATASET", ""))
    text = Markup("{}: <code>etl-bench run{}</code>{}.")
    return [text.format(need, option and f" {option} ...", how and f" {how}") for need, option, how in lacks]


def first_shown(site: SiteView) -> int:
    """The index of the overview that the page opens with: a plain draw, most runs, and among equals most shots."""

    def preference(index: int) -> tuple[bool, bool, int, float]:
        view = site.overviews[index]
        if view.board is None:
            return not view.whole, True, view.n_runs, 0
        setting = view.board.setting
        shots = math.inf if setting.shots == ALL_SHOTS else setting.shots
        return not view.whole, setting.plain, view.n_runs, shots

    return max(range(len(site.overviews)), key=preference, default=0)


def scope_link(view: OverviewView) -> Markup:
    """From the runs that methods share to all runs, and back; empty where all methods have the same."""
    if view.other_scope is None:
        return Markup("")
    text = "Compare on shared runs" if view.whole else "Show all runs"
    return Markup(' <a href="#setting={}">{}</a>').format(quote(view.other_scope, safe=""), text)


NAMED_IN_SENTENCE = 2
"""Missing runs and methods that a sentence names."""


def missing_runs(view: OverviewView) -> Markup:
    """Which runs are missing, and what follows for the ranks; empty if none is."""
    board = view.board
    if board is None or not board.missing:
        return Markup("")
    n, methods = len(board.missing), len({cell.entry for cell in board.missing})
    named = [
        f"{view.names[cell.entry]} on {view.catalogue.dataset(cell.dataset).title}"
        + (f" (seed {cell.seed})" if len(board.seeds) > 1 else "")
        for cell in board.missing[:NAMED_IN_SENTENCE]
    ]
    more = n - len(named)
    names, planned = join([*named, *([f"{more} more"] if more else [])]), sum(entry.planned for entry in board.entries)
    text = (
        f"{n} of {counted(planned, 'run')} {plural(n, 'is', 'are')} missing: {names}. "
        f"{methods} of {counted(len(view.names), 'method')} {plural(methods, 'has', 'have')} missing runs"
    )
    text += "." if board.common is not None else f" and {plural(methods, 'is', 'are')} not ranked."
    return Markup.escape(text)


def failed_runs(view: OverviewView) -> Markup:
    """How many runs failed and why, and the command that repeats them; empty without failures."""
    missing = () if view.board is None else view.board.missing
    failures = Counter(" ".join(cell.error.split()) for cell in missing if cell.error is not None)
    if not failures:
        return Markup("")
    reasons = "; ".join(f"{reason[:120]} ({count})" for reason, count in failures.most_common(3))
    return Markup("{} failed: {}. To repeat them, give the same <code>etl-bench run</code> command again.").format(
        counted(failures.total(), "run"), reasons.rstrip(".")
    )


def _compared_on(view: OverviewView) -> str:
    """What is compared where less than half of the methods have everything; empty otherwise."""
    board = view.board
    if board is None or board.common is None:
        return ""
    grid = f"{counted(len(board.averaged), 'dataset')} and {counted(len(board.seeds), 'seed')}"
    methods, n = len(board.common.entries), len(board.common.without)
    if not n:
        return f"Compared on the {grid} that all {methods} methods have."
    first = [view.names[key] for key in board.common.without[:NAMED_IN_SENTENCE]]
    names = join([*first, *([counted(n - NAMED_IN_SENTENCE, "more method")] if n > NAMED_IN_SENTENCE else [])])
    lacks = f"{names} {plural(n, 'lacks', 'lack')} some of these runs."
    return f"Compared on the {grid} that {methods} of {methods + n} methods have: {lacks}"


def _trend(view: OverviewView, answer: best_method.Answer) -> list[Markup]:
    """What the line over all datasets shows, with the dataset that carries it, and what chance adds on hard ones."""
    if answer.groups is None:
        return []
    trend = answer.groups.trend
    if trend is None:
        text = "No trend is shown"
    elif trend.verdict not in difficulty_trend.SIGNIFICANT:
        text = "It is not clear that the gain changes with difficulty, as it varies too much among these datasets"
    else:
        titles = {dataset.name: dataset.title for dataset in view.datasets}
        carried = f"; without {titles.get(trend.carrier, trend.carrier)} that is not clear" if trend.carrier else ""
        text = f"The gain {trend.verdict} with difficulty ({counted(trend.n, 'dataset')}){carried}"
    return [Markup.escape(f"{text}."), *_by_chance(answer.groups)]


WORTH_SAYING = 0.003
"""The gain on hard datasets by chance that is mentioned, a fraction."""


def _by_chance(part: best_method.GroupGains) -> list[Markup]:
    """How much larger the gain on hard datasets is because difficulty and gain share the zero-shot accuracy."""
    if part.by_chance is None or part.by_chance[0] < WORTH_SAYING:
        return []
    gain, images = part.by_chance
    text = (
        f"With about {images:,} test images per dataset, {unsigned(gain)} points of the gain on hard datasets are "
        "chance: a dataset on which zero-shot CLIP is low by chance counts as harder."
    )
    return [Markup.escape(text)]
