"""How the demo backbone was trained; `python -m tools.train_demo_backbone --out FILE` does it again."""
