"""Addresses under which a printed number can be looked up."""

import re

_ADDRESSES = {
    "arXiv": r"https://arxiv\.org/(abs|pdf)/\d{4}\.\d{4,5}(v\d+)?",
    "DOI": r"https://doi\.org/10\.\d{4,9}/\S+",
    "OpenReview": r"https://openreview\.net/(forum|pdf)\?id=[\w-]+",
    "CVF": r"https://openaccess\.thecvf\.com/content\S+",
    "proceedings": r"https://(aclanthology\.org|proceedings\.mlr\.press|(proceedings|papers)\.n(eur)?ips\.cc|ojs\.aaai\.org"
    r"|www\.ecva\.net|link\.springer\.com|ieeexplore\.ieee\.org|dl\.acm\.org)/\S+",
    "GitHub issue": r"https://github\.com/[\w.-]+/[\w.-]+/issues/\d+",
    "GitHub at a commit": r"https://github\.com/[\w.-]+/[\w.-]+/blob/[0-9a-f]{7,40}/\S+",
}
_ANY = re.compile("|".join(f"(?:{pattern})" for pattern in _ADDRESSES.values()))
_SHORT = re.compile(r"([\w.-]+/[\w.-]+)@([0-9a-f]{7,40})[:/](\S+)")
ALLOWED = (
    "the address of an arXiv abstract, a DOI, an OpenReview forum, a CVF or proceedings page, a GitHub issue, or a "
    "file on GitHub at a commit (https://github.com/OWNER/NAME/blob/COMMIT/PATH, or OWNER/NAME@COMMIT:PATH)"
)
"""The allowed addresses, for a message."""


def paper_address(paper: str) -> str:
    """The address of a paper that a method names: an arXiv id, `openreview:ID`, `doi:ID` or an address.

    Example:
        >>> paper_address("2311.15569"), paper_address("doi:10.1007/1")
        ('https://arxiv.org/abs/2311.15569', 'https://doi.org/10.1007/1')
    """
    kind, _, name = paper.partition(":")
    found = {"openreview": f"https://openreview.net/forum?id={name}", "doi": f"https://doi.org/{name}"}.get(kind)
    return found or (paper if "/" in paper else f"https://arxiv.org/abs/{paper}")


def is_address(text: str) -> bool:
    """Whether a text is an address that stays: an identifier of a paper, an issue, or a file at a commit.

    Example:
        >>> is_address("https://arxiv.org/abs/2311.15569"), is_address("https://example.org/table.html")
        (True, False)
    """
    return bool(_ANY.fullmatch(text) or _SHORT.fullmatch(text))
