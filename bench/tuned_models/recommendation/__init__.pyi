"""Public names of `bench.tuned_models.recommendation`; `__init__.py` loads each on first use."""

from .prior import PublishedNumbers as PublishedNumbers
from .request import DEFAULT_BUDGET as DEFAULT_BUDGET
from .request import RecommendRequest as RecommendRequest
from .result import Recommendation as Recommendation
from .run import carry_out_recommendation as carry_out_recommendation
from .run import train_choice as train_choice
