"""`etl-bench recommend`: recommends a method for a dataset."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import options_of, print_json, print_rows, print_text, remark
from bench.errors import UsageError
from bench.extensions.recommendation.recommending import recommend, train_recommended
from bench.extensions.recommendation.request import RecommendRequest

if TYPE_CHECKING:
    from bench.extensions.recommendation.result import Recommendation


@options_of(RecommendRequest.build)
def recommend_command(
    train: Annotated[
        bool, typer.Option("--train/--no-train", help="Train the recommended method at the end and keep its model.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
    **options: Any,
) -> None:
    """Recommend a method after a race on the labelled training images. Test images are not used.

    Every candidate is trained on some of the labelled images and scored on the others. A method leaves the race when it
    is shown to be worse than the best by more than --margin. Of the methods that were tried, the best is dropped with a
    probability of at most 5 %; the answer names those that were not tried for lack of time. It states the expected
    accuracy and the gain from more labels. Then the method is trained and its model kept for `etl-bench predict`. A
    repeated command skips finished trainings.

    Example: etl-bench recommend birds -b ViT-B-16.openai --shots 8 --budget 20min
    """
    try:
        found = recommend(progress=remark, **options)
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
        from bench.tuned_models import find_model

        path, text = model
        remark(f"the model is kept in {path}: {text}")
        try:
            find_model(found.request.dataset, found.request.runs)
        except UsageError:
            remark(f"{found.request.dataset} has several models: give `predict` this one as {path}")


def _print(found: "Recommendation") -> None:
    answer, *rest = "\n".join(found.lines()).split("\n\n")
    print_text(answer)
    print_rows(found.rows(), spare=("training", "labels to settle", "images"))
    print_text("\n\n".join(rest))
