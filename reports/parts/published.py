"""Boards of published numbers, and published numbers beside those of the runs."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from bench.analysis import H, measure_name
from bench.papers import (
    MARGIN,
    Catalogue,
    PrintedNumber,
    PublishedRow,
    ReproductionRow,
    count_verdicts,
)
from bench.score_texts import percent
from reports._format import counted, shorten
from reports._format import signed_points as points_text
from reports.parts.part import Part, fold, html, paragraph, table
from reports.tables.page_table import FIRST_ROWS, Column, Table, TableCell, cell, percent_cell, whole
from reports.titles import score_title
from reports.views import PublishedBoardView

_SOURCES = Markup(
    '<table><thead><tr><th scope="col" class="num rank">#</th><th scope="col" class="text">Publication</th>'
    '<th scope="col" class="text">Table</th><th scope="col" class="num">Numbers</th></tr></thead>'
    "<tbody>{}</tbody></table>"
)
_SOURCE = Markup(
    '<tr id="source-{}"><td class="num rank">{}</td><td class="text why">{}{}{}</td><td class="text why">{}</td>'
    '<td class="num">{}</td></tr>'
)


def sources_parts(sources: Mapping[int, Sequence[PrintedNumber]]) -> list[Part]:
    """The tables that numbers come from, with their known errors; the content of a fold."""
    rows = Markup("").join(
        _SOURCE.format(
            place,
            place,
            numbers[0].reported_in,
            _address(numbers[0].url),
            Markup("").join(
                Markup('<span class="erratum">{}</span>').format(note)
                for note in sorted({number.note for number in numbers if number.note})
            ),
            numbers[0].source_table,
            len(numbers),
        )
        for place, numbers in sources.items()
    )
    return [fold("sources", "Papers and tables", counted(len(sources), "table"), [html(_SOURCES.format(rows))])]


def _address(url: str) -> Markup:
    """A link, if the address is one of the web; else its text."""
    if url.startswith(("https://", "http://")):
        return Markup('<a class="need" href="{0}" rel="noopener noreferrer">{0}</a>').format(url)
    return Markup('<span class="need">{}</span>').format(url) if url else Markup("")


def published_parts(view: PublishedBoardView) -> list[Part]:
    """The parts of the section of boards."""
    methods = len({_title(view, row) for row in view.board.rows})
    rows, datasets = counted(len(view.board.rows), "table row"), counted(len(view.datasets), "dataset")
    facts = f"{rows} · {counted(methods, 'method')} · {datasets}"
    note = (
        "Each row is one method with the numbers that most tables agree on, or else those of its own paper. The "
        "numbers in brackets link to all its tables; Range spans their lowest and highest mean. Rows are ordered by "
        "mean. The tables do not report variation over seeds, so no difference on these datasets is tested. Hatched: "
        "the table lacks some datasets, so the mean covers fewer datasets."
    )
    if "H" in view.board.measures:
        note += " H is the harmonic mean of the average base and average new accuracy."
    title = score_title(view.board.measures[-1])
    origin = (
        "Published results of few-shot adaptation of CLIP, as papers and their repositories report them. Nothing on "
        "this page was measured by this project. Different tables come from different authors and different runs. "
        "Rows that repeat one another are shown once, with all their sources."
    )
    return [
        paragraph(origin),
        paragraph(facts, "facts"),
        paragraph(note),
        fold(f"{view.anchor}-means", "Every method", "means, inputs and tables", [table(_means_table(view))]),
        fold(f"{view.anchor}-wide-fold", "Dataset by dataset", title, [table(_datasets_table(view))]),
    ]


def _means_table(view: PublishedBoardView) -> Table:
    main = view.board.measures[-1]
    columns = [Column("Method", "text")]
    hint = "Mean over the datasets in the table, %"
    columns += [Column(measure_name(measure).title(), "percent", hint) for measure in view.board.measures]
    columns += [
        Column("Range", "text", f"Lowest and highest {measure_name(main)} in tables with as many datasets, %"),
        Column("Uses", "text", "What the method sees besides the labelled images"),
        Column("Datasets", "of", "Datasets in the table, of those on this leaderboard"),
        Column("Tables", "sources"),
    ]
    rows: list[list[TableCell]] = []
    methods = by_method(view)
    for row, tables in methods:
        gap = "" if row.complete else " gap"
        means = [
            percent_cell(row.averages[measure], classes=f"{'key' if measure == main else ''}{gap}")
            if measure in row.averages
            else None
            for measure in view.board.measures
        ]
        sources = sorted({number for item in tables for number in item.sources})
        notes = " ".join(dict.fromkeys(note for item in tables for note in item.notes))
        rows.append(
            [
                cell(_title(view, row), view.catalogue.family(row.method)),
                *means,
                _range(row, tables, main),
                "unknown" if row.uses is None else ", ".join(row.uses),
                cell([row.n, row.expected], None, "", gap),
                cell(list(sources), notes),
            ]
        )
    families = [view.catalogue.family(row.method) or "other" for row, _ in methods]
    return Table(f"{view.anchor}-table", columns, rows, first=FIRST_ROWS, filters=families)


def by_method(view: PublishedBoardView) -> list[tuple[PublishedRow, list[PublishedRow]]]:
    """Each method once with its rows, those that use only the labelled images first, by decreasing mean.

    The first of a pair is the row that stands for the method.
    """
    rows_by_title: dict[str, list[PublishedRow]] = {}
    for row in view.board.rows:
        rows_by_title.setdefault(_title(view, row), []).append(row)
    measure = view.board.measures[-1]
    main = [(max(rows, key=PublishedRow.preference), rows) for rows in rows_by_title.values()]

    def order(pair: tuple[PublishedRow, list[PublishedRow]]) -> tuple[bool, bool, float, str]:
        row = pair[0]
        return not row.complete, not row.plain, -row.averages.get(measure, -1.0), _title(view, row)

    return sorted(main, key=order)


def _title(view: PublishedBoardView, row: PublishedRow) -> str:
    return view.catalogue.row_title(row.method, row.label)


def _range(row: PublishedRow, tables: list[PublishedRow], measure: str) -> str:
    """The lowest and highest mean of the tables with as many datasets; empty if they agree."""
    means = [percent(item.averages[measure], 1) for item in tables if item.n == row.n and measure in item.averages]
    ends = sorted(set(means), key=float)
    return f"{ends[0]} to {ends[-1]}" if len(ends) > 1 else ""


def _datasets_table(view: PublishedBoardView) -> Table:
    measure = view.board.measures[-1]
    columns = [Column("Method", "text"), *(Column(dataset.title, "percent") for dataset in view.datasets)]
    rows: list[list[TableCell]] = []
    for row in view.board.rows:
        values = [_value(row, dataset.name, measure) for dataset in view.datasets]
        rows.append([f"{_title(view, row)} [{', '.join(map(str, row.sources))}]", *values])
    return Table(f"{view.anchor}-wide", columns, rows, first=FIRST_ROWS)


def _value(row: PublishedRow, dataset: str, measure: str) -> TableCell:
    scores = row.values.get(dataset, {})
    if measure not in scores:
        return cell(None, None, "", "gap")
    tip = ""
    if measure == "H" and "base" in scores:
        tip = f"base {percent(scores['base'])}, new {percent(scores['new']) if 'new' in scores else '–'}"
    return percent_cell(scores[measure], tip=tip)


def reproduction_table(rows: Sequence[ReproductionRow], catalogue: Catalogue) -> Table:
    """Published numbers and ours, largest differences first."""
    columns = [
        Column("Method", "text"),
        Column("Dataset", "text"),
        Column("Published", "percent"),
        Column("Elsewhere", "text", "Lowest and highest value that other tables print, whatever their training"),
        Column("Ours", "percent"),
        Column("Difference", "word", "Ours minus published, in points, with the 95 % interval; sorts by size"),
        Column("Seeds"),
        Column("Verdict", "badge"),
        Column("Source and notes", "text", "", "why source"),
    ]
    return Table(
        "reproduction-table",
        columns,
        [_reproduction_row(row, catalogue) for row in rows],
        first=FIRST_ROWS,
        filters=[row.verdict for row in rows],
        filter_name="Verdict",
    )


def _reproduction_row(row: ReproductionRow, catalogue: Catalogue) -> list[TableCell]:
    split = row.split if row.split == H else f"{row.split} classes"
    split += f", {row.convention.replace('_', ' ')}" if row.convention else ""
    ends = (
        ""
        if row.low is None or row.high is None
        else f"95 % interval {points_text(row.low)} to {points_text(row.high)}"
    )
    more = f"and {len(row.sources) - 1} more with the same number" if len(row.sources) > 1 else ""
    notes = ". ".join(part for part in (more, row.note) if part)
    return [
        cell(
            entry_key_title(row.entry, row.method, catalogue),
            f"{row.protocol}, {counted(row.shots, 'shot')}, {row.backbone}",
        ),
        cell(catalogue.dataset(row.dataset).title, split),
        percent_cell(row.published),
        _elsewhere(row),
        percent_cell(row.ours, tip=f"runs {' '.join(row.run_ids)}"),
        cell(whole(abs(row.difference)), points_text(row.difference), ends, "key"),
        row.n,
        row.verdict,
        cell(row.sources[0], notes, "; ".join(row.sources) if len(row.sources) > 1 else ""),
    ]


def _elsewhere(row: ReproductionRow) -> str:
    """The lowest and highest value that other tables print; empty if none differs."""
    ends = [percent(value) for value in (row.printed_elsewhere[:1] + row.printed_elsewhere[-1:])]
    return " to ".join(dict.fromkeys(ends))


def reproduction_parts(
    rows: Sequence[ReproductionRow] | None, without: Sequence[tuple[str, str]], catalogue: Catalogue
) -> list[Part]:
    """The parts of the section that compares with published numbers; `without` are the entries that have none."""
    if rows is None:
        text = "This page was made without published numbers; <code>etl-bench report</code> includes them."
        return [paragraph(Markup(text), "missing")]
    unmatched = shorten(", ".join(entry_key_title(key, method, catalogue) for key, method in without), 400)
    accuracies = [row for row in rows if row.measure == "accuracy"]
    if not accuracies:
        methods = f" Methods of these runs: {unmatched}." if unmatched else ""
        text = Markup(
            "No published number matches these runs in method, protocol, backbone, shots, dataset and classes.{} "
            "<code>etl-bench papers published --list method</code> lists published methods, and <code>etl-bench report "
            "--source published</code> makes a page of published numbers."
        ).format(methods)
        return [paragraph(text, "missing")]
    counts = Markup(", ").join(Markup("<b>{}</b> {}").format(n, verdict) for verdict, n in count_verdicts(rows).items())
    note = Markup(
        "Ours minus published, in points, largest differences first. One number counts for each method, dataset and "
        "split: that of the method's own paper or official code, else the one that most tables print, else a run by "
        "others. Elsewhere is the range of the other printed values. <em>Reproduced</em>: our mean is within {} point "
        "of the published number by two one-sided tests. <em>Not reproduced</em>: our whole 95 % interval lies "
        "outside that margin. <em>Under-powered</em>: neither, so more seeds are needed. "
        "<em>Protocol differs</em>: our run does not use the published settings. Published numbers are treated as "
        "exact, since almost no paper reports their variation.{}"
    ).format(percent(MARGIN, 0), f" Methods without published numbers: {unmatched}." if unmatched else "")
    content = [paragraph(note), table(reproduction_table(accuracies, catalogue))]
    return [
        paragraph(counts + ".", "answer"),
        fold("reproduction", "Number by number", "differences, verdicts and sources", content),
    ]


def entry_key_title(key: str, method: str, catalogue: Catalogue) -> str:
    """The title of a method with the settings in the key of its entry, as in `CoOp [n_ctx=4]`."""
    return f"{catalogue.method(method).title} {key.removeprefix(method).strip()}".strip()
