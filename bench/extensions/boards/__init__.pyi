"""Public names of `bench.extensions.boards`; `__init__.py` loads each on first use."""

from .errors import BoardError as BoardError
from .publishing import build_board as build_board
from .publishing import check_submissions as check_submissions
from .publishing import submit_runs as submit_runs
from .verify import verify_board as verify_board
