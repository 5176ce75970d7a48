"""Public names of `bench.analysis.statistics`; `__init__.py` loads each on first use."""

from .crossed import ADDED_TO_DIFFERENCES as ADDED_TO_DIFFERENCES
from .crossed import Noise as Noise
from .crossed import Products as Products
from .crossed import crossed as crossed
from .crossed import interval_of_mean as interval_of_mean
from .crossed import intervals_of_datasets as intervals_of_datasets
from .crossed import mean_tests as mean_tests
from .crossed import products as products
from .crossed import separate_tests as separate_tests
from .crossed import unpaired as unpaired
from .hypothesis_tests import RankRange as RankRange
from .hypothesis_tests import holm as holm
from .hypothesis_tests import rank_ranges as rank_ranges
from .intervals import Covers as Covers
from .intervals import Estimate as Estimate
from .intervals import MeanTest as MeanTest
from .intervals import difference_of_means as difference_of_means
from .intervals import student_t as student_t
from .intervals import wilson as wilson
from .power import detectable_difference as detectable_difference
