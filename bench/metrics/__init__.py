"""Pure functions of logits, labels and features: accuracy, calibration and transfer difficulty."""
