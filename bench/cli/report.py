"""`etl-bench report`: writes results as one HTML page that works offline, or as a folder for a web server."""

from typing import Any

from bench.api import report_request, write_report
from bench.cli._options_of import options_of
from bench.cli._print import print_line, remark


@options_of(report_request)
def report(**options: Any) -> None:
    """Write leaderboards, difficulty, cost, calibration and error analysis as one page that needs no network.

    The page is complete by itself. In a folder, the predictions of every run are written next to it, image by image,
    and the page loads them when it comes from a web server, such as that of python -m http.server.

    Example: etl-bench report --runs runs/demo --out demo.html

    --source published shows leaderboards and difficulty trends of published numbers and needs no runs.
    """
    done = write_report(report_request(**options))
    for note in done.notes:
        remark(note)
    print_line(str(done.page))
