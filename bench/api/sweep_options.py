"""The request of a sweep and its options, for the command line. Loads no torch."""

from bench.sweep import DEMO_BACKBONE, SweepRequest, backbone_advice, option_name, option_of

__all__ = ["DEMO_BACKBONE", "SweepRequest", "backbone_advice", "option_name", "option_of"]
