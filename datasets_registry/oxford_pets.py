"""Oxford Pets: 37 breeds of cats and dogs.

Parkhi et al., "Cats and Dogs", CVPR 2012. Test images are the official ones; CoOp splits the official trainval images
80/20 into train and val. Class names are the breeds in the file names, in lower case. Strict decoders reject a few of
the files; PIL reads them.
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "oxford_pets",
    title="Oxford Pets",
    summary="37 breeds of cats and dogs; fine-grained, but frequent in CLIP's training texts.",
    domain="fine-grained animals",
    template="a photo of a {}, a type of pet.",
    template_variants={"prograd": "a type of pet, a photo of a {}."},
    expected={"train": 2944, "val": 736, "test": 3669},
    known_problems=("Strict decoders reject a few files; PIL reads them.",),
    licence="CC BY-SA 4.0 (its homepage)",
    homepage="https://www.robots.ox.ac.uk/~vgg/data/pets/",
    citation="""@inproceedings{parkhi2012cats,
  title = {Cats and Dogs},
  author = {Parkhi, Omkar M. and Vedaldi, Andrea and Zisserman, Andrew and Jawahar, C. V.},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year = {2012}
}""",
    folder="oxford_pets",
    split_file="split_zhou_OxfordPets.json",
    image_folder="images",
    split_url="https://drive.google.com/file/d/1501r8Ber4nNKvmlFVQZ8SeUHTcdTTEqs",
    images_url="https://www.robots.ox.ac.uk/~vgg/data/pets/",
    other_folders={"oxford-iiit-pet/images": "torchvision"},
)
