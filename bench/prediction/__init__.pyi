"""Public names of `bench.prediction`; `__init__.py` loads each on first use."""

from .find_model import find_model as find_model
from .gallery import Gallery as Gallery
from .image_sources import ImageItem as ImageItem
from .image_sources import image_items as image_items
from .predict_files import PredictionSummary as PredictionSummary
from .predict_files import predict_files as predict_files
from .table_files import FORMATS as FORMATS
from .tuned_model import ImagePredictions as ImagePredictions
from .tuned_model import TunedModel as TunedModel
from .tuned_model import load_model as load_model
