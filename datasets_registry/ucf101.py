"""UCF101: 101 human actions, the middle frame of each video.

Soomro, Zamir and Shah, "UCF101: A Dataset of 101 Human Actions Classes From Videos in The Wild", 2012. Images are
CoOp's middle frames. CoOp uses the first official list and splits its training part 80/20 at random. A name is the
action, split before every capital (`ApplyEyeMakeup` -> `Apply_Eye_Makeup`). This is also the folder's name; files keep
the original spelling.
"""

from datasets_registry._readers.register_datasets import register_coop_dataset

register_coop_dataset(
    "ucf101",
    title="UCF101",
    summary="101 human actions, each a single middle frame of a video.",
    domain="actions (middle video frame)",
    template="a photo of a person doing {}.",
    expected={"train": 7639, "val": 1898, "test": 3783},
    known_problems=(
        "Every validation frame shares its clip group with a training frame, so validation accuracy is optimistic.",
        "The folder Handstand_Pushups has files named v_HandStandPushups_*.",
    ),
    group_pattern=r"/(v_\w+_g\d+)_c\d+\.",
    groups="videos with common actors or background, 25 groups of each action (g01 to g25 in file names)",
    licence="no explicit licence; clips from YouTube, research use",
    homepage="https://www.crcv.ucf.edu/data/UCF101.php",
    citation="""@techreport{soomro2012ucf101,
  title = {{UCF101}: A Dataset of 101 Human Actions Classes From Videos in The Wild},
  author = {Soomro, Khurram and Zamir, Amir Roshan and Shah, Mubarak},
  institution = {CRCV, University of Central Florida},
  number = {CRCV-TR-12-01},
  year = {2012}
}""",
    folder="ucf101",
    split_file="split_zhou_UCF101.json",
    image_folder="UCF-101-midframes",
    split_url="https://drive.google.com/file/d/1I0S0q91hJfsV9Gf4xDIjgDq4AqBNJb1y",
    images_url="https://drive.google.com/file/d/10Jqome3vtUA2keJkNanAiFpgbyC9Hc2O",
    other_folders={"UCF-101-midframes": "midframes alone"},
)
