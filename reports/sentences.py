"""The answer in words: what is best, how sure that is, which methods gain on hard datasets, and what is missing."""

import math
from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from markupsafe import Markup

from bench.analysis import H, HConvention, best_method, difficulty_trend, percent, seen_datasets
from bench.spec import ALL_SHOTS
from datasets_registry import SeenImages
from reports._format import counted, interval, join, plural, points, shorten, unsigned
from reports.titles import PHRASES
from reports.views import OverviewView, SiteView


def answer(view: OverviewView, measure: str) -> Markup:
    """What is best and by how much, whether that holds elsewhere, and whether hard datasets gain more."""
    found = view.answers[measure]
    if not view.table.scores:
        return Markup("No run has a score yet.")
    if found.leader is None:
        return Markup("No method has a score for every dataset{}, so there is no comparison yet.").format(
            " and seed" if view.seeds else ""
        )
    parts = [_demo(view), _compared_on(view), [_best(view, found)], _others(view, found), _hard(view, found)]
    if (without := view.without_seen.get(measure)) is not None and without.new_leader:
        parts.append([Markup.escape(without_seen(view, without))])
    return Markup(" ").join(sentence for part in parts for sentence in part)


LONGEST_NAME = 40
"""The most characters of a method in the headline."""
TITLE_LENGTH = 24
"""The most characters of a dataset's name."""


def headline(view: OverviewView, measure: str) -> str:
    """The answer in one or two short sentences: what is best, whether that is clear, and where the gain comes from."""
    found = view.answers[measure]
    if found.leader is None:
        if not view.table.scores:
            return "No run has a score yet."
        return f"No method has a score for every dataset{' and seed' if view.seeds else ''}, so none leads yet."
    name = shorten(view.names[found.leader], LONGEST_NAME)
    if found.lead is None:
        return f"{name} is the only complete method: {unsigned(found.averages[found.leader])} % {PHRASES[measure]}."
    reference, gain = shorten(_inline(view, found.lead.reference), LONGEST_NAME), unsigned(abs(found.lead.mean))
    if gain == "0.0":
        return f"{name} and {reference} are level."
    if found.leader == view.table.baseline:
        return _nothing_gains(view, found)
    if found.lead.reference != view.table.baseline:
        return f"{name} leads {reference} by {gain} points{'' if found.is_clear else ', which is not clear'}."
    if found.lead.over_seeds is None and not found.published:
        what = "One seed" if len(view.seeds) == 1 else "One dataset" if found.lead.n == 1 else "The runs"
        return f"{name} leads {reference} by {gain} points.\n{what} cannot tell whether that is chance."
    if not found.is_clear:
        carried = "" if found.lead.without is None else f", all of it on {view.title(found.lead.without[0])}"
        where = "here" if found.lead.n > 1 else "on this dataset"
        return f"No method is reliably better than {reference} {where}.\n{name} leads by {gain} points{carried}."
    others, n = len(found.behind) - 1, len(found.rivals)
    match = ""
    if others and not n:
        match = "No other method matches it."
    elif n:
        of = (
            f"the {counted(others, 'other')} with equal inputs" if any(view.uses.values()) else counted(others, "other")
        )
        match = f"{n} of {of} may match it{'' if found.published else ' here'}."
    return f"{name} gains {gain} points over {reference}.\n{match}".strip()


def _nothing_gains(view: OverviewView, found: best_method.Answer) -> str:
    text = f"No method beats {_inline(view, found.leader or '')} on average."
    if found.best_on_hard is None or found.best_on_hard[1] <= 0:
        return text
    key, gain = found.best_on_hard
    return f"{text}\nOn hard datasets {shorten(view.names[key], LONGEST_NAME)} gains {unsigned(gain)} points."


def basis(view: OverviewView, measure: str) -> str:
    """One line below the headline: both means, the interval of the gain, and what was compared."""
    found, parts = view.answers[measure], []
    if found.lead is not None and found.leader is not None:
        digits, other = _digits(found), _inline(view, found.lead.reference)
        means = [_score(found.averages[key], digits) for key in (found.leader, found.lead.reference)]
        parts.append(f"Mean {PHRASES[measure]} {means[0]} %, {other} {means[1]} %")
    if found.lead is not None and found.lead.over_datasets is not None:
        what = "gain" if view.table.baseline in (found.lead.reference, found.leader) else "lead"
        ends = found.lead.over_datasets if found.leader != view.table.baseline else _reverse(found.lead.over_datasets)
        whose = "" if found.leader != view.table.baseline else f" of {_inline(view, found.lead.reference)}"
        parts.append(f"{what}{whose} on similar datasets: {interval(*ends)} (95 %)")
    counts = [counted(len(view.datasets), "dataset")]
    if view.seeds:
        counts += [counted(len(view.seeds), "seed"), counted(view.n_runs, "run")]
    else:
        counts.append("as papers report them; costs are not printed")
    parts.append(", ".join(counts))
    if view.demo is not None:
        parts.append(f"demo{' on synthetic images' if view.demo.synthetic else ''}")
    return " · ".join(parts)


def caveats(view: OverviewView, measure: str) -> Markup:
    """What changes the reading of the headline: a comparison on shared runs, another leader without seen datasets."""
    found = list(_compared_on(view))
    if (without := view.without_seen.get(measure)) is not None and without.new_leader:
        found.append(Markup.escape(without_seen(view, without)))
    return Markup(" ").join(found)


def seen_mark(seen: SeenImages) -> str:
    """How much of a dataset the backbone has seen: 21.5 % seen, or seen if the share is not published."""
    return "seen" if seen.share is None else f"{percent(seen.share, 1)} % seen"


def without_seen(view: OverviewView, found: seen_datasets.WithoutSeen) -> str:
    """How the order of methods changes without the datasets that the backbone has seen; empty if it does not."""
    if not found.moved:
        return ""
    names = join([shorten(view.title(name), TITLE_LENGTH) for name in found.left_out[:NAMED_IN_SENTENCE]])
    more = f" and {len(found.left_out) - NAMED_IN_SENTENCE} more" if len(found.left_out) > NAMED_IN_SENTENCE else ""
    where = f"Without {names}{more}, which the backbone has partly seen in pretraining,"
    if found.new_leader:
        first = next(method for method in found.methods if method.rank_without == 1)
        before = next(method for method in found.methods if method.rank == 1)
        values = [f"{unsigned(method.average_without)} %" for method in (first, before)]
        return (
            f"{where} {_inline(view, first.key)} has the highest mean {PHRASES[found.measure]}: {values[0]}, "
            f"{_inline(view, before.key)} {values[1]}."
        )
    n, total = len(found.moved), counted(len(found.methods), "method")
    changed = plural(n, "has another rank", "have other ranks")
    return f"{where} the same method is first, and {n} of {total} {changed}."


def answer_lines(view: OverviewView) -> list[str]:
    """Headline, basis, remarks and what is missing as plain lines, by the measure that orders the methods."""
    measure = view.table.measures[-1]
    first = [Markup.escape(text) for text in (headline(view, measure).replace("\n", " "), basis(view, measure))]
    lines = [*first, caveats(view, measure), remarks(view, measure), missing_runs(view)]
    return [_with_backticks(line) for line in lines if line]


def _with_backticks(line: Markup) -> str:
    """Plain text, with commands between backticks."""
    return Markup(str(line).replace("<code>", "`").replace("</code>", "`")).striptags()


def small_print(view: OverviewView, measure: str) -> Markup:
    """How much was measured, and the remarks."""
    counts = [counted(len(view.names), "method"), counted(len(view.datasets), "dataset")]
    if view.seeds:
        compared = "" if view.board is None or view.board.common is None else " compared"
        counts += [counted(len(view.seeds), "seed"), f"{counted(view.n_runs, 'run')}{compared}"]
    else:
        counts.append("one published value each")
    missing = f"; {len(view.board.missing)} missing" if view.board is not None and view.board.missing else ""
    return Markup(" ").join(filter(None, [Markup.escape(f"{', '.join(counts)}{missing}."), remarks(view, measure)]))


def remarks(view: OverviewView, measure: str) -> Markup:
    """How H is averaged, that a demo is one, and which command adds what a small set of runs lacks."""
    parts = []
    if measure == H and view.convention is HConvention.H_OF_MEANS:
        parts.append(
            "Mean H is that of the average base and new accuracy, as papers print it; "
            "gains are those of the H of each dataset."
        )
    if view.demo is not None:
        images = "all images" if view.demo.shots == ALL_SHOTS else f"{counted(view.demo.shots, 'image')} per class"
        parts.append(
            f"Demo: short trainings (recipe demo) on {images}, "
            f"tested on {view.demo.images:,} images. Published recipes may rank the methods differently."
        )
    return Markup(" ").join(Markup.escape(part) for part in [*parts, *_to_add(view, view.answers[measure])])


def _to_add(view: OverviewView, found: best_method.Answer) -> list[Markup]:
    """What a small set of runs lacks, and the command that adds it; nothing for published numbers."""
    if not view.seeds:
        return []
    if not view.table.scores:
        return [Markup("The same <code>etl-bench run</code> command repeats runs that failed or are missing.")]
    lacks = []
    if len(view.names) == 1:
        lacks.append(("A comparison needs a second method", f"-m {'coop' if view.table.baseline else 'zero_shot'}", ""))
    elif view.table.baseline is None:
        lacks.append(("Gains need zero-shot CLIP", "-m zero_shot", ""))
    elif found.leader is None:
        lacks.append(("A comparison needs the missing runs", "", "with the same options as before"))
    if len(view.datasets) == 1:
        lacks.append(("What holds on other datasets needs more of them", "-d DATASET", ""))
    if len(view.seeds) == 1 and view.seeds != (0,):
        lacks.append(("Intervals over seeds need several", "--seeds 3", ""))
    text = Markup("{}: <code>etl-bench run{}</code>{}.")
    return [text.format(what, option and f" {option} ...", where and f" {where}") for what, option, where in lacks]


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


def _demo(view: OverviewView) -> list[Markup]:
    """That these numbers are of a demo."""
    if view.demo is None:
        return []
    return [Markup("Demo on synthetic images:" if view.demo.synthetic else "Demo:")]


def _inline(view: OverviewView, key: str) -> str:
    """The name of a method within a sentence."""
    name = view.names[key]
    return name[0].lower() + name[1:] if key == view.table.baseline and name.startswith("Zero-shot") else name


def _compared_on(view: OverviewView) -> list[Markup]:
    """What is compared where less than half of the methods have everything; nothing otherwise."""
    board = view.board
    if board is None or board.common is None:
        return []
    grid = f"{counted(len(board.averaged), 'dataset')} and {counted(len(board.seeds), 'seed')}"
    methods, n = len(board.common.entries), len(board.common.without)
    if not n:
        return [Markup.escape(f"Compared on the {grid} that all {methods} methods have.")]
    first = [view.names[key] for key in board.common.without[:NAMED_IN_SENTENCE]]
    names = join([*first, *([counted(n - NAMED_IN_SENTENCE, "more method")] if n > NAMED_IN_SENTENCE else [])])
    return [
        Markup.escape(
            f"Compared on the {grid} that {methods} of {methods + n} methods have: {names} "
            f"{plural(n, 'lacks', 'lack')} some of these runs."
        )
    ]


def _best(view: OverviewView, found: best_method.Answer) -> Markup:
    assert found.leader is not None
    digits = _digits(found)
    value = f"{_score(found.averages[found.leader], digits)} %"
    name, phrase, where = view.names[found.leader], PHRASES[found.measure], _datasets(view)
    if found.lead is None:
        return Markup("<b>{}</b> is the only complete method: mean {} {} on {}.").format(name, phrase, value, where)
    reference, lead = _inline(view, found.lead.reference), found.lead
    others = f"{_score(found.averages[lead.reference], digits)} %"
    if points(lead.mean) == "0.0" and others == value:
        return Markup("<b>{}</b> and <b>{}</b> are level on {}: mean {} {}.").format(
            name, reference, where, phrase, value
        )
    if found.leader == view.table.baseline:
        text = Markup("No method beats <b>{}</b> on average: mean {} {} on {}. Nearest is {}, <b>{}</b> points{}.")
        ends = "" if lead.over_datasets is None else f" (95 % interval {interval(*_reverse(lead.over_datasets))})"
        sentence = text.format(_inline(view, found.leader), phrase, value, where, reference, points(-lead.mean), ends)
        if found.best_on_hard is not None:
            key, gain = found.best_on_hard
            hard = Markup(" On the {} datasets the best is {}, <b>{}</b>.")
            sentence += hard.format(_named(view, len(view.groups[2]), "hard"), view.names[key], points(gain))
        return sentence
    beside = f", {reference} {others}" if _adds_up(found, lead) else ""
    text = Markup("<b>{}</b> has the highest mean {} on {}: <b>{}</b>{}. {}")
    return text.format(name, phrase, where, value, beside, _gain(view, lead))


def _adds_up(found: best_method.Answer, lead: best_method.Lead) -> bool:
    """Whether the two averages differ by the mean gain; an H of averages, as papers print it, need not."""
    assert found.leader is not None
    shown = [100 * found.averages[key] for key in (found.leader, lead.reference)]
    return abs(shown[0] - shown[1] - 100 * lead.mean) < 0.1


def _score(fraction: float, digits: int) -> str:
    """A score in per cent; one digit is rounded from hundredths, as on the map."""
    return unsigned(fraction) if digits == 1 else percent(fraction, digits)


def _digits(found: best_method.Answer) -> int:
    """Decimals of the two averages: two where rounding to one would contradict the gain."""
    if found.leader is None or found.lead is None:
        return 1
    first, second = (float(unsigned(found.averages[key])) for key in (found.leader, found.lead.reference))
    agree = f"{abs(first - second):.1f}" == unsigned(abs(found.lead.mean))
    return 1 if agree or not _adds_up(found, found.lead) else 2


def _gain(view: OverviewView, lead: best_method.Lead) -> Markup:
    """The mean difference with its two intervals, and the dataset that it hangs on."""
    what = "gain" if lead.reference == view.table.baseline else "lead"
    here = "" if lead.over_seeds is None else f"{interval(*lead.over_seeds)} over seeds and images"
    if lead.over_datasets is None:
        return Markup("Its {} is <b>{}</b>{}.").format(what, points(lead.mean), here and f" (95 % interval {here})")
    both = Markup("95 % interval {}<b>{}</b> over datasets of this kind").format(
        here and f"{here}, ", interval(*lead.over_datasets)
    )
    if lead.over_datasets[0] <= 0:
        end = Markup("of <b>{}</b> <b>is not clear</b>: {}.").format(points(lead.mean), both)
    else:
        end = Markup("is <b>{}</b> ({}).").format(points(lead.mean), both)
    text = Markup("It is ahead on {} of {}. Its {} {}").format(lead.ahead, lead.n, what, end)
    if lead.without is not None:
        dataset, mean = lead.without
        text += Markup(" Without {}, the {} is <b>{}</b>.").format(view.title(dataset), what, points(mean))
    return text


def _others(view: OverviewView, found: best_method.Answer) -> list[Markup]:
    """The next best method, and those that are not significantly lower, on these datasets and on others."""
    if found.lead is None or not found.behind:
        return []
    here, elsewhere = found.open_here, found.open_elsewhere
    tested, following = found.lead.over_seeds is not None, next(iter(found.behind))
    sentences = []
    if following != found.lead.reference:
        sentences.append(f"Next is {_inline(view, following)}, {unsigned(-found.behind[following][0])} lower.")
    assert found.leader is not None
    leader = _inline(view, found.leader)
    parts = [_may_match(view, found, here, found.lead.over_seeds, f"{leader} here")] if tested else []
    if found.lead.n > 1:
        whom = "it elsewhere" if tested else f"{leader} on other datasets of this kind"
        parts.append(_may_match(view, found, elsewhere, found.lead.over_datasets, whom))
    if tested and found.lead.n > 1 and set(here) == set(elsewhere):
        whom = f"{leader} here {'and' if here else 'or'} elsewhere"
        both = {_may_match(view, found, here, ends, whom) for ends in (found.lead.over_seeds, found.lead.over_datasets)}
        parts = list(both) if len(both) == 1 else parts
    if parts:
        start = "No clear winner: " if here or (elsewhere and not tested) else ""
        sentence = f"{start}{'; '.join(parts)}."
        sentences.append(sentence[0].upper() + sentence[1:])
    return [Markup.escape(sentence) for sentence in sentences]


def _may_match(
    view: OverviewView, found: best_method.Answer, keys: Sequence[str], ends: tuple[float, float] | None, whom: str
) -> str:
    """How many other methods may be as good as the best one, and whether zero-shot is among them.

    `whom` is the best method, and where they may match it. `ends` is the interval of the gain over zero-shot. Where it
    lies above 0, zero-shot can be among them only because several comparisons are made, and the sentence says so.
    """
    n = len(found.behind)
    if not keys:
        return f"no other method matches {whom}"
    if len(keys) == 1:
        return f"{_inline(view, keys[0])} may match {whom}"
    every = "both others" if n == 2 else f"all {n} others"
    some = every if len(keys) == n else f"{len(keys)} of {n} others"
    assert found.lead is not None
    if found.lead.reference == view.table.baseline and view.table.baseline in keys and ends is not None and ends[0] > 0:
        return f"{some} may match {whom}, allowing for the number of comparisons"
    among = ", zero-shot CLIP included," if view.table.baseline in keys and len(keys) < n else ""
    return f"{some}{among} may match {whom}"


def _hard(view: OverviewView, found: best_method.Answer) -> list[Markup]:
    """Gains by difficulty, and one conclusion from the test of the groups and the line over all datasets."""
    if found.groups is None:
        return []
    part = found.groups
    gains = [f"<b>{points(part.on_easy)}</b> on the {_named(view, part.n_easy, 'easy')}"]
    if part.on_medium is not None:
        gains.append(f"<b>{points(part.on_medium)}</b> on {part.n_medium} medium")
    gains.append(f"<b>{points(part.on_hard)}</b> on the {_named(view, part.n_hard, 'hard')}")
    start = Markup("By difficulty:")
    if found.leader is not None and found.leader != view.table.baseline:
        start = Markup("By difficulty, {} gains").format(view.names[found.leader])
    return [Markup("{} {}; {}.").format(start, Markup(", ".join(gains)), trend_text(view, part.trend))]


def trend_text(view: OverviewView, trend: difficulty_trend.Trend | None) -> str:
    """What the line over all datasets shows, with its number of datasets, and the dataset that carries it."""
    if trend is None:
        return "no trend is shown"
    over = f"({counted(trend.n, 'dataset')})"
    if trend.verdict not in difficulty_trend.SIGNIFICANT:
        return f"the gain has no significant trend with difficulty {over}"
    titles = {dataset.name: dataset.title for dataset in view.datasets}
    carried = f", which {titles.get(trend.carrier, trend.carrier)} alone carries" if trend.carrier else ""
    return f"the gain {trend.verdict} with difficulty {over}{carried}"


def _reverse(ends: tuple[float, float]) -> tuple[float, float]:
    return -ends[1], -ends[0]


def _named(view: OverviewView, n: int, kind: str) -> str:
    """The size and name of a group: 4 hardest, or 3 hard where the user named the datasets."""
    superlative = {"hard": "hardest", "easy": "easiest"}[kind]
    return f"{n} {kind if view.named_groups else superlative}"


def _datasets(view: OverviewView) -> str:
    return "this dataset" if len(view.datasets) == 1 else f"these {len(view.datasets)} datasets"
