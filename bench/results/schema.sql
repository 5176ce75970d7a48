-- Results of runs, loaded from their shards. Every table can be rebuilt from them.
-- No primary keys: DuckDB would keep an index for each, and loading itself replaces changed runs.

CREATE TABLE runs (
    run_id VARCHAR NOT NULL,
    shard_stamp VARCHAR NOT NULL,        -- changes whenever the shard is replaced; shows whether it is loaded
    imported BOOLEAN NOT NULL,           -- whether the run was imported and not verified since
    method VARCHAR NOT NULL,
    config VARCHAR NOT NULL,             -- canonical JSON
    recipe_name VARCHAR,                 -- NULL for training-free methods
    recipe VARCHAR,                      -- canonical JSON
    backbone VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    task_fingerprint VARCHAR NOT NULL,
    draw VARCHAR NOT NULL,
    protocol VARCHAR NOT NULL,
    shots INTEGER NOT NULL,
    seed BIGINT NOT NULL,
    "precision" VARCHAR NOT NULL,
    status VARCHAR NOT NULL,             -- ok or failed
    error_kind VARCHAR,
    error_message VARCHAR,
    final_loss DOUBLE,
    trainable_parameters BIGINT,
    prepare_seconds DOUBLE,
    train_seconds DOUBLE,
    eval_seconds DOUBLE,
    steps BIGINT,
    peak_memory_bytes BIGINT,
    image_passes DOUBLE,                 -- a pass through some of a tower's blocks counts by their share
    prompted_image_passes DOUBLE,
    text_passes DOUBLE,
    shared_prepare_seconds DOUBLE,       -- of computing the shared features that the run needs; NULL if unknown
    shared_train_seconds DOUBLE,         -- likewise
    shared_eval_seconds DOUBLE,          -- likewise
    shared_image_passes DOUBLE,          -- likewise
    shared_text_passes DOUBLE,           -- likewise
    provenance VARCHAR NOT NULL,         -- JSON, without the digests of the support images
    support_digest VARCHAR,              -- of the digests of the support images; NULL without targets
    created_at TIMESTAMP NOT NULL,       -- UTC
    targets VARCHAR,                     -- JSON list of the datasets scored besides the source; NULL without
    support VARCHAR,                     -- digest of an imported support list, or what changes the draw; NULL without
    class_text VARCHAR,                  -- class texts in place of the template, with their digest; NULL without
    epoch_selection VARCHAR,             -- validation, oracle; NULL where no epoch was chosen
    selected_epoch INTEGER,              -- from 1, by the few validation images; NULL: the last
    fits INTEGER,                        -- trainings and regressions, including candidates
    candidate_evaluations INTEGER,       -- candidates evaluated or averaged, over all splits
    tuning_seconds DOUBLE,               -- spent on selection with labels
    added_memory_bytes BIGINT,           -- peak above the level at the run's start
    device VARCHAR,                      -- name of the GPU, or cpu, cuda or mps
    held_out_shot BOOLEAN,               -- whether one shot of each class was held out to select
    unlabelled VARCHAR,                  -- the pool of unlabelled images, such as train:500; NULL without
    teacher VARCHAR                      -- the tuned model that the method learns from, with digests; NULL without
);

CREATE TABLE scores (
    run_id VARCHAR NOT NULL,
    split VARCHAR NOT NULL,              -- of the open score: open-base, open-new
    accuracy DOUBLE NOT NULL,
    macro_accuracy DOUBLE NOT NULL,
    macro_precision DOUBLE NOT NULL,
    nll DOUBLE NOT NULL,
    brier DOUBLE NOT NULL,
    ece DOUBLE NOT NULL,
    n INTEGER NOT NULL,
    n_classes INTEGER NOT NULL,
    selected_on_test VARCHAR,            -- what an oracle selected with test labels; NULL for other methods
    optimism DOUBLE,                     -- accuracy of an oracle's pick over the same run without; NULL likewise
    images VARCHAR,                      -- digest of the test images and their labels; NULL without predictions
    correct BLOB,                        -- a bit for each test image, ordered by image: whether it is right; likewise
    groups VARCHAR                       -- digest in image_groups; NULL without groups, as for older runs
);

CREATE TABLE image_groups (              -- groups of test images, once for all runs that share them
    digest VARCHAR NOT NULL,
    numbers BLOB NOT NULL                -- int32 for each test image, ordered by image; -1: without a group
);

CREATE TABLE predictions (
    run_id VARCHAR NOT NULL,
    split VARCHAR NOT NULL,
    position INTEGER NOT NULL,           -- order of the evaluation list
    image VARCHAR NOT NULL,
    label INTEGER NOT NULL,
    predicted INTEGER NOT NULL,
    rank INTEGER NOT NULL,               -- of the true class
    true_logit FLOAT NOT NULL,
    log_sum_exp FLOAT NOT NULL,
    sum_p2 FLOAT NOT NULL,
    top_labels INTEGER[] NOT NULL,
    top_logits FLOAT[] NOT NULL
);

CREATE TABLE difficulty (
    backbone VARCHAR NOT NULL,
    backbone_digest VARCHAR NOT NULL,
    dataset VARCHAR NOT NULL,
    data_fingerprint VARCHAR NOT NULL,
    split VARCHAR NOT NULL,
    n_classes INTEGER NOT NULL,
    n_images INTEGER NOT NULL,
    measure VARCHAR NOT NULL,
    value DOUBLE,                        -- NULL if the measure is undefined
    created_at TIMESTAMP NOT NULL        -- UTC
);
