"""SS-Text+: SS-Text for supports with unequal class sizes, with classifier rows that repel one another.

Silva-Rodriguez et al., "Few-Shot, Now for Real: Medical VLMs Adaptation without Balanced Sets or Validation", MICCAI
2025. Official file: jusiro/SS-Text `solvers/sstext.py`. It differs from SS-Text (see `ss_text`) in two settings. The
weight of a class's text is 1 / (images of that class), and each row w_c moves one unit away from the others:

    w_c - d_c / |d_c|          d_c = 2 w_c - mean_k w_k
"""

from methods import MethodInfo, register_method
from methods.ss_text import Repel, SSText, SSTextConfig, TextWeight


class SSTextPlusConfig(SSTextConfig):
    """The weight of the texts, and the repulsion."""

    text_weight: TextWeight = "class"
    repel: Repel = True


@register_method
class SSTextPlus(SSText[SSTextPlusConfig]):
    """`scale cos(f, w_c)` with `w_c` between the class's images and its text, and away from other classes."""

    info = MethodInfo(
        name="ss_text_plus",
        title="SS-Text+",
        family="classifier",
        summary="SS-Text for supports of unequal classes, with rows that repel one another; closed form.",
        paper="2506.17500",
        code="jusiro/SS-Text",
        citation="""@inproceedings{silvarodriguez2025sstext,
  title = {Few-Shot, Now for Real: Medical VLMs Adaptation without Balanced Sets or Validation},
  author = {Silva-Rodriguez, Julio and Shakeri, Fereshteh and Bahig, Houda and Dolz, Jose and Ben Ayed, Ismail},
  booktitle = {MICCAI},
  year = {2025}
}""",
        config=SSTextPlusConfig,
        open_vocabulary=False,
    )
