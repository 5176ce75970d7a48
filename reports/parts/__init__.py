"""The parts of each section of one setting as data: texts, tables, charts, folds, and blocks that scripts render."""
