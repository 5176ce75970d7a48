"""Tuned models for use without this package: ONNX, or a folder for the Hugging Face Hub."""
