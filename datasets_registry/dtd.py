"""DTD: 47 texture words, from banded to zigzagged.

Cimpoi et al., "Describing Textures in the Wild", CVPR 2014. CoOp's random 50/20/30 split of all 5,640 images ignores
the ten official splits, so results are not comparable with papers that use those. Textures overlap: many images fit
several words, but each has one label.
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "dtd",
    title="DTD",
    summary="47 texture words for photographs of surfaces; the words are adjectives and overlap.",
    domain="textures",
    template="{} texture.",
    template_variants={"kgcoop": "a photo of a {}, a type of texture.", "prograd": "a texture of {}."},
    expected={"train": 2820, "val": 1128, "test": 1692},
    known_problems=("Images fit several words but have one label.", "The ten official splits are ignored."),
    licence="for research purposes (its homepage)",
    homepage="https://www.robots.ox.ac.uk/~vgg/data/dtd/",
    citation="""@inproceedings{cimpoi2014describing,
  title = {Describing Textures in the Wild},
  author = {Cimpoi, Mircea and Maji, Subhransu and Kokkinos, Iasonas and Mohamed, Sammy and Vedaldi, Andrea},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year = {2014}
}""",
    folder="dtd",
    split_file="split_zhou_DescribableTextures.json",
    image_folder="images",
    split_url="https://drive.google.com/file/d/1u3_QfB467jqHgNXC00UIzbLZRQCg2S7x",
    images_url="https://www.robots.ox.ac.uk/~vgg/data/dtd/",
    other_folders={"dtd/dtd/images": "torchvision"},
)
