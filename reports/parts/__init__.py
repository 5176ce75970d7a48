"""The parts of each section for one setting as data: texts, tables, charts, folds, and blocks that scripts draw."""
