"""How the demo backbone was trained; `python -m bench.train_demo_backbone --out FILE` does it again."""
