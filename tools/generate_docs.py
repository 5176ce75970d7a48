"""What the code says about itself: the reference pages of the documentation, and files that are committed.

    python -m tools.generate_docs            # rewrite the facts and the learned tensors of the methods
    python -m tools.generate_docs --check    # exit code 1 and the names of the files that are out of date

The reference pages are in no folder: `tools/site_hooks.py` adds them to the site when it is built. They list what ships
with the repository. Plug-ins and datasets of the user are left out, so that the pages do not depend on the machine.
"""

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

from bench.api.method_cards import LISTED, list_text
from bench.cli.app import PANELS, command_tree
from bench.papers import (
    published_methods,
)
from bench.sweep import offered_selections
from datasets_registry import (
    DatasetInfo,
    EvalProtocol,
    list_datasets,
    overlap_studies,
    way_to_get,
    wordings_of,
)
from methods import (
    FACTS_FILE,
    METHODS,
    MethodInfo,
    Needs,
    facts_file_text,
    formula_tests,
    get_method,
    list_methods,
    official_runs,
    parity_record,
)
from tools.messages import messages_page
from tools.official_settings.compared import (
    CountedSettings,
    compared_settings,
    counted_by_setting,
    counted_settings,
)

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "python -m tools.generate_docs"

NEEDS = {
    "features": "frozen image features",
    "pooled": "frozen image features before the last projection",
    "hidden": "frozen hidden states of the image tower",
    "pixels": "pixels",
    "other_view": "frozen features of a second view",
    "test_views": "frozen features of random views of test images",
    "test_stream": "the unlabelled test images",
    "unlabelled": "frozen features of unlabelled images",
    "unlabelled_batches": "training batches of unlabelled images",
    "teacher": "features of a tuned model",
}
INTRO_METHODS = """
Every method runs with its published settings unless `--set` changes them. `etl-bench methods NAME` prints the same
facts on a backbone of your choice, with the learned tensors. `NAME_on:HOST` and `dept_on:HOST` wrap another method, for
example `apex_on:coop`.

*New classes* states whether a method can classify classes on which it was not trained. *Parity* is the largest
difference of its logits from those of the official implementation, relative to the largest logit. `formula` means that
a test compares the method with a direct implementation of the paper's formula, and `formula and official code` that
official code also gave its predictions [on the same images](../parity.md#beside-the-official-repositories). `not
compared` means that there is no comparison. The tests are in `tests/methods/`.
"""
INTRO_DATASETS = """
`etl-bench datasets NAME` shows these facts for your copy. [Datasets](../datasets.md) explains how to get and check
datasets and how to add your own. *Images* are the counts of the published split: train / validation / test. *Get* is
`fetch` for `etl-bench datasets fetch NAME`; `by hand` means that this command fetches some files and describes the
manual steps. Licences are those of the images, with their source. `not stated` means that the owner names no licence,
and `not verified` means that we did not read the owner's statement.
"""
INTRO_OVERLAP = """
These are published statements about evaluation images in the pretraining data of backbones. Statements about a single
dataset are in its section. Nothing is published for pretraining data that is not listed here.
"""
INTRO_SYNTHETIC = """
These datasets need no download and no data folder. `spectrum:shift=0.5` takes any shift from 0 (the training data of
the backbone) to 1 (nothing recognisable). The others take `test=N`, such as `spectrum_basic:test=10`, for N test images
per class instead of 30.
"""


def shipped_methods() -> list[MethodInfo]:
    """The methods that have a file in `methods/`."""
    return [info for info in list_methods() if (ROOT / "methods" / f"{info.name}.py").is_file()]


def shipped_datasets() -> list[DatasetInfo]:
    """The datasets that have a file in `datasets_registry/`."""
    return [info for info in list_datasets() if (ROOT / "datasets_registry" / f"{info.name}.py").is_file()]


def methods_page() -> str:
    """One table of all methods, then a section for each with its settings, recipes and notes."""
    infos = shipped_methods()
    rows = [
        (f"[`{i.name}`](#{i.name})", i.title, i.family, _venue(i.citation), _yes(i.recipes), _yes(i.open_vocabulary))
        for i in infos
    ]
    head = _table(("name", "title", "family", "paper", "trained", "new classes"), rows)
    sections = "".join(_method_section(info) for info in infos)
    return f"# Methods\n{INTRO_METHODS}\n{head}\n{sections}"


def _formula(name: str) -> str:
    """What a method without recorded numbers of official code was compared with."""
    if name not in formula_tests():
        return "not compared"
    return "formula and official code" if name in official_runs() else "formula"


def _method_section(info: MethodInfo) -> str:
    measured = parity_record().get(info.name)
    facts = [
        ("family", info.family),
        ("reads", ", ".join(NEEDS[need] for need in get_args(Needs) if need in info.needs)),
        ("new classes", _yes(info.open_vocabulary)),
        ("uses besides the labelled images", ", ".join(info.extras) or "nothing"),
        ("paper", " ".join(filter(None, (info.venue, str(info.year or ""), info.paper)))),
        ("code", info.code or "none"),
        ("image tower", "vision transformer only" if info.vision_transformer else "any"),
        ("selection", ", ".join(f"`{rule}`" for rule in offered_selections(info))),
        ("learned parameters", "none" if info.parameter_formula == "0" else f"`{info.parameter_formula}`"),
        ("parity", f"{measured:.1e}" if measured else _formula(info.name)),
    ]
    settings = [
        (f"`{info.name}.{key}`", f"`{field.get_default(call_default_factory=True)!r}`", field.description or "")
        for key, field in info.config.model_fields.items()
    ]
    changed = [
        f"- {protocol}: " + ", ".join(f"`{key}={value!r}`" for key, value in values.items())
        for protocol, values in info.config_by_protocol.items()
        if values
    ]
    recipes = [
        (protocol, recipe.optimizer, f"{recipe.lr:g}", _length(recipe), recipe.batch_size or "all", recipe.source)
        for protocol in EvalProtocol
        if (recipe := info.recipes.get(protocol)) is not None
    ]
    parts = [f"## `{info.name}`", f"**{info.title}.** {info.summary}", _table(("", ""), facts)]
    if settings:
        parts.append(_table(("setting", "default", "meaning"), settings))
    if changed:
        parts.append("Published settings that differ by protocol:\n\n" + "\n".join(changed))
    if recipes:
        parts.append(_table(("protocol", "optimiser", "rate", "length", "batch", "source"), recipes))
    notes = inspect.getdoc(inspect.getmodule(get_method(info.name))) or ""
    parts.append(notes.partition("\n")[2].strip() or notes)
    return "\n" + "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


INTRO_SETTINGS = """
The settings of each method as its official code states them, by protocol, dataset and shots, beside ours. `python -m
tools.official_settings` reads them from the repositories at the stated commits, and a test compares each with what a
run has. *Holds* is empty where a value holds for all published protocols, the eleven datasets and all shots. A row has
the file and the line of its first source. `not stated`: no source states it. `none`: the official code has no such
setting. `words` are texts that no setting gives. The counts are of cells: a setting of a method with one protocol, one
dataset and one number of shots.
The recipes are fields of [`Recipe`](api/methods.md); `data` is the same for all methods.
"""


def settings_page() -> str:
    """Official settings, counted by setting and by method, and a table for each method."""
    by_setting: dict[str, CountedSettings] = {}
    by_method: dict[str, CountedSettings] = {}
    for info in shipped_methods():
        by_method[info.name] = counted_settings(info.name)
        for setting, counts in counted_by_setting(info.name).items():
            group, _, field = setting.rpartition(".")
            kind = {"": "settings of the method", "words": "words", "recipe": field}.get(group, setting)
            by_setting[kind] = by_setting.get(kind, CountedSettings()) + counts
    total = ("all", *_counts_of(sum(by_method.values(), CountedSettings())))
    kinds = [(f"`{kind}`" if " " not in kind else kind, *_counts_of(n)) for kind, n in sorted(by_setting.items())]
    methods = [(f"[`{name}`](#{name})", *_counts_of(n)) for name, n in by_method.items()]
    parts = [
        f"# Official settings\n{INTRO_SETTINGS}\n",
        f"## By setting\n\n{_table(('setting', *SETTINGS_HEAD), [*kinds, total])}\n",
        f"## By method\n\n{_table(('method', *SETTINGS_HEAD), [*methods, total])}",
    ]
    for name in by_method:
        table = [
            (f"`{one.setting}`", one.holds, _code(one.official), _code(one.ours), one.where, one.remark)
            for one in compared_settings(name)
        ]
        parts.append(f"\n## `{name}`\n\n{_table(('setting', 'holds', 'official', 'ours', 'where', 'why'), table)}")
    return "".join(parts)


LONGEST_VALUE = 300
"""Characters of a value in a table; long lists of templates are cut."""
SETTINGS_HEAD = ("settings", "stated", "as ours", "ours differs, with a reason", "not stated", "only ours")


def _counts_of(found: CountedSettings) -> tuple[object, ...]:
    """The counts of cells, in the order of `SETTINGS_HEAD`."""
    cells = found.stated + found.unstated
    numbers = (cells, found.stated, found.equal, found.explained, found.unstated, found.without)
    return tuple(f"{number:,}" for number in numbers)


def _code(text: str) -> str:
    text = text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} …"
    return f"`{text}`" if text and "`" not in text else text


def _length(recipe: Any) -> str:
    if recipe.steps:
        return f"{recipe.steps} steps"
    if recipe.steps_per_shot:
        return f"{recipe.steps_per_shot} steps per shot"
    by_shots = ", ".join(f"{epochs} at {shots} shots" for shots, epochs in recipe.epochs_by_shots.items())
    return f"{recipe.epochs} epochs" + (f" ({by_shots})" if by_shots else "")


def datasets_page() -> str:
    """Published datasets with their facts, then the synthetic ones."""
    infos = shipped_datasets()
    published = [info for info in infos if not info.synthetic]
    rows = [
        (f"[`{i.name}`](#{i.name})", i.title, i.domain, i.num_classes, _counts(i), way_to_get(i), i.licence)
        for i in published
    ]
    head = _table(("name", "title", "domain", "classes", "images", "get", "licence"), rows)
    synthetic = _table(
        ("name", "classes", "template", "how it differs from the backbone's training data"),
        [(f"`{i.name}`", i.num_classes, f"`{i.template}`", i.summary) for i in infos if i.synthetic],
    )
    overlap = "".join(
        f"- **{study.pretraining}**: {study.text} ([{study.source}]({study.url}))\n" for study in overlap_studies()
    )
    sections = "".join(_dataset_section(info) for info in published)
    return (
        f"# Datasets\n{INTRO_DATASETS}\n## Published datasets\n\n{head}\n"
        f"## Synthetic datasets\n{INTRO_SYNTHETIC}\n{synthetic}\n"
        f"## Overlap with pretraining data\n{INTRO_OVERLAP}\n{overlap}{sections}"
    )


def _dataset_section(info: DatasetInfo) -> str:
    variants = ", ".join(f"`{text}` ({paper})" for paper, text in info.template_variants.items())
    facts = [
        ("template", f"`{info.template}`"),
        ("other templates", variants or "–"),
        *((f"`variant:{name}`", wording.summary) for name, wording in wordings_of(info.name).items()),
        ("split file", f"`{info.split_file}`" if info.split_file else "none"),
        *([("groups", info.groups)] if info.groups else []),
        ("home page", f"<{info.homepage}>"),
    ]
    known = "".join(f"- {problem}\n" for problem in info.known_problems)
    overlap = "".join(f"- {study.statement(info.name)}\n" for study in overlap_studies() if info.name in study.datasets)
    return (
        f"\n## `{info.name}`\n\n**{info.title}.** {info.summary}\n\n{_table(('', ''), facts)}"
        + (f"\nKnown problems:\n\n{known}" if known else "")
        + (f"\nOverlap with pretraining data:\n\n{overlap}" if overlap else "")
    )


def _counts(info: DatasetInfo) -> str:
    if not info.expected:
        return "not published"
    return " / ".join(f"{info.expected.get(part, 0):,}" for part in ("train", "val", "test"))


def commands_page() -> str:
    """Every command of `etl-bench` with its arguments and options."""
    group: Any = command_tree()
    sections = list(_commands(group, "etl-bench"))
    panels = {name: panel for panel, commands in PANELS.items() for name in commands}
    contents = "\n".join(
        f"**{panel}**\n\n"
        + _table(
            ("command", "what it does"),
            [
                (f"[`{name}`](#{name.replace(' ', '-')})", _first(command))
                for name, command in sections
                if panels[name.split()[1]] == panel
            ],
        )
        for panel in PANELS
    )
    pages = "".join(_command_section(name, command) for name, command in sections)
    intro = "`etl-bench COMMAND --help` prints the same. Exit codes and `--json` are described with each command."
    return f"# Commands\n\n{intro}\n\n{contents}{pages}"


def _commands(command: Any, name: str) -> Iterable[tuple[str, Any]]:
    children = getattr(command, "commands", None) or {}
    if not children or (command.invoke_without_command and command.callback and name != "etl-bench"):
        yield name, command
    for child in command.list_commands(None) if children else ():
        yield from _commands(children[child], f"{name} {child}")


def _command_section(name: str, command: Any) -> str:
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    examples = [p.removeprefix("Example: ").replace("\n", " ") for p in paragraphs if p.startswith("Example: ")]
    prose = [p for p in paragraphs if not p.startswith("Example: ")]
    parts = [f"\n## `{name}`", *prose]
    if examples:
        parts.append("```bash\n" + "\n".join(examples) + "\n```")
    panels: dict[str | None, list[Any]] = {}
    for parameter in command.params:
        if not parameter.hidden and parameter.name != "help":
            panels.setdefault(parameter.rich_help_panel, []).append(parameter)
    for panel, parameters in panels.items():
        parts += [f"**{panel}**"] if panel else []
        rows = [(_spelling(p), _default(p), _plain(p.help or "")) for p in parameters]
        parts.append(_table(("argument or option", "default", "meaning"), rows).rstrip("\n"))
    return "\n\n".join(parts) + "\n"


def _spelling(parameter: Any) -> str:
    if not parameter.opts[0].startswith("-"):
        return f"`{parameter.metavar or parameter.name.upper()}`" + (" ..." if parameter.nargs == -1 else "")
    return ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if isinstance(value, bool):
        text = (
            "" if not parameter.secondary_opts else f"`{parameter.opts[0] if value else parameter.secondary_opts[0]}`"
        )
    elif isinstance(value, list | tuple):
        text = ", ".join(f"`{item}`" for item in value)
    else:
        text = "" if value is None else f"`{value}`"
    return " ".join(part for part in (text, f"(`{parameter.envvar}`)" if parameter.envvar else "") if part)


def _first(command: Any) -> str:
    return inspect.cleandoc(command.help or "").partition("\n\n")[0].replace("\n", " ")


def _venue(citation: str) -> str:
    """Venue and year of a BibTeX entry."""
    fields = dict(re.findall(r"(\w+)\s*=\s*\{(.*)\}", citation))
    venue = fields.get("booktitle") or fields.get("journal") or fields.get("note", "")
    return f"{venue.replace('International Journal of Computer Vision', 'IJCV')} {fields.get('year', '')}".strip()


def _plain(help_text: str) -> str:
    """Help in one line; `[A][,B]` is no link."""
    return help_text.replace("\n", " ").replace("][", "]\\[")


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; pipes inside cells are escaped."""
    lines = [header, ["---"] * len(header), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def method_facts() -> str:
    """The facts of the methods, which listings and plans read instead of importing the methods."""
    return facts_file_text(METHODS, [info.name for info in shipped_methods()])


def learned_tensors() -> str:
    """What each method learns on the demo backbone, which a method's card shows."""
    return list_text(get_method(info.name) for info in shipped_methods())


def published_page() -> str:
    """What the published methods use besides the labelled images."""
    methods = [
        (f"`{one.name}`", one.title, one.family, "unknown" if one.uses is None else ", ".join(one.uses) or "none",
         f"{one.venue} {one.year or ''}".strip(), one.paper or "unknown", one.code or "none", one.source)
        for one in published_methods().values()
    ]  # fmt: skip
    return "\n".join(
        (
            "# Published numbers\n",
            "`etl-bench papers published` prints the numbers.\n",
            "## What methods use besides the labelled images\n",
            "Methods of this package are in [Methods](methods.md).\n",
            _table(("method", "title", "family", "uses", "published", "paper", "code", "read from"), methods),
        )
    )


REFERENCE_PAGES: dict[str, Callable[[], str]] = {
    "methods.md": methods_page,
    "datasets.md": datasets_page,
    "commands.md": commands_page,
    "messages.md": messages_page,
    "published.md": published_page,
    "official-settings.md": settings_page,
}
"""The pages of the site's folder `reference`, by name."""
COMMITTED: dict[Path, Callable[[], str]] = {
    ROOT / "methods" / "_assets" / FACTS_FILE: method_facts,  # first, since the others read it
    ROOT / "bench" / "api" / LISTED: learned_tensors,
}
"""The files of the repository that are written here."""


def outdated() -> list[Path]:
    """The committed files that differ from the generated text."""
    texts = {path: write() for path, write in COMMITTED.items()}
    return [path for path, text in texts.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def main() -> None:
    """Write the committed files, or with --check compare them."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Write the generated files of the repository.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a file is out of date")
    if parser.parse_args().check:
        if stale := outdated():
            names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
            sys.exit(f"Out of date: {names}. Run `{COMMAND}` and commit the result.")
        return
    for path, write in COMMITTED.items():
        path.write_text(write(), encoding="utf-8")


if __name__ == "__main__":
    main()
