"""PACS, sketches: one of the four domains of Li et al., ICCV 2017."""

from datasets_registry._readers.register_families import register_pacs_domain

register_pacs_domain("sketch", "sketches", "Seven kinds of objects in sketches.")
