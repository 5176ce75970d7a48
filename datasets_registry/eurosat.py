"""EuroSAT: ten kinds of land use on 64x64 satellite images.

Helber et al., "EuroSAT: A Novel Dataset and Deep Learning Benchmark for Land Use and Land Cover Classification", 2019.
The random 50/20/30 split is CoOp's, since there is no official split. So are the class names: `AnnualCrop` becomes
"Annual Crop Land". The split ignores spatial neighbourhood, so test tiles may touch training tiles.
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "eurosat",
    title="EuroSAT",
    summary="Ten kinds of land use on 64x64 satellite images; far from CLIP's web photographs.",
    domain="satellite land use",
    template="a centered satellite photo of {}.",
    expected={"train": 13500, "val": 5400, "test": 8100},
    known_problems=(
        "The random split ignores spatial neighbourhood.",
        "Class names are CoOp's and differ from the CLIP paper's; zero-shot accuracy depends on them.",
    ),
    licence="MIT (its repository); imagery under the Copernicus terms",
    homepage="https://github.com/phelber/EuroSAT",
    citation="""@article{helber2019eurosat,
  title = {{EuroSAT}: A Novel Dataset and Deep Learning Benchmark for Land Use and Land Cover Classification},
  author = {Helber, Patrick and Bischke, Benjamin and Dengel, Andreas and Borth, Damian},
  journal = {IEEE Journal of Selected Topics in Applied Earth Observations and Remote Sensing},
  volume = {12},
  number = {7},
  pages = {2217--2226},
  year = {2019}
}""",
    folder="eurosat",
    split_file="split_zhou_EuroSAT.json",
    image_folder="2750",
    split_url="https://drive.google.com/file/d/1Ip7yaCWFi0eaOFUGga0lUdVi_DDQth1o",
    images_url="https://zenodo.org/records/7711810",
    other_folders={"EuroSAT_RGB": "EuroSAT_RGB", "eurosat/EuroSAT_RGB": "EuroSAT_RGB inside"},
)
