ALTER TABLE runs ADD COLUMN added_memory_bytes BIGINT;      -- peak above the level at the run's start
