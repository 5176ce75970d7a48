"""Byte pairs as CLIP merges them; the list of merges is read from an installed package, without importing it."""

import gzip
import importlib.util
import os
import re


def _merges():
    package = importlib.util.find_spec("open_clip").submodule_search_locations[0]
    with gzip.open(os.path.join(package, "bpe_simple_vocab_16e6.txt.gz")) as file:
        lines = file.read().decode("utf-8").split("\n")
    return [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]


class SimpleTokenizer:
    """For names of classes in plain ASCII."""

    def __init__(self):
        printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
        symbols = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(256 - len(printable))]
        merges = _merges()
        vocabulary = symbols + [symbol + "</w>" for symbol in symbols] + ["".join(pair) for pair in merges]
        vocabulary += ["<|startoftext|>", "<|endoftext|>"]
        self.encoder = {token: number for number, token in enumerate(vocabulary)}
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}

    def encode(self, text):
        words = re.findall(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+", " ".join(text.lower().split()))
        return [self.encoder[token] for word in words for token in self._tokens(word)]

    def _tokens(self, word):
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            best = min(zip(parts, parts[1:]), key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            merged, i = [], 0
            while i < len(parts):
                together = tuple(parts[i : i + 2]) == best
                merged.append("".join(best) if together else parts[i])
                i += 2 if together else 1
            parts = merged
        return parts
