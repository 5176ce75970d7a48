"""`etl-bench recommend`: recommends a method for a dataset."""

import shlex
from typing import Annotated, Any

import typer

from bench.cli import options_of, print_json, print_rows, print_text, remark
from bench.extensions.recommendation.recommending import recommend, train_recommended
from bench.extensions.recommendation.request import RecommendRequest


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
    is shown to be worse than the best by more than --margin; the best one is dropped with a probability of at most 5 %.
    The answer names methods that were not tried for lack of time. Then the method is trained and its model kept for
    `etl-bench predict`. A repeated command skips finished trainings.

    Example: etl-bench recommend birds -b ViT-B-16.openai --shots 8 --budget 20min
    """
    try:
        answer = recommend(progress=remark, **options)
        if as_json:
            print_json(answer.to_json())
        else:
            first, *rest = "\n".join(answer.lines()).split("\n\n")
            print_text(first)
            print_rows(answer.rows(), spare=("training", "trainings"))
            print_text("\n\n".join(rest))
        if not (train and answer.keeps_model):
            return
        remark("running this command; --no-train leaves it out")
        model = train_recommended(answer)
    except KeyboardInterrupt:
        remark("interrupted; repeat the command to continue")
        raise typer.Exit(130) from None
    if model is None:
        raise typer.Exit(1)
    remark(f"Next: {shlex.join(['etl-bench', 'predict', str(model), 'new_images/', '--out', 'predictions.csv'])}")
