"""Public names of `bench.extensions.recommendation`; `__init__.py` loads each on first use."""

from .recommending import recommend as recommend
from .recommending import train_recommended as train_recommended
from .request import RecommendRequest as RecommendRequest
from .result import Recommendation as Recommendation
