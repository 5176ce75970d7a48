"""Training of the demo backbone; `python -m tools.train_demo_backbone --out FILE` repeats it."""
