"""Public names of `bench.analysis.leaderboard`; `__init__.py` loads each on first use."""

from .board import CommonCells as CommonCells
from .board import Leaderboard as Leaderboard
from .board import Setting as Setting
from .build import compared_leaderboard as compared_leaderboard
from .build import leaderboard as leaderboard
from .build import leaderboards as leaderboards
from .build import settings as settings
from .entry import Cell as Cell
from .entry import Entry as Entry
from .entry_keys import ORACLE as ORACLE
from .measures import ALL as ALL
from .measures import BASELINE as BASELINE
from .measures import HARMONIC as HARMONIC
from .measures import OPEN as OPEN
from .measures import TRANSFER as TRANSFER
from .measures import H as H
from .measures import HConvention as HConvention
from .measures import averages_over_datasets as averages_over_datasets
from .runs import EPOCH as EPOCH
from .runs import depends_on_seed as depends_on_seed
