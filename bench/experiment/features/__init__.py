"""Outputs of the frozen towers, computed once: image views, features, text features, hidden states; their cache."""
