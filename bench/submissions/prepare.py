"""Prepares a submission from a runs folder: the bundle, the cards of its methods and `submission.toml`."""

import re
from collections.abc import Sequence
from pathlib import Path

from bench._util.atomic_write import write_atomically
from bench.errors import SubmissionError
from bench.method_info.method_sheets import MethodSheet, method_sheets
from bench.results.bundle import Exported, export_bundle
from bench.results.shards import Shards
from bench.submissions.facts import SubmissionFacts
from bench.submissions.folder import BUNDLE, CARDS, FACTS, NAME


def prepare_submission(folder: Path, shards: Shards, run_ids: Sequence[str], facts: SubmissionFacts) -> Exported:
    """Write the three files of a submission; existing ones are replaced.

    Raises SubmissionError if the folder's name is not allowed or it holds other files, and BundleError if a run is
    damaged.
    """
    name = folder.absolute().name
    if not NAME.fullmatch(name):
        raise SubmissionError(
            f"The folder {name!r:.80} cannot name a submission; use lower-case letters, digits and hyphens, at most 63."
        )
    folder.mkdir(parents=True, exist_ok=True)
    if others := sorted(item.name for item in folder.iterdir() if item.name not in (FACTS, CARDS, BUNDLE)):
        raise SubmissionError(f"{folder} holds {others[0]!r}; give a new folder, or one with a submission only.")
    done = export_bundle(shards, run_ids, folder / BUNDLE)
    settings: dict[str, set[str]] = {}
    for run_id in run_ids:
        if (record := shards.record(run_id)) is not None:
            settings.setdefault(record.spec.method, set()).update(f"{k} = {v}" for k, v in record.spec.config.items())
    write_atomically(folder / CARDS, _cards(settings).encode())
    write_atomically(folder / FACTS, facts.to_toml().encode())
    return done


def _cards(settings: dict[str, set[str]]) -> str:
    """A card of each method: what it is, the settings of the runs, its code and its citation."""
    sheets = {sheet.name: sheet for sheet in method_sheets()}
    parts = ["# Methods\n"]
    for method, values in sorted(settings.items()):
        parts.append(f"## {method}\n")
        parts.append(_facts(sheets.get(method)))
        if values:
            parts.append("Settings of the runs:\n\n" + "".join(f"- `{value}`\n" for value in sorted(values)))
    return re.sub(r"<(?=[A-Za-z/!?])", "< ", "\n".join(parts))


def _facts(sheet: MethodSheet | None) -> str:
    if sheet is None:
        return "This method was not installed when the card was written.\n"
    code = f"Code {sheet.code[0]}, shared code {sheet.code[1]}." if sheet.code[0] else ""
    return f"{sheet.title}, {sheet.family}. {sheet.summary} {code}\n\n```bibtex\n{sheet.citation}\n```\n"
