-- Numbers from papers, loaded from the release's own files and replaced whenever their digest changes.

CREATE TABLE published (
    method VARCHAR NOT NULL,
    variant VARCHAR NOT NULL,            -- what distinguishes the row from the unmodified method; empty for that method
    label VARCHAR NOT NULL,              -- as printed, where it differs from the method
    protocol VARCHAR NOT NULL,
    backbone VARCHAR NOT NULL,
    shots INTEGER,                       -- NULL if the source does not state it
    dataset VARCHAR NOT NULL,            -- or average, easy, challenge
    split VARCHAR NOT NULL,              -- all, base, new, H, target
    metric VARCHAR NOT NULL,             -- accuracy, or a difficulty measure
    value DOUBLE NOT NULL,               -- a fraction for accuracies
    printed VARCHAR NOT NULL,            -- the text in the source
    spread DOUBLE,                       -- fraction; NULL if the source prints none
    paper VARCHAR NOT NULL,              -- of the method
    reported_in VARCHAR NOT NULL,        -- where the number was printed
    source_table VARCHAR NOT NULL,
    url VARCHAR NOT NULL,
    note VARCHAR NOT NULL                -- known error or peculiarity; empty where none is known
);

CREATE TABLE published_digest (digest VARCHAR NOT NULL);
