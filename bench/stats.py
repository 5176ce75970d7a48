"""The statistics of `bench.statistics` under one short name."""

from bench.statistics import *  # noqa: F403
from bench.statistics import __all__  # noqa: F401
