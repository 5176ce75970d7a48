"""Building blocks that several methods share: prompts, adapters, caches, ensembles."""
