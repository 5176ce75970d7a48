"""Which boards the runs make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.leaderboard.board import Setting
from bench.analysis.leaderboard.measures import TRANSFER
from bench.analysis.leaderboard.runs import kind_of_draw

if TYPE_CHECKING:
    import pandas as pd


def settings(runs: pd.DataFrame) -> list[Setting]:
    """The settings that have a board, in order.

    Zero-shot runs (shots 0) join every board of their backbone, protocol and precision; they make a board of their own
    only where nothing else was run.
    """
    columns = ["backbone", "protocol", "shots", "draw", "precision", "dataset"]
    found = {
        Setting(
            str(backbone),
            str(protocol),
            int(shots),
            kind_of_draw(str(draw)),
            str(precision),
            str(dataset) if protocol in TRANSFER else "",
        )
        for backbone, protocol, shots, draw, precision, dataset in runs[columns].itertuples(index=False, name=None)
    }

    def place(setting: Setting) -> tuple[str, str, str, str]:
        return (setting.backbone, setting.protocol, setting.precision, setting.source)

    trained = {setting for setting in found if setting.shots > 0}
    covered = {place(setting) for setting in trained}
    alone = {
        min(other for other in found if place(other) == key) for key in {place(setting) for setting in found} - covered
    }
    return sorted(trained | alone)
