-- Options of a run beyond one dataset and its template. NULL in runs without them.

ALTER TABLE runs ADD COLUMN targets VARCHAR;      -- JSON list of the datasets scored besides the source
ALTER TABLE runs ADD COLUMN support VARCHAR;      -- digest of an imported support list
ALTER TABLE runs ADD COLUMN class_text VARCHAR;   -- class texts in place of the template, with their digest
