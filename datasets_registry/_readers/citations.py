"""Citations that several datasets share."""

MEDMNIST_PAPER = """@article{yang2023medmnist,
  title = {{MedMNIST} v2: A Large-scale Lightweight Benchmark for 2{D} and 3{D} Biomedical Image Classification},
  author = {Yang, Jiancheng and Shi, Rui and Wei, Donglai and Liu, Zequan and Zhao, Lin and Ke, Bilian and others},
  journal = {Scientific Data},
  volume = {10},
  pages = {41},
  year = {2023}
}"""
