"""The options of a sweep and the parsers of their texts, for the command line. Loads no torch."""

from bench.sweep import (
    DEMO_BACKBONE,
    SweepRequest,
    backbone_advice,
    cache_folder,
    cores,
    option_name,
    option_of,
    parse_choice,
    parse_numbers,
    parse_shots,
    split_list,
)

__all__ = [
    "DEMO_BACKBONE", "SweepRequest", "backbone_advice", "cache_folder", "cores", "option_name", "option_of",
    "parse_choice", "parse_numbers", "parse_shots", "split_list",
]  # fmt: skip
