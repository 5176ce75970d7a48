"""The sections of the page in order, each with its question."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A section of the page: parts of the setting (`reports.parts`), and `sections/NAME.html.j2` if there is one."""

    name: str
    title: str
    question: str


SECTIONS = (
    Section("leaderboard", "Leaderboard", "Which method is best, by how much, and with what confidence?"),
    Section("head_to_head", "Head to head", "Which methods differ, by how much, and is the difference significant?"),
    Section("datasets", "Datasets and methods", "How accurate is each method on each dataset, from easy to hard?"),
    Section("shots", "Accuracy against shots", "How does accuracy grow with the number of labelled images per class?"),
    Section("difficulty", "Difficulty", "Which methods gain on hard datasets, and does difficulty help to choose?"),
    Section("claims", "Claims", "Do these runs support the claims of the APEX paper?"),
    Section("published", "Published and ours", "Do these runs agree with published numbers?"),
    Section("figures", "Figures of the paper", "What do the figures of the APEX paper look like on these runs?"),
    Section("cost", "Cost", "What does the accuracy cost?"),
    Section("quality", "Calibration and headroom", "Are predicted probabilities reliable, and does every class gain?"),
    Section("error_analysis", "Error analysis", "Which classes and images does each method misclassify?"),
    Section("submissions", "Submissions", "Who submitted these runs, what was checked, and which were recomputed?"),
    Section("runs", "Runs", "Which runs are missing or failed, and where were the runs made?"),
)

PUBLISHED_SECTIONS = (
    Section("published_boards", "Boards", "Which numbers do papers report for the same protocol, backbone and shots?"),
    Section("published_difficulty", "Difficulty", "Do published gains depend on difficulty?"),
    Section("published_sources", "Sources", "Where was each number published, and which errors are known?"),
)
"""Sections of the page of published numbers."""
