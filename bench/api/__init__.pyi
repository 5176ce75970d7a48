"""Public names of `bench.api`; `__init__.py` loads each on first use."""

from .board import build_board as build_board
from .explaining import explain as explain
from .explaining import suggest_labels as suggest_labels
from .leaderboard_table import board_title as board_title
from .method_cards import listed as listed
from .method_cards import measured as measured
from .method_cards import method_card as method_card
from .results import Results as Results
from .results import load_results as load_results
from .running import run_request as run_request
from .selection_table import SelectionTable as SelectionTable
