"""Frozen backbones: names, weights, preprocessing; the only room that imports open_clip."""
