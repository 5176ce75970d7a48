-- How the epoch was selected, the cost of selection, and what an oracle gained. NULL in older runs.

ALTER TABLE runs ADD COLUMN epoch_selection VARCHAR;        -- validation, oracle; NULL where no epoch was chosen
ALTER TABLE runs ADD COLUMN selected_epoch INTEGER;         -- from 1, by the few validation images; NULL: the last
ALTER TABLE runs ADD COLUMN fits INTEGER;                   -- trainings and regressions, including candidates
ALTER TABLE runs ADD COLUMN candidate_evaluations INTEGER;  -- candidates evaluated or averaged, over all splits
ALTER TABLE runs ADD COLUMN tuning_seconds DOUBLE;          -- spent on selection with labels
ALTER TABLE scores ADD COLUMN optimism DOUBLE;              -- accuracy of an oracle's pick over the same run without
