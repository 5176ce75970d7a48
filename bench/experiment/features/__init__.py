"""Outputs of the frozen towers, computed once: image views, features, text features; their cache."""
