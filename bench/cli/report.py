"""`etl-bench report`: writes results as one HTML page that works offline."""

from typing import Any

from bench.api import report_request, write_report
from bench.cli._options_of import options_of
from bench.cli._print import print_line, remark


@options_of(report_request)
def report(**options: Any) -> None:
    """Write leaderboards, difficulty, cost, calibration and error analysis as one page that needs no network.

    Example: etl-bench report --runs runs/demo --out demo.html

    --source published shows leaderboards of published numbers and needs no runs.
    """
    written = write_report(report_request(**options))
    for note in written.notes:
        remark(note)
    print_line(str(written.page))
