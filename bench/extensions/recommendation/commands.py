"""`etl-bench recommend`: recommends a method for a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli import (
    DEFAULT_RUNS,
    Cache,
    DataRoot,
    Device,
    Jobs,
    WrittenRuns,
    joined,
    print_json,
    print_line,
    print_rows,
    remark,
    request_option,
)

if TYPE_CHECKING:
    from bench.extensions.recommendation.result import Recommendation


def recommend(
    dataset: Annotated[str, typer.Argument(help="A dataset, such as your own from `datasets add`.")],
    backbone: Annotated[
        str | None,
        typer.Option("-b", "--backbone", help="As arch.tag, or ARCH=FILE. Required for all but synthetic datasets."),
    ] = None,
    shots: Annotated[int, typer.Option("--shots", min=1, help="Training images per class.")] = 8,
    budget: Annotated[
        str, typer.Option("--budget", help="Time limit of the race: 20min, 90s or 2h; a plain number means minutes.")
    ] = "20min",
    margin: Annotated[
        float, typer.Option("--margin", help="Accuracy loss that does not matter, in percentage points.")
    ] = 0.5,
    methods: Annotated[
        list[str] | None,
        typer.Option("-m", "--methods", help="Candidates. Default: all methods that work on stored features."),
    ] = None,
    seeds: Annotated[
        list[str], typer.Option("--seeds", help="Repetitions of cross-fitting, as a number or a list.")
    ] = ["3"],  # noqa: B006
    runs: WrittenRuns = DEFAULT_RUNS,
    data_root: DataRoot = None,
    cache: Cache = None,
    device: Device = "auto",
    jobs: Jobs = 0,
    allow_fewer: Annotated[bool, request_option("allow_fewer")] = False,
    recipe: Annotated[str | None, request_option("recipe")] = None,
    overrides: Annotated[list[str] | None, request_option("overrides")] = None,
    train: Annotated[
        bool, typer.Option("--train/--no-train", help="Train the recommended method at the end and keep its model.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Recommend a method after a race on the labelled training images. Test images are not used.

    Every candidate is trained on some of the labelled images and scored on the others. A method leaves the race when it
    is shown to be worse than the best by more than --margin. Of the methods that were tried, the best is dropped with a
    probability of at most 5 %; the answer names those that were not tried for lack of time. It states the expected
    accuracy and the gain from more labels. Then the method is trained and its model kept for `etl-bench predict`. A
    repeated command skips finished trainings.

    Example: etl-bench recommend birds -b ViT-B-16.openai --shots 8 --budget 20min
    """
    from bench.extensions.recommendation.recommending import recommend as recommended
    from bench.extensions.recommendation.recommending import train_recommended

    try:
        found = recommended(
            dataset,
            backbone=backbone,
            shots=shots,
            budget=budget,
            margin=margin,
            methods=methods or [],
            seeds=joined("--seeds", seeds),
            runs=Path(runs),
            progress=remark,
            data_root=data_root,
            cache=cache,
            device=device,
            jobs=jobs,
            allow_fewer=allow_fewer,
            **({"recipe": recipe} if recipe else {}),
            **({"overrides": overrides} if overrides else {}),
        )
        if as_json:
            print_json(found.to_json())
        else:
            _print(found)
        train = train and found.keeps_model
        if train:
            remark("running the first of these commands; --no-train leaves it out")
        model = train_recommended(found) if train else None
    except KeyboardInterrupt:
        remark("interrupted; repeat the command to continue")
        raise typer.Exit(130) from None
    if train and model is None:
        raise typer.Exit(1)
    if model is not None:
        remark(f"the model is kept in {model[0]}: {model[1]}")


def _print(found: "Recommendation") -> None:
    answer, *rest = "\n".join(found.lines()).split("\n\n")
    print_line(answer)
    print_rows(found.rows())
    print_line("\n\n".join(rest))


COMMANDS = {"recommend": recommend}
