"""Options after a local weights file, as in `ARCH=FILE,gelu,preprocess=TAG`. Imports no other module of `methods`."""

import re

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
