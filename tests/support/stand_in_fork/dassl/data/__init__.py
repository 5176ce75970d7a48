from .data_manager import DataManager  # noqa: F401
