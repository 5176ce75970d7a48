"""Custom datasets of a user: folders, tables, archives, Hugging Face data and feature bundles."""
