-- Base and new images among all names; their accuracies are the splits open-base and open-new. NULL in older runs.

ALTER TABLE runs ADD COLUMN openworld_auc DOUBLE;           -- of pairs of a base and a new image, all of it right
ALTER TABLE runs ADD COLUMN near_ood_auroc DOUBLE;          -- of pairs of a base and a new image, the base one higher
