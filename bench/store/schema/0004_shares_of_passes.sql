-- A pass through some of a tower's blocks counts by their share, so that passes are no whole numbers.

ALTER TABLE runs ALTER COLUMN image_passes TYPE DOUBLE;
ALTER TABLE runs ALTER COLUMN prompted_image_passes TYPE DOUBLE;
ALTER TABLE runs ALTER COLUMN text_passes TYPE DOUBLE;
