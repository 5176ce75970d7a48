#!/bin/bash

# custom config
DATA=/path/to/datasets
TRAINER=OffsetText
CFG=vit

DATASET=$1
WEIGHT=$2

for SEED in 1 2 3
do
    DIR=output/${DATASET}/${TRAINER}/${CFG}/seed${SEED}
    if [ -d "$DIR" ]; then
        echo "Results are available in ${DIR}. Skip this job"
    else
        python train.py \
        --root ${DATA} \
        --seed ${SEED} \
        --trainer ${TRAINER} \
        --dataset-config-file configs/datasets/${DATASET}.yaml \
        --config-file configs/trainers/${TRAINER}/${CFG}.yaml \
        --output-dir ${DIR} \
        TRAINER.OFFSET.W ${WEIGHT} \
        DATASET.NUM_SHOTS 16 \
        DATASET.SUBSAMPLE_CLASSES base
    fi
done
