"""`etl-bench show`: prints everything recorded about one run."""

from typing import Annotated

import typer

from bench._util.words import counted
from bench.cli import _options as opt
from bench.cli._print import print_facts, print_json, print_line, print_rows


def show(
    run: Annotated[str, typer.Argument(help="Run id, or a unique prefix.")],
    runs: opt.Runs = opt.DEFAULT_RUNS,
    as_json: opt.AsJson = False,
) -> None:
    """Show one run: spec, scores, cost, provenance, and the traceback if it failed."""
    from bench.analysis import harmonic_mean
    from bench.results import Shards, origin
    from datasets_registry import EvalProtocol

    shards = Shards(runs)
    record = opt.read_run(shards, run).record
    if as_json:
        print_json(record.model_dump(mode="json"))
        return
    spec = record.spec.model_dump(mode="json")
    config = {f"config.{key}": value for key, value in spec.pop("config").items()}
    recipe = {f"recipe.{key}": value for key, value in (spec.pop("recipe") or {}).items()}
    facts = {"run_id": record.run_id, "status": str(record.status)} | spec | config | recipe
    if record.selected_epoch is not None:
        facts["selected_epoch"] = record.selected_epoch
    if record.cost is not None:
        facts |= record.cost.model_dump(mode="json")
    provenance = record.provenance.model_dump(mode="json")
    provenance["support_digests"] = f"{len(record.provenance.support_digests)} images"
    if "true_labels" in provenance:
        provenance["true_labels"] = f"{counted(len(record.provenance.true_labels), 'image')} with another label"
    made = {"created_at": record.created_at.isoformat(), "imported_from": origin(runs, record.run_id) or "made here"}
    print_facts(facts | provenance | made, as_json=False)
    if record.scores:
        print_rows([score.model_dump(mode="json") for score in record.all_scores])
    if record.open is not None:
        h = harmonic_mean(record.open.base.accuracy, record.open.new.accuracy)
        areas = {"openworld_auc": record.open.openworld_auc, "near_ood_auroc": record.open.near_ood_auroc}
        print_facts({"open": h} | areas, as_json=False)
    elif record.scores and record.spec.protocol is EvalProtocol.BASE_TO_NEW:
        print_line("open: not computed; `etl-bench rescore` adds it")
    if record.error is not None:
        print_line(f"{record.error.kind}: {record.error.message}\n\n{record.error.traceback}")
