-- Results of runs, loaded from their shards. Every table can be rebuilt from them.
-- No primary keys: DuckDB would keep an index for each, and loading itself replaces changed runs.

CREATE TABLE runs (
    run_id VARCHAR NOT NULL,
    shard_stamp VARCHAR NOT NULL,        -- changes whenever the shard is replaced; shows whether it is loaded
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
    image_passes BIGINT,
    prompted_image_passes BIGINT,
    text_passes BIGINT,
    provenance VARCHAR NOT NULL,         -- canonical JSON
    created_at TIMESTAMP NOT NULL        -- UTC
);

CREATE TABLE scores (
    run_id VARCHAR NOT NULL,
    split VARCHAR NOT NULL,
    accuracy DOUBLE NOT NULL,
    macro_accuracy DOUBLE NOT NULL,
    macro_precision DOUBLE NOT NULL,
    nll DOUBLE NOT NULL,
    brier DOUBLE NOT NULL,
    ece DOUBLE NOT NULL,
    n INTEGER NOT NULL,
    n_classes INTEGER NOT NULL,
    selected_on_test VARCHAR             -- what an oracle selected with test labels; NULL for other methods
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
