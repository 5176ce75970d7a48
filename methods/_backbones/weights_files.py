"""Files of weights: the options after a local file, and fetching. Loads no torch."""

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from datasets_registry import archives
from methods._backbones.backbone_spec import OWN_CONFIGS, BackboneSpec
from methods._backbones.model_folders import HUB_ARCH, HUB_WEIGHTS, WeightsError, hub_file, hub_weights
from methods._backbones.open_clip_library import open_clip, open_clip_names
from methods._backbones.published_weights import PublishedWeights

ACTIVATIONS = ("quickgelu", "gelu")
PREPROCESSING_OPTIONS = ("preprocess", "mean", "std", "interpolation", "resize_mode", "fill_color")
_OPTION = rf"(?:{'|'.join(ACTIVATIONS)}|(?:{'|'.join(PREPROCESSING_OPTIONS)})=[^,]*)"


def is_weights_option(text: str) -> bool:
    """Whether a text between commas is an option of the weights file before it.

    Example:
        >>> is_weights_option("gelu"), is_weights_option("preprocess=openai"), is_weights_option("ViT-demo.drawn")
        (True, True, False)
    """
    return re.fullmatch(_OPTION, text) is not None


def split_weights_options(text: str) -> tuple[str, str]:
    """The file and the options after it, which begin with a comma; empty without options.

    Example:
        >>> split_weights_options("w,1.safetensors,gelu,mean=0.5")
        ('w,1.safetensors', ',gelu,mean=0.5')
    """
    match = re.fullmatch(rf"(.*?)((?:,{_OPTION})*)", text, flags=re.DOTALL)
    assert match is not None  # the second part may be empty
    return match.group(1), match.group(2)


UNEXPECTED_BIAS = (
    "{where} has a logit bias, and the architecture has none. It was trained with a sigmoid loss: give its own "
    "architecture, or use local-dir:FOLDER with init_logit_bias in the model_cfg of open_clip_config.json."
)
_ARCHIVES = Path("~/.cache/clip").expanduser()
"""open_clip's folder of files that are not on the hub."""


def fetch_weights(spec: BackboneSpec) -> Path | None:
    """The file of a backbone's pretrained weights, fetched if it is not on disk; None for weights of other kinds.

    Raises WeightsError if it cannot be fetched.
    """
    if spec.imported or spec.path is not None or spec.arch in OWN_CONFIGS or spec.tag == "random":
        return None
    if spec.arch == HUB_ARCH:
        return hub_weights(spec.repository)
    activation = "quickgelu" if spec.config["quick_gelu"] else "gelu"
    advice = f"With a copy on disk, give -b '{spec.arch}=FILE,{activation},preprocess={spec.tag}'."
    if (published := spec.published) is not None and published.archive:
        advice = f"Or unpack {published.archive}. {advice}"
    source = {} if published is not None else open_clip().get_pretrained_cfg(spec.arch, spec.tag)
    try:
        return Path(open_clip().download_pretrained(source)) if published is None else _fetch_published(published)
    except Exception as error:  # open_clip, urllib and the hub client share no base class
        first = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"The weights {spec.slug} could not be fetched ({type(error).__name__}: {first}). Check the network; "
            f"without one, -b ViT-demo.drawn tries the commands. {advice}"
        ) from error


def has_weights(spec: BackboneSpec) -> bool:
    """Whether nothing has to be fetched for a backbone's weights. Asks no server and loads no torch."""
    if spec.imported or spec.path is not None or spec.arch in OWN_CONFIGS or spec.tag == "random":
        return True
    if spec.arch == HUB_ARCH:
        return _in_cache(spec.repository, HUB_WEIGHTS)
    if (published := spec.published) is not None:
        return (
            _unpacked(published).is_file()
            if published.archive
            else _in_cache(published.repository, [published.file], published.revision)
        )
    source = open_clip_names().get_pretrained_cfg(spec.arch, spec.tag)
    repository, _, name = str(source.get("hf_hub") or "").rpartition("/")
    files = [name, str(Path(name).with_suffix(".safetensors"))] if name else HUB_WEIGHTS
    return bool(repository) and _in_cache(repository, files)


def _fetch_published(weights: PublishedWeights) -> Path:
    """The file, from the hub or out of its archive; the errors of both are those of their libraries."""
    if weights.repository:
        return hub_file(weights.repository, weights.file, weights.revision)
    file = _unpacked(weights)
    if not file.is_file():
        archive = open_clip().pretrained.download_pretrained_from_url(weights.archive, cache_dir=str(_ARCHIVES))
        with archives.open_zip(Path(archive)) as opened, TemporaryDirectory(dir=_ARCHIVES) as place:
            whole = opened.extract(weights.file, place)
            file.parent.mkdir(exist_ok=True)
            Path(whole).replace(file)
    return file


def _unpacked(weights: PublishedWeights) -> Path:
    return _ARCHIVES / weights.file


def _in_cache(repository: str, names: Sequence[str], revision: str = "") -> bool:
    """Whether the hub's cache has one of these files; the client of the hub would take longer to import."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots"
    return any(next(folder.glob(f"{revision or '*'}/{name}"), None) is not None for name in names)


def fetch_tokenizer(spec: BackboneSpec) -> None:
    """Make sure that the text tower's tokenizer is on disk; raises WeightsError if it is not available."""
    if spec.text_tower_error is None and spec.tokenizer is not None:
        from methods._text.tokenizers import hub_tokenizer

        hub_tokenizer(*spec.tokenizer)
