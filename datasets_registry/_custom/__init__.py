"""A user's own images: folders, tables, archives, Hugging Face data and feature bundles."""
