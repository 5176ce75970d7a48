"""The data of the page as one compact JSON, from which scripts render every table, chart and export.

Accuracies are integers in 0.01 %, means over seeds. Methods and datasets are identified by their number in their
setting.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from bench.analysis import (
    Entry,
    classes_of,
    dataset_difficulty,
    seen_datasets,
)
from bench.papers import DatasetFacts
from bench.spec import learned_texts, shots_value
from reports._format import brief, unbroken
from reports.charts.svg_file import svg_file
from reports.map.figure import map_svg
from reports.map.gain_map import gain_map, letters
from reports.map.html import map_html
from reports.map.pairs import first_pair, means_data, orders, pairs_data
from reports.page_file import page_environment
from reports.parts.comparisons import pairs_parts, shots_parts, with_other_shots
from reports.parts.cost import cost_parts
from reports.parts.error_analysis import cell_rows, list_rows
from reports.parts.leaderboard import badges, leaderboard_parts
from reports.parts.part import Part, numbered, without_folds, without_pictures
from reports.parts.published import published_parts, reproduction_parts, sources_parts
from reports.parts.runs import runs_parts
from reports.sentences import caveats, scope_link, seen_mark, small_print, take
from reports.tables.page_table import whole_sides
from reports.titles import SCORE_TITLES
from reports.verdict_sentences import headline, known_lines
from reports.views import AnyBoardView, BoardView, OverviewView, PublishedBoardView, SiteView


def page_data(site: SiteView, first: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON block, and by name the data that scripts unpack on demand.

    The block has `settings` by anchor, facts about methods and datasets, and parts of sections without a setting. The
    rest is the content of folds, errors and texts to copy by setting, the lists of classes, and static
    charts. `first` is the number of the setting that the page is written with.
    """
    overviews = site.overviews
    boards: Sequence[AnyBoardView] = [*site.boards, *site.published_boards]
    by_anchor = {board.anchor: board for board in boards}
    home = overviews[first].anchor if overviews else ""
    evidence: dict[str, Any] = {board.anchor: _evidence(board, site) for board in boards}
    views = {view.anchor: view for view in overviews}
    settings = {view.anchor: _setting(view, by_anchor[view.anchor], home) for view in overviews}
    details: list[Any] = []
    drawings: list[str] = []
    for anchor, setting in settings.items():
        folds = evidence[anchor]["folds"]
        related = [by_anchor[other["anchor"]] for other in with_other_shots(setting, settings)]
        if curves := shots_parts(views[anchor], related):
            setting["sections"]["leaderboard"][:0] = curves
        setting["sections"] = {
            name: without_folds(without_pictures(parts, drawings), folds) for name, parts in setting["sections"].items()
        }
        for method in setting["methods"]:
            method["settings"] = numbered(method.get("settings", []), details)
        for dataset in setting["datasets"]:
            if "overlap" in dataset:
                dataset["overlap"] = numbered(dataset["overlap"], details)
    if site.error_analysis.lists:
        evidence["lists"] = list_rows(site.error_analysis, site.catalogue)
    sections = {"published": reproduction_parts(site.reproduction, site.unmatched, site.catalogue)}
    if site.sources:
        sections["published_sources"] = sources_parts(site.sources)
    sections |= {part.name: list(part.parts) for part in site.added}
    sections = {name: without_pictures(parts, drawings) for name, parts in sections.items()}
    if drawings:
        evidence["drawings"] = drawings
    block = {
        "first": home,
        "titles": SCORE_TITLES,
        "settings": settings,
        "details": details,
        "methods": {
            entry.method: [
                (facts := site.catalogue.method(entry.method)).summary,
                facts.citation,
                _links(facts.paper, facts.code),
            ]
            for board in site.boards
            for entry in board.board.entries
        },
        "datasets": {d.name: _facts(d) for board in boards for d in board.datasets if isinstance(d, DatasetFacts)},
        "sections": sections if site.boards or site.sources else {},
    }
    return block, evidence


def _evidence(board: AnyBoardView, site: SiteView) -> dict[str, Any]:
    evidence: dict[str, Any] = {"folds": {}}
    if isinstance(board, BoardView):
        view = next(overview for overview in site.overviews if overview.anchor == board.anchor)
        gains = gain_map(view, view.table.measures[-1])
        evidence["exports"] = {**board.exports, "SVG": svg_file(map_svg(gains, gains.rows), ".svg").decode()}
        if site.error_analysis.lists:
            evidence["errors"] = cell_rows(board, site.error_analysis)
    return evidence


def pictures_data(site: SiteView) -> dict[str, Any]:
    """Images as data URIs: examples by dataset, with their class names, and hard images by list of classes."""
    datasets = {d.name: d for board in site.boards for d in board.datasets}
    return {
        "examples": {name: d.examples for name, d in datasets.items() if d.examples},
        "lists": {item.key: list(item.pictures) for item in site.error_analysis.lists},
    }


def packed_text(text: str) -> str:
    """Text as base64 of its zlib stream, which browsers unpack without a library."""
    return base64.b64encode(zlib.compress(text.encode(), level=9)).decode()


def _setting(view: OverviewView, board: AnyBoardView, home: str) -> dict[str, Any]:
    keys, names = list(view.names), list(view.table.datasets)
    stated = board.datasets if isinstance(board, BoardView) else ()
    overlap: dict[str, dict[str, Any]] = {
        dataset.name: {"overlap": [["Overlap with pretraining", text] for text in dataset.overlap]}
        for dataset in stated
        if dataset.overlap
    }
    for dataset in stated:
        if dataset.seen is not None and seen_datasets.is_seen(dataset.seen):
            overlap[dataset.name] |= {"seen": [seen_mark(dataset.seen), dataset.seen.statement]}
    suffix = "" if view.anchor == home else f"&setting={quote(view.anchor, safe='')}"
    setting: dict[str, Any] = {
        "anchor": view.anchor,
        "heading": facts_line(view),
        "title": board.heading,
        "facets": _facets(board, view),
        "whole": int(view.whole),
        "baseline": _place(keys, view.table.baseline),
        "methods": [_method(view, board, key, suffix) for key in keys],
        "datasets": [
            {"name": d.name, "title": d.title, "address": f"dataset={quote(d.name, safe='')}{suffix}"}
            | overlap.get(d.name, {})
            for d in view.datasets
        ],
        "measures": list(view.table.measures),
        "axes": [[axis.name, axis.title] for axis in view.axes if axis.name != dataset_difficulty.RTD],
        "means": {measure: means_data(view, measure) for measure in view.table.measures},
        "pairs": {measure: pairs_data(view.answers[measure].verdict, keys) for measure in view.table.measures},
    }
    setting["answers"] = {
        measure: _answer(view, measure, keys, names) | _map(view, measure, setting) for measure in view.table.measures
    }
    if isinstance(board, BoardView):
        setting |= {
            "runs": [
                [[run and run[:SHOWN_DIGITS] for run in view.table.array.runs(key, name)] for name in names]
                for key in keys
            ],
            "reach": {measure: [_reach(board, key, measure, names) for key in keys] for measure in view.table.measures},
        }
    setting["difficulty"] = _difficulty(board, names)
    setting["sections"] = _sections(view, board)
    return setting


SHOWN_DIGITS = 6
"""First digits of a run id that the page shows."""


def _map(view: OverviewView, measure: str, setting: dict[str, Any]) -> dict[str, str]:
    """The map of a score as HTML, and what to take."""
    gains = gain_map(view, measure)
    drawn = map_html(page_environment(), gains, setting["methods"], setting["datasets"], view.anchor)
    return {"map": unbroken(drawn), "take": str(unbroken(take(view, measure)))}


def facts_line(view: OverviewView) -> str:
    """What the page shows, beside its name; a demo says first that it is one."""
    source = "Measured runs: "
    if view.demo is not None:
        source = f"Demo{' on synthetic images' if view.demo.synthetic else ''}, short training: "
    elif view.board is None:
        return "Published numbers, none measured by this project"
    return f"{source}{view.setting}, {view.backbone}"


def _sections(view: OverviewView, board: AnyBoardView) -> dict[str, list[Part]]:
    if isinstance(board, PublishedBoardView):
        return {"published_boards": published_parts(board)}
    return {
        "leaderboard": leaderboard_parts(board, view),
        "head_to_head": pairs_parts(board),
        "cost": cost_parts(board),
        "runs": runs_parts(board),
    }


def _facets(board: AnyBoardView, view: OverviewView) -> list[str]:
    """Backbone, protocol, shots, draw and compared runs, which identify a setting in the chooser."""
    draw, scope = "", "all"
    if view.board is not None:
        setting, common = view.board.setting, view.board.common
        learned = [setting.draw, *learned_texts(setting.learned)]
        draw = ", ".join(filter(None, [*learned, setting.precision]))
        shared = "" if common is None else f"shared by {'most' if common.without else 'all'} methods"
        scope = ", ".join(filter(None, [shared, "without code of others" if view.own else ""])) or "all"
    shots = board.board.setting.shots if isinstance(board, BoardView) else board.board.shots
    return [view.backbone, board.protocol_title, str(shots_value(shots)), draw, scope]


def _method(view: OverviewView, board: AnyBoardView, key: str, suffix: str) -> dict[str, Any]:
    address, name, family = f"method={quote(key, safe='')}{suffix}", view.names[key], view.families[key]
    facts: dict[str, Any] = {"key": key, "name": name, "title": name, "label": "", "family": family, "badges": []}
    facts["address"] = address
    if isinstance(board, BoardView):
        entry = board.board.entry(key)
        facts["title"], facts["label"] = view.catalogue.method(entry.method).title, entry.label
        facts |= {"badges": badges(entry, board), "method": entry.method}
        facts |= {
            "n": entry.coverage,
            "expected": entry.planned,
            "settings": _settings(entry, board.differing.get(key), board.settings_file),
        }
    if uses := ", ".join(view.uses.get(key, ())):
        if view.board is None:
            facts["title"] = name.removesuffix(f" [{uses}]")
        facts |= {"badges": [*facts["badges"], ["uses", uses, USES_HINT]], "inputs": letters(view.uses[key])}
    return facts


USES_HINT = "What the method sees besides the labelled images"
MOST_SETTINGS = 100
"""Settings of a method that the page lists."""


def _settings(entry: Entry, differing: frozenset[str] | None, file: str) -> list[list[Any]]:
    """Settings as a name, a text, and whether it is not the published one; `differing` is None if that is not known.

    With a file of all settings, the others are left out, and the list says where they are.
    """
    changed, values = differing or frozenset(), entry_settings(entry)
    if file and differing is not None:
        values = {name: value for name, value in values.items() if name in changed or name == "recipe"}
    rows = [
        [name, brief(value if isinstance(value, str) else json.dumps(value)), int(name in changed)]
        for name, value in list(values.items())[:MOST_SETTINGS]
    ]
    if file:
        rows.append(["other settings", f"in {file}, beside this page", 0])
    elif len(values) > MOST_SETTINGS:
        rows.append(["other settings", f"{len(values) - MOST_SETTINGS} more", 0])
    return rows


def entry_settings(entry: Entry) -> dict[str, Any]:
    """Config and recipe by name."""
    config = {f"config.{name}": value for name, value in sorted(entry.config.items())}
    named = {"recipe": entry.recipe_name} if entry.recipe_name else {}
    return config | named | {f"recipe.{name}": value for name, value in sorted((entry.recipe or {}).items())}


def _reach(board: BoardView, key: str, measure: str, names: Sequence[str]) -> list[int | list[int] | None]:
    """Distances to the ends of the interval of an entry's score on each dataset, in 0.01 %."""
    scores = [board.board.score(key, name, measure) for name in names]
    return [None if score is None else whole_sides(score) for score in scores]


def _difficulty(board: AnyBoardView, names: Sequence[str]) -> dict[str, Any]:
    """Difficulty by measure: for each dataset its values on all, base and new classes."""
    datasets = {dataset.name: dataset for dataset in board.datasets}
    by_title: dict[str, dict[str, Mapping[str, float]]] = {}
    for name in names:
        dataset = datasets.get(name)
        for title, values in dataset.measures.items() if isinstance(dataset, DatasetFacts) else ():
            by_title.setdefault(title, {})[name] = values
    return {
        title: [[_short(by_name.get(name, {}).get(s)) for s in ("all", "base", "new")] for name in names]
        for title, by_name in by_title.items()
    }


def _links(paper: str, code: str) -> list[list[str]]:
    """Paper and code of a method with their addresses; empty texts have none."""
    links = [["Paper", _paper_address(paper)]] if paper else []
    return links + ([["Code", f"https://github.com/{code}"]] if code else [])


def _paper_address(paper: str) -> str:
    """The address of a paper that a method names: an arXiv id, `openreview:ID`, `doi:ID` or an address."""
    kind, _, name = paper.partition(":")
    sites = {"openreview": f"https://openreview.net/forum?id={name}", "doi": f"https://doi.org/{name}"}
    return sites.get(kind) or (paper if "/" in paper else f"https://arxiv.org/abs/{paper}")


def _facts(dataset: DatasetFacts) -> dict[str, Any]:
    facts = {"title": dataset.title, "summary": dataset.summary, "domain": dataset.domain, "licence": dataset.licence}
    return facts | {"homepage": dataset.homepage}


def _answer(view: OverviewView, measure: str, keys: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    answer = view.answers[measure]
    split = classes_of(measure)
    a, _ = first_pair(view, answer)
    return {
        "headline": unbroken(headline(view, measure).claim),
        "known": str(unbroken(known_lines(view, measure))),
        "caveats": str(unbroken(caveats(view, measure)) + scope_link(view)),
        "small": str(unbroken(small_print(view, measure))),
        "a": _place(keys, a),
        "orders": orders(view, measure),
        "classes": [dataset.n_classes.get(split) for dataset in view.datasets],
        "zeroShot": [_short(view.table.zero_shot.get(name, {}).get(split)) for name in names],
    }


def _place(keys: Sequence[str], key: str | None) -> int | None:
    return None if key is None else keys.index(key)


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
