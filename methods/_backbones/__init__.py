"""Frozen backbones: names, weights, preprocessing. Only this folder imports open_clip."""
