-- How the epoch was chosen, what choosing cost, and what an oracle gained by it. NULL in runs that are older than this.

ALTER TABLE runs ADD COLUMN epoch_selection VARCHAR;        -- validation, oracle; NULL where no epoch was chosen
ALTER TABLE runs ADD COLUMN selected_epoch INTEGER;         -- from 1, by the few validation images; NULL: the last
ALTER TABLE runs ADD COLUMN fits INTEGER;                   -- trainings and regressions, those only tried included
ALTER TABLE runs ADD COLUMN candidate_evaluations INTEGER;  -- candidates judged or averaged, over all splits
ALTER TABLE runs ADD COLUMN tuning_seconds DOUBLE;          -- spent on choosing with labels
ALTER TABLE scores ADD COLUMN optimism DOUBLE;              -- accuracy of an oracle's pick over the same run without
