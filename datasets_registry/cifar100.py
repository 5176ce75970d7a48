"""CIFAR-100: a hundred kinds of objects on 32x32 photographs.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. Test images are the official ones; 50
training images of each class are val. Labels are the fine ones. Names and template are CLIP's.
"""

from datasets_registry._readers.cifar import register_cifar

register_cifar(
    "cifar100",
    title="CIFAR-100",
    summary="A hundred kinds of objects on photographs of 32x32 pixels.",
    domain="small images",
    known_problems=("Its images are enlarged sevenfold for most backbones.", "Near-duplicates in train and test."),
    folder="cifar-100-binary",
    train_files=["train.bin"],
    test_file="test.bin",
    label_bytes=2,
    held_out=50,
)
