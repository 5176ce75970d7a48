"""The interface of methods, and their facts, recipes, registry and wrappers."""
