ALTER TABLE runs ADD COLUMN held_out_shot BOOLEAN;          -- whether one shot of each class was held out to select
