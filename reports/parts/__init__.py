"""The parts of each section of one setting as data: texts, tables, charts, and folds that scripts render."""
