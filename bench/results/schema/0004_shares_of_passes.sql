-- A pass through some of a tower's blocks counts by their share, so passes are fractional.

ALTER TABLE runs ALTER COLUMN image_passes TYPE DOUBLE;
ALTER TABLE runs ALTER COLUMN prompted_image_passes TYPE DOUBLE;
ALTER TABLE runs ALTER COLUMN text_passes TYPE DOUBLE;
