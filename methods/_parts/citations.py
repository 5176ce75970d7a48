"""BibTeX entries of papers that several methods come from."""

MAPLE_PAPER = """@inproceedings{khattak2023maple,
  title = {MaPLe: Multi-modal Prompt Learning},
  author = {Khattak, Muhammad Uzair and Rasheed, Hanoona and Maaz, Muhammad and others},
  booktitle = {CVPR},
  year = {2023}
}"""
TIP_ADAPTER_PAPER = """@inproceedings{zhang2022tip,
  title = {Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification},
  author = {Zhang, Renrui and Zhang, Wei and Fang, Rongyao and others},
  booktitle = {ECCV},
  year = {2022}
}"""
CLIP_PAPER = """@inproceedings{radford2021clip,
  title = {Learning Transferable Visual Models From Natural Language Supervision},
  author = {Radford, Alec and Kim, Jong Wook and Hallacy, Chris and others},
  booktitle = {ICML},
  year = {2021}
}"""
CLAP_PAPER = """@inproceedings{silva2024closer,
  title = {A Closer Look at the Few-Shot Adaptation of Large Vision-Language Models},
  author = {Silva-Rodriguez, Julio and Hajimiri, Sina and Ben Ayed, Ismail and Dolz, Jose},
  booktitle = {CVPR},
  year = {2024}
}"""
PROLIP_PAPER = """@misc{fahes2024prolip,
  title = {CLIP's Visual Embedding Projector is a Few-shot Cornucopia},
  author = {Fahes, Mohammad and Vu, Tuan-Hung and Bursuc, Andrei and others},
  year = {2024},
  note = {arXiv 2410.05270}
}"""
DMN_PAPER = """@inproceedings{zhang2024dual,
  title = {Dual Memory Networks: A Versatile Adaptation Approach for Vision-Language Models},
  author = {Zhang, Yabin and Zhu, Wenjie and Tang, Hui and Ma, Zhiyuan and Zhou, Kaiyang and Zhang, Lei},
  booktitle = {CVPR},
  year = {2024}
}"""
DEKG_PAPER = """@inproceedings{li2025dekg,
  title = {Divergence-enhanced Knowledge-guided Context Optimization for Visual-Language Prompt Tuning},
  author = {Li, Yilun and Cheng, Miaomiao and Han, Xu and Song, Wei},
  booktitle = {ICLR},
  year = {2025}
}"""
