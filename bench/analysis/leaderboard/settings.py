"""Lists the settings that have a leaderboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.leaderboard.board import Setting
from bench.analysis.leaderboard.measures import TRANSFER
from bench.analysis.leaderboard.runs import kind_of_draw

if TYPE_CHECKING:
    import pandas as pd


def settings(runs: pd.DataFrame) -> list[Setting]:
    """The settings that have a leaderboard, in order.

    Zero-shot runs (shots 0) join every leaderboard of their backbone, protocol and precision. They have one of their
    own only if nothing else was run.
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

    def shared(setting: Setting) -> tuple[str, str, str, str]:
        return (setting.backbone, setting.protocol, setting.precision, setting.source)

    trained = {setting for setting in found if setting.shots > 0}
    covered = {shared(setting) for setting in trained}
    uncovered = {shared(setting) for setting in found} - covered
    alone = {min(setting for setting in found if shared(setting) == key) for key in uncovered}
    return sorted(trained | alone)
