"""Public names of `bench.tuned`; `__init__.py` loads each on first use."""

from .keep import kept_state as kept_state
from .keep import restored_method as restored_method
from .model_card import model_card as model_card
from .model_file import MODELS as MODELS
from .model_file import SUFFIX as SUFFIX
from .model_file import ModelFileError as ModelFileError
from .model_file import list_models as list_models
from .model_file import model_bytes as model_bytes
from .model_file import model_path as model_path
from .model_file import read_model as read_model
from .model_file import read_model_info as read_model_info
from .model_file import write_model as write_model
from .model_info import FORMAT_VERSION as FORMAT_VERSION
from .model_info import Calibration as Calibration
from .model_info import ClassList as ClassList
from .model_info import ModelInfo as ModelInfo
from .model_info import Novelty as Novelty
from .model_info import model_group as model_group
from .novelty import class_means as class_means
from .novelty import fit_novelty as fit_novelty
from .novelty import novelty_scores as novelty_scores
