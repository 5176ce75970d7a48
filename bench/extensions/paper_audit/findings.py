"""The findings of an audit, and their sentences. They say what numbers can and cannot carry, and judge no paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench._util.words import counted
from bench.analysis import H, score_texts
from bench.extensions.paper_audit.baselines import Baseline, Reading, recipe_text
from bench.extensions.paper_audit.chance import DISCORDANCE, MOST_SEEDS, SeedsToSettle
from bench.extensions.paper_audit.printed import PrintedTable
from bench.papers import Mismatch

_SHOWN = 6
"""Findings of one kind that are listed; the others are counted."""
_BY_SEEDS = 0.1
"""Points by which a mean of H over seeds may differ from H of the means."""
_PUBLISHED = "published"
WITHIN = "within chance"


@dataclass(frozen=True)
class Gain:
    """The claimed method minus another row by one measure, in points, and what chance makes it.

    Args:
        reach: half of the 95 % interval of a difference by chance alone.
        images: that of the test images alone.
        seeds_known: whether `reach` includes the spread between seeds.
    """

    points: float
    reach: float
    images: float
    seeds_known: bool = True

    @property
    def beyond(self) -> bool:
        """Whether it is known to be larger than chance makes it, in either direction."""
        return self.seeds_known and abs(self.points) > self.reach

    @property
    def verdict(self) -> str:
        """How it stands to chance."""
        if abs(self.points) <= self.reach:
            return WITHIN
        return "beyond chance" if self.seeds_known else "open, since the spread between seeds is not known"

    @property
    def text(self) -> str:
        """The gain; a star marks one beyond chance."""
        return f"{score_texts.signed(self.points)}{'*' if self.beyond else ''}"


@dataclass(frozen=True)
class RowFindings:
    """What is found about one row.

    Args:
        means: by measure, in per cent; empty if it lacks a number.
        gains: of the claimed row over this one, by measure; empty for the claimed row itself.
        uses: what it sees besides the labelled images; None if that is not known.
    """

    label: str
    method: str
    means: Mapping[str, float]
    baseline: Baseline
    uses: tuple[str, ...] | None
    gains: Mapping[str, Gain]


@dataclass(frozen=True)
class Audit:
    """The audit of a printed table.

    Args:
        claim: label of the row whose gain is examined; empty if none is.
        rival: label of the row that it is compared with.
        chosen: why this row is the claim.
        checked: numbers that were compared with others of their row; `arithmetic` has those that disagree.
        seeds: of each number; `seeds_stated` says whether the source states them.
        settle: by measure, seeds that would settle a gain within chance.
        commands: that run it here.
        missing: why a method cannot be run here.
        uncounted: datasets whose number of test images is not known, so that chance is not either.
    """

    table: PrintedTable
    claim: str
    rival: str
    chosen: str
    rows: tuple[RowFindings, ...]
    checked: int
    arithmetic: tuple[tuple[str, Mismatch], ...]
    seeds: int
    seeds_stated: bool
    spread_source: str
    settle: Mapping[str, SeedsToSettle]
    commands: tuple[str, ...]
    missing: tuple[str, ...]
    uncounted: tuple[str, ...] = ()

    def row(self, label: str) -> RowFindings:
        """The findings about a row."""
        return next(row for row in self.rows if row.label == label)

    @property
    def gains(self) -> Mapping[str, Gain]:
        """Those of the claimed row over the rival, by measure."""
        return self.row(self.rival).gains if self.rival else {}

    @property
    def unequal(self) -> tuple[str, ...]:
        """Labels of rows that see less than the claimed one, in a way that is known."""
        own = self._uses(self.claim)
        others = [row for row in self.rows if row.label != self.claim and row.uses is not None]
        return tuple(row.label for row in others if own and not set(own) <= set(row.uses or ()))

    def _uses(self, label: str) -> tuple[str, ...] | None:
        return self.row(label).uses if label else None

    @property
    def title(self) -> str:
        """What was read."""
        table = self.table
        datasets, shots = counted(len(table.averaged), "dataset"), counted(table.shots, "shot")
        return f"{counted(len(table.rows), 'method')}, {datasets}, {table.protocol}, {shots}, {table.backbone}"

    def sections(self) -> dict[str, list[str]]:
        """The findings as sentences by heading."""
        return {
            "Arithmetic": list(self._arithmetic()),
            "Baselines": list(self._baselines()),
            "Inputs": list(self._inputs()),
            "Gain and chance": list(self._gain()),
            "What would settle it": list(self._settle()),
            "Assumptions": list(self._assumptions()),
        }

    def table_rows(self) -> list[dict[str, object]]:
        """One row for each method, in the order of the table; columns that are empty are left out."""
        headings = [HEADINGS[measure] for measure in self.table.measures]
        ahead, shown = f"lead of {self.claim} ({', '.join(headings)})", HEADINGS[self.table.shown]
        rows: list[dict[str, object]] = [
            {
                "method": row.label,
                **{HEADINGS[measure]: _number(row.means.get(measure)) for measure in self.table.measures},
                ahead: ", ".join(gain.text for gain in row.gains.values()),
                f"{shown} in own paper": _number(row.baseline.own_paper),
                f"{shown} elsewhere (tables)": range_text(row.baseline),
                "beside other tables": str(reading_text(row.baseline)),
                "extra inputs": uses_text(row.uses),
            }
            for row in self.rows
        ]
        filled = [name for name in rows[0] if any(row[name] for row in rows)]
        return [{name: row[name] for name in filled} for row in rows]

    @property
    def below_table(self) -> str:
        """What has to be known to read the table; empty if there is nothing."""
        star = "* beyond chance. " if any(gain.beyond for row in self.rows for gain in row.gains.values()) else ""
        of_means = "H is that of the averages of base and new. " if H in self.table.measures else ""
        return f"{star}{of_means}Leads are taken before rounding." if self.gains else ""

    @property
    def answer(self) -> str:
        """The finding about the claim in one sentence; empty without a claim."""
        if not self.rival:
            return ""
        gain = self.gains[self.table.shown]
        verb = "is behind" if gain.points < 0 else "leads"
        inputs = ", and it sees more than that row does" if self.rival in self.unequal else ""
        return (
            f"{self.claim} {verb} {self._other}, by {abs(gain.points):.2f} points ({HEADINGS[self.table.shown]}): "
            f"{gain.verdict} (±{gain.reach:.2f} with {self._seeds}){inputs}."
        )

    @property
    def _other(self) -> str:
        best = next(row for row in self.table.complete if row.label != self.claim)
        which = "row that is not of this paper" if best.own else "row of a method in the ledger"
        lacking = " with all numbers" if len(self.table.complete) < len(self.table.rows) else ""
        return f"{self.rival}, the best {'other row' if best.label == self.rival else which}{lacking}"

    @property
    def _seeds(self) -> str:
        return f"{counted(self.seeds, 'seed')}{'' if self.seeds_stated else ', assumed'}"

    def to_json(self) -> dict[str, object]:
        """All findings as plain values; numbers in per cent and points."""
        table = self.table
        facts = (
            "name",
            "protocol",
            "backbone",
            "shots",
            "datasets",
            "averaged",
            "unknown",
            "place",
            "url",
            "errors",
            "notes",
        )
        return {
            "table": {name: getattr(table, name) for name in facts},
            "claim": self.claim,
            "rival": self.rival,
            "seeds": self.seeds,
            "seeds stated": self.seeds_stated,
            "numbers checked": self.checked,
            "arithmetic": self.arithmetic,
            "rows": self.rows,
            "unequal": self.unequal,
            "beyond chance": {measure: gain.beyond for measure, gain in self.gains.items()},
            "settle": self.settle,
            "commands": self.commands,
            "sentences": self.sections(),
        }

    def _arithmetic(self) -> Iterator[str]:
        found = sorted(self.arithmetic, key=lambda pair: -_size(pair[1]))
        if not self.checked:
            yield (
                "Not checked: no H and no average is printed with all numbers that it is of. Averages above are of the "
                "printed cells."
            )
        elif not found:
            yield f"No difference: {counted(self.checked, 'number')} (H and averages) agree with the rest of their row."
        else:
            large = sum(_size(one) > _BY_SEEDS for _, one in found)
            yield (
                f"{len(found)} of {counted(self.checked, 'number')} (H and averages) do not agree with the rest of "
                f"their row, {large} by more than {_BY_SEEDS:g}. Smaller differences can come from averages over "
                "seeds; a larger one may be a misprint."
            )
        known = {(one.label, one.split, one.dataset): one.text for one in self.table.errors}
        texts = [_mismatch_text(label, one, known.pop((label, one.split, one.dataset), "")) for label, one in found]
        yield from _first(texts)
        places: dict[str, list[str]] = {}
        for (label, _, dataset), text in known.items():
            places.setdefault(text, []).append(f"{label}, {dataset}")
        yield from _first(
            [f"Noted of {of[0] if len(of) == 1 else 'this table'}: {text}" for text, of in places.items()]
        )
        yield from self.table.notes
        if unknown := self.table.unknown:
            yield f"Datasets that are not known here, so only H and averages were checked: {', '.join(unknown)}."

    def _baselines(self) -> Iterator[str]:
        others = [row for row in self.rows if row.label != self.claim]
        for reading, what in _READINGS.items():
            if labels := [row.label for row in others if row.baseline.reading == reading]:
                yield f"{what}: {', '.join(labels)}."
        if unknown := [row.label for row in self.rows if not row.method]:
            yield f"Not known here, so not compared with other tables: {', '.join(unknown)}."
        for row in self.rows:
            if row.baseline.differing:
                differing = "; ".join(row.baseline.differing[:_SHOWN])
                yield f"{row.label} equals {row.baseline.same_as}, except {differing}."
        yield from self._recipes()

    def _recipes(self) -> Iterator[str]:
        """Rows that are not trained as published, here or in other tables, by recipe."""
        here: dict[str, list[str]] = {}
        for row in self.table.rows:
            if row.recipe not in ("", _PUBLISHED):
                here.setdefault(row.recipe, []).append(row.label)
        for recipe, labels in here.items():
            yield f"In this table with the recipe {recipe_text(recipe)}, not their published one: {', '.join(labels)}."
        changed = {label for labels in here.values() for label in labels}
        there: dict[str, list[str]] = {}
        for found in self.rows:
            for recipe, value in found.baseline.recipes:
                if recipe != _PUBLISHED or found.label in changed:
                    there.setdefault(recipe, []).append(f"{found.label} {value:.2f}")
        for recipe, texts in there.items():
            name = HEADINGS[self.table.shown]
            yield f"For comparison, {name} in other tables with the recipe {recipe_text(recipe)}: {', '.join(texts)}."

    def _inputs(self) -> Iterator[str]:
        others = [row for row in self.rows if row.label != self.claim]
        uses = self._uses(self.claim)
        if self.claim and uses is None:
            yield f"What {self.claim} sees besides the labelled images is not known here."
        elif self.claim:
            yield f"{self.claim} sees {f'also {uses_text(uses)}' if uses else 'only the labelled images'}."
        if len(self.unequal) == len(others):
            yield "No other row sees all of that, so every gain is also one of inputs."
        elif self.unequal:
            yield f"A gain over rows that do not see all of that is also one of inputs: {', '.join(self.unequal)}."
        more = [row for row in others if uses is not None and not set(row.uses or ()) <= set(uses)]
        if more:
            named = ", ".join(f"{row.label} ({uses_text(row.uses)})" for row in more)
            yield f"Rows that see what it does not: {named}."
        if unknown := [row.label for row in others if row.uses is None]:
            yield f"Inputs not known here: {', '.join(unknown)}."

    def _gain(self) -> Iterator[str]:
        if self.uncounted:
            yield f"No gain is examined: the number of test images is not known here of {', '.join(self.uncounted)}."
            return
        if not self.rival:
            yield "Fewer than two rows have all numbers, so no gain is examined."
            return
        yield f"{self.claim} ({self.chosen}) is compared with {self._other}."
        for measure, gain in self.gains.items():
            points = score_texts.signed(gain.points)
            yield f"{MEASURES[measure]}: {points} points, {gain.verdict} (±{gain.reach:.2f} with {self._seeds})."

    def _settle(self) -> Iterator[str]:
        for measure, found in self.settle.items():
            yield f"{MEASURES[measure]}: {settle_text(found, self.gains[measure], self.seeds)}"
        if any(not gain.seeds_known for gain in self.gains.values()):
            yield "The spread between seeds has to be measured first: some seeds of both methods on each dataset."
        elif self.rival and not self.settle:
            yield "Every difference is beyond chance, so more seeds are not needed."
        if self.rival and self.row(self.rival).baseline.reading == Reading.SAME:
            yield f"The numbers of {self.rival} are probably not of a new run; a run of both compares them alike."
        if self.rival in self.unequal:
            yield f"Seeds do not settle unequal inputs: {self.rival} would have to see the same."
        yield from self.missing
        yield from (f"To repeat the comparison with the published recipes: `{command}`" for command in self.commands)

    def _assumptions(self) -> Iterator[str]:
        if not self.rival:
            return
        stated = "as stated" if self.seeds_stated else "assumed, as the source states none that is known here"
        yield f"Seeds: {self.seeds} for each number, {stated}."
        apart = " Base and new are independent." if H in self.table.measures else ""
        if self.spread_source:
            source = f"that of {self.spread_source}"
            yield f"Spread between seeds: {source}, for each trained method; zero-shot has none.{apart}"
        else:
            yield "Spread between seeds: none is known for this protocol, so ± is that of the test images alone."
        halves = " Half of the test images are of new classes." if H in self.table.measures else ""
        share = f"{100 * DISCORDANCE:.0f} %"
        yield f"Test images: the same for both methods, of which exactly one is right on {share} of the images.{halves}"
        yield "±: two equally good methods would differ by less than this 95 % of the time."


HEADINGS = {"base": "base", "new": "new", H: "H", "all": "accuracy"}
MEASURES = {"base": "Base classes", "new": "New classes", H: "H", "all": "Accuracy"}
"""Measures at the start of a sentence."""
_READINGS = {
    Reading.SAME: "Probably taken over, with the numbers of other tables",
    Reading.BELOW: "Lower than every other table prints for the same method",
    Reading.ABOVE: "Higher than every other table prints for the same method",
    Reading.ALONE: "In no other table of the ledger with this protocol, backbone and number of shots",
    Reading.INCOMPARABLE: "Not comparable, since this or every other table lacks a number on some dataset",
}


def settle_text(found: SeedsToSettle, gain: Gain, seeds: int) -> str:
    """The seeds that would settle a gain."""
    points = score_texts.signed(gain.points)
    if found.everywhere is None:
        return f"{MOST_SEEDS} seeds would not settle {points}; test images alone give ±{gain.images:.2f}."
    text = f"{points} needs {counted(found.everywhere, 'seed')} on each dataset"
    if found.focused:
        text += f", or {found.on_focused} on {', '.join(found.focused)} and {seeds} on the others"
    return f"{text} (power 80 %)."


def _mismatch_text(label: str, one: Mismatch, known: str) -> str:
    """A mismatch, with what the ledger knows of it besides the mismatch itself."""
    return f"{label}, {one.split}: {one.text}.{'' if known.startswith('Base and new give') else f' {known}'.rstrip()}"


def _size(one: Mismatch) -> float:
    """How far a number is from the closest value that the others give."""
    return min(abs(float(one.printed.partition("±")[0]) - value) for value in one.expected.values())


def uses_text(uses: Sequence[str] | None) -> str:
    """What a method sees besides the labelled images."""
    return "unknown" if uses is None else ", ".join(uses)


def range_text(base: Baseline) -> str:
    """The range of other tables, and their number."""
    if base.low is None or base.high is None:
        return ""
    ends = dict.fromkeys((_number(base.low), _number(base.high)))
    return f"{' to '.join(ends)} ({base.tables})"


def reading_text(base: Baseline) -> str:
    """How a row stands to other tables."""
    if base.reading != Reading.SAME:
        return str(base.reading)
    but = f", except {counted(len(base.differing), 'cell')}" if base.differing else ""
    return f"same as {'own paper' if base.from_own else counted(base.copies, 'other table')}{but}"


def _number(value: float | None) -> str:
    return "" if value is None else score_texts.decimal(value, 2)


def _first(texts: Sequence[str]) -> Iterator[str]:
    yield from texts[:_SHOWN]
    if len(texts) > _SHOWN:
        yield f"And {len(texts) - _SHOWN} more, listed by --json."
