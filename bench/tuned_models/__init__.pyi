"""Public names of `bench.tuned_models`; `__init__.py` loads each on first use."""
