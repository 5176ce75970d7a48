"""Public names of `bench.analysis.statistics`; `__init__.py` loads each on first use."""

from .hypothesis_tests import Equivalence as Equivalence
from .hypothesis_tests import RankRange as RankRange
from .hypothesis_tests import equivalence as equivalence
from .hypothesis_tests import holm as holm
from .hypothesis_tests import rank_ranges as rank_ranges
from .intervals import Covers as Covers
from .intervals import Estimate as Estimate
from .intervals import MeanTest as MeanTest
from .intervals import difference_of_means as difference_of_means
from .intervals import group_tests as group_tests
from .intervals import grouped_t as grouped_t
from .intervals import student_t as student_t
from .power import detectable_difference as detectable_difference
from .score_intervals import ImageNoise as ImageNoise
from .score_intervals import image_noise as image_noise
from .score_intervals import in_groups as in_groups
from .score_intervals import score_estimate as score_estimate
from .score_intervals import score_estimates as score_estimates
from .score_intervals import wilson as wilson
