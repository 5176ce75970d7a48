"""CIFAR-10: ten kinds of objects on 32x32 photographs.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. Test images are the official ones; 500
training images of each class are val. Names and template are CLIP's.
"""

from datasets_registry._readers.cifar import register_cifar

register_cifar(
    "cifar10",
    title="CIFAR-10",
    summary="Ten kinds of objects on photographs of 32x32 pixels.",
    domain="small images",
    known_problems=("Its images are enlarged sevenfold for most backbones.", "Near-duplicates in train and test."),
    folder="cifar-10-batches-bin",
    train_files=[f"data_batch_{i}.bin" for i in range(1, 6)],
    test_file="test_batch.bin",
    label_bytes=1,
    held_out=500,
)
