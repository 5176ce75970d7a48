"""Weights that a paper published and open_clip does not list: their files, activation, licence and citation. No torch.

No test downloads them. An empty `revision` means that no commit is known, so the newest file is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

BIOMEDCLIP = "BiomedCLIP"
BIOMEDCLIP_CONFIG: dict[str, Any] = {
    "embed_dim": 512,
    "vision_cfg": {
        "image_size": 224,
        "timm_model_name": "vit_base_patch16_224",
        "timm_pool": "",
        "timm_proj": "linear",
    },
    "text_cfg": {
        "hf_model_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
        "hf_tokenizer_name": "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
        "hf_proj_type": "mlp",
        "hf_pooler_type": "cls_last_hidden_state_pooler",
        "context_length": 256,
    },
}
"""open_clip has no architecture of this name; this is the content of the repository's `open_clip_config.json`."""

_REMOTECLIP = """@article{liu2024remoteclip,
  title = {RemoteCLIP: A Vision Language Foundation Model for Remote Sensing},
  author = {Liu, Fan and Chen, Delong and Guan, Zhangqingyun and Zhou, Xiaocong and Zhu, Jiale and Ye, Qiaolin and Fu,
    Liyong and Zhou, Jun},
  journal = {IEEE Transactions on Geoscience and Remote Sensing},
  volume = {62},
  pages = {1--16},
  year = {2024}
}"""
_GEORSCLIP = """@article{zhang2023rs5m,
  title = {RS5M and GeoRSCLIP: A Large Scale Vision-Language Dataset and A Vision-Language Foundation Model for Remote
    Sensing},
  author = {Zhang, Zilun and Zhao, Tiancheng and Guo, Yulong and Yin, Jianwei},
  journal = {arXiv preprint arXiv:2306.11300},
  year = {2023}
}"""
_SKYCLIP = """@article{wang2023skyscript,
  title = {SkyScript: A Large and Semantically Diverse Vision-Language Dataset for Remote Sensing},
  author = {Wang, Zhecheng and Prabha, Rajanie and Huang, Tianyuan and Wu, Jiajun and Rajagopal, Ram},
  journal = {arXiv preprint arXiv:2312.12856},
  year = {2023}
}"""
_BIOMEDCLIP = """@article{zhang2023biomedclip,
  title = {BiomedCLIP: a multimodal biomedical foundation model pretrained from fifteen million scientific image-text
    pairs},
  author = {Zhang, Sheng and Xu, Yanbo and Usuyama, Naoto and others},
  journal = {arXiv preprint arXiv:2303.00915},
  year = {2023}
}"""


@dataclass(frozen=True)
class PublishedWeights:
    """The weights of one backbone.

    Args:
        title: the model as its paper names it.
        repository: on the Hugging Face hub; empty for an archive at a web address.
        file: in the repository, or in the archive.
        activation: that the weights run with.
        reason: the source of the activation.
        licence: of the weights, in words.
        revision: commit of the repository; empty: the newest.
        archive: web address of a zip archive.
    """

    title: str
    file: str
    activation: Literal["quickgelu", "gelu"]
    reason: str
    licence: str
    citation: str
    repository: str = ""
    revision: str = ""
    archive: str = ""

    @property
    def facts(self) -> dict[str, object]:
        """What a user must know, for the card of the backbone."""
        where = f"hf-hub:{self.repository}, {self.file}" if self.repository else f"{self.archive}, {self.file}"
        return {
            "weights_of": self.title,
            "weights_file": where,
            "weights_revision": self.revision or "unverified: none is known, so the newest file is used",
            "activation": f"{self.activation}; {self.reason}",
            "licence": self.licence,
            "citation": self.citation,
        }


def _remoteclip(arch: str) -> PublishedWeights:
    return PublishedWeights(
        title="RemoteCLIP",
        repository="chendelong/RemoteCLIP",
        file=f"RemoteCLIP-{arch}.pt",
        activation="quickgelu",
        reason="retrieval.py loads the file into OpenAI's model (ChenDelong1999/RemoteCLIP, commit a6a4787); the "
        "example of its README uses GELU",
        licence="none stated with the weights; Apache-2.0 for the code",
        citation=_REMOTECLIP,
    )


def _georsclip(arch: str, activation: Literal["quickgelu", "gelu"], reason: str) -> PublishedWeights:
    return PublishedWeights(
        title="GeoRSCLIP",
        repository="Zilun/GeoRSCLIP",
        revision="4920188e6eba4e711ef9848cfd7cb77e874ee33f",
        file=f"ckpt/RS5M_{arch}.pt",
        activation=activation,
        reason=reason,
        licence="Creative Commons, version not stated",
        citation=_GEORSCLIP,
    )


def _skyclip(name: str, activation: Literal["quickgelu", "gelu"], start: str) -> PublishedWeights:
    return PublishedWeights(
        title="SkyCLIP",
        archive=f"https://opendatasharing.s3.us-west-2.amazonaws.com/SkyScript/ckpt/{name}.zip",
        file=f"{name}/epoch_20.pt",
        activation=activation,
        reason=f"training started at {start} (README of wangzhecheng/SkyScript, commit b16d2e7)",
        licence="MIT (LICENSE of wangzhecheng/SkyScript)",
        citation=_SKYCLIP,
    )


_FROM_OPENAI = "inference.py loads the file into OpenAI's model (om-ai-lab/RS5M, commit 084cdd9)"
_FROM_LAION = "inference.py loads the file into laion2b_s32b_b79k (om-ai-lab/RS5M, commit 084cdd9)"
_IN_CLIP = "the benchmark elkhouryk/fewshot_RSVLMs (commit 374a981) loads the file into OpenAI's code"

PUBLISHED: dict[tuple[str, str], PublishedWeights] = {
    ("RN50", "remoteclip"): _remoteclip("RN50"),
    ("ViT-B-32", "remoteclip"): _remoteclip("ViT-B-32"),
    ("ViT-L-14", "remoteclip"): _remoteclip("ViT-L-14"),
    ("ViT-B-32", "georsclip"): _georsclip("ViT-B-32", "quickgelu", _FROM_OPENAI),
    ("ViT-L-14", "georsclip"): _georsclip("ViT-L-14", "quickgelu", _IN_CLIP),
    ("ViT-H-14", "georsclip"): _georsclip("ViT-H-14", "gelu", _FROM_LAION),
    ("ViT-B-32", "skyclip_top50pct"): _skyclip("SkyCLIP_ViT_B32_top50pct", "gelu", "laion2b_e16, which uses GELU"),
    ("ViT-L-14", "skyclip_top50pct"): _skyclip("SkyCLIP_ViT_L14_top50pct", "quickgelu", "OpenAI's weights"),
    (BIOMEDCLIP, "pmc15m"): PublishedWeights(
        title="BiomedCLIP",
        repository="microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
        revision="9f341de24bfb00180f1b847274256e9b65a3a32e",
        file="open_clip_pytorch_model.bin",
        activation="gelu",
        reason="timm's ViT and BERT have their own",
        licence="MIT",
        citation=_BIOMEDCLIP,
    ),
}
"""By architecture and tag. The loading code of all uses OpenAI's preprocessing."""


def published_tags(arch: str) -> list[str]:
    """The tags of an architecture's published weights."""
    return [tag for name, tag in PUBLISHED if name == arch]
