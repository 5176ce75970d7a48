#!/bin/bash

for SEED in 1 2 3
do
    python train.py \
    --seed ${SEED} \
    --trainer OffsetText \
    --dataset-config-file configs/datasets/$1.yaml \
    --config-file configs/trainers/OffsetText/vit.yaml \
    --model-dir output/eurosat \
    --load-epoch 2 \
    --eval-only \
    DATASET.NUM_SHOTS 16
done
