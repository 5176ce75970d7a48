from .build import DATASET_REGISTRY, DatasetBase, Datum, build_dataset  # noqa: F401
