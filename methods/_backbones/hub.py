"""The Hugging Face hub: which files are cached here, and whether the hub can be reached. Loads no torch."""

from pathlib import Path

SECONDS = 5
"""Seconds to wait for the hub. Its own client would try for 23 s and print each attempt."""


def cached_file(repository: str, name: str) -> Path | None:
    """The cached copy of a file of a repository, if there is one."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, name)
    return Path(found) if isinstance(found, str) else None


def why_unreachable() -> str | None:
    """Why no file can be fetched from the hub: its client is set to offline, or it does not answer; else None."""
    import requests
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    try:
        requests.head(constants.ENDPOINT, timeout=SECONDS)
    except requests.RequestException as error:
        return f"{constants.ENDPOINT} cannot be reached ({type(error).__name__})"
    return None
