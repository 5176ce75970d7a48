-- Accuracy during training, for runs that recorded it.

CREATE TABLE curves (
    run_id VARCHAR NOT NULL,
    split VARCHAR NOT NULL,
    epoch INTEGER NOT NULL,              -- completed epochs
    epochs INTEGER NOT NULL,             -- of the whole training
    steps BIGINT NOT NULL,
    seconds DOUBLE NOT NULL,             -- of training so far
    accuracy DOUBLE NOT NULL
);
