ALTER TABLE runs ADD COLUMN device VARCHAR;                 -- name of the GPU, or cpu, cuda or mps
UPDATE runs SET device = coalesce(provenance ->> '$.gpu.name', split_part(provenance ->> '$.device', ':', 1));
