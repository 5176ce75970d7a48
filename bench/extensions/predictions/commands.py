"""The commands of code and predictions of others: `methods inspect`, `runs import-predictions|drop-in`."""

from pathlib import Path
from typing import Any

from bench._util.words import counted
from bench.api import score_rows
from bench.cli import AsJson, options_of, print_facts, print_json, print_line, print_rows, remark
from bench.extensions.forks.drop_in import write_drop_in
from bench.extensions.forks.inspect_and_try import inspect_official_code
from bench.extensions.forks.predictions_import import import_predictions
from bench.extensions.forks.questions import write_questions
from bench.extensions.forks.stated_texts import MODEL


@options_of(inspect_official_code)
def _inspect(as_json: AsJson = False, **options: Any) -> None:
    """Say what official code is, whether you trust it, what it lacks, and what to type next.

    Nothing of it runs before you trust it: its files are read. With --trust, you agree to all that runs: the clone, the
    adapter, the Python, the folders for imports and the file of steps. After a change of a file, you are asked again.

    Example: etl-bench methods inspect KgCoOp --set fork.path=Dassl.pytorch --trust --try
    """
    found = inspect_official_code(**options)
    if as_json:
        print_json(found.as_json())
        return
    print_facts(found.facts, as_json=False)
    if not found.tried:
        print_rows(found.commands)
    for finding in found.findings:
        print_line(f"{finding['problem']} {finding['remedy']}".strip())
    for line in found.tried:
        print_line(line)
    print_line(found.next)


@options_of(import_predictions)
def _import_command(runs: Path, as_json: AsJson = False, **options: Any) -> None:
    """Check predictions that were computed elsewhere against the dataset, and add them as runs.

    Nothing in a file is believed: class names, test images, labels, training images and scores are checked. With any
    error, nothing is added. Give the files of base and of new classes of a run together. The runs are called
    external:METHOD and marked as imported predictions. With --questions, the files are the answers of a service, each
    question once, in any order; the answers of base and of new classes are imported together.

    Example: etl-bench runs import-predictions base.npz new.npz

    Example: etl-bench runs import-predictions answers.jsonl --questions questions.jsonl
    """
    done = import_predictions(runs=runs, **options)
    for note in done.notes:
        remark(note)
    for run_id in done.kept:
        remark(f"run {run_id} exists here with other predictions; those were kept")
    print_rows(score_rows(done.added), as_json=as_json)
    if not as_json:
        print_line(f"{counted(len(done.added), 'run')} added, {len(done.unchanged)} already known; in {runs}")


@options_of(write_questions)
def _questions(**options: Any) -> None:
    """Write the test images as questions for a language model, one chat-completions request each.

    Each has the labelled images of our draw, one test image, and the prompt. No label of a test image is in them, and
    no service is called. Have the file answered, and import the answers.

    Example: etl-bench runs questions -d eurosat --shots 4 --seed 1 --out questions.jsonl
    """
    done = write_questions(**options)
    asked = done.asked
    print_line(
        f"{done.path}: {counted(done.n, 'question')} on {asked.dataset} ({asked.classes} classes), each with "
        f"{counted(done.examples, 'labelled image')}; {done.size / 1e6:.1f} MB"
    )
    where = f", in {done.folder}" if done.folder else ""
    print_line(f"images: JPEG files of at most {asked.largest_side} pixels a side{where}")
    if asked.model == MODEL:
        remark(f"the model is called {MODEL}; for a service, give its name with --model")
    print_line(f"next: have it answered, then etl-bench runs import-predictions ANSWERS --questions {done.path}")


@options_of(write_drop_in)
def _drop_in(**options: Any) -> None:
    """Write a file that authors of Dassl code import in train.py, which then writes its predictions."""
    print_line(f"{write_drop_in(**options)}: add `import etl_predictions` to train.py, then train with")
    print_line("ETL_PREDICTIONS=predictions.npz python train.py ...")


COMMANDS = {
    "methods inspect": _inspect,
    "runs import-predictions": _import_command,
    "runs drop-in": _drop_in,
    "runs questions": _questions,
}
