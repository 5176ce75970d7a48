"""The sections of the page in order, each with the question that it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A section of the page; its template is `sections/NAME.html.j2`."""

    name: str
    title: str
    question: str

    @property
    def template(self) -> str:
        """Name of the template."""
        return f"sections/{self.name}.html.j2"


PARTS = (
    Part("overview", "Overview", "Which method is best, by how much, and with what confidence?"),
    Part("difficulty", "Difficulty", "Which methods benefit on datasets that are hard for the backbone?"),
    Part("methods", "Methods", "On which datasets does each method gain or lose, and with which settings?"),
    Part("datasets", "Datasets", "How well does every method perform on each dataset, and how hard is the dataset?"),
    Part("claims", "Claims", "Do these runs support the claims of the APEX paper?"),
    Part("published", "Published and ours", "Do these runs agree with published numbers?"),
    Part("figures", "Figures of the paper", "What do the figures of the APEX paper look like on these runs?"),
    Part("cost", "Cost", "What does the accuracy cost?"),
    Part(
        "quality",
        "Calibration and headroom",
        "Are predicted probabilities reliable, and does every class gain?",
    ),
    Part("error_analysis", "Error analysis", "Which classes and images does each method misclassify?"),
    Part("runs", "Runs", "Which runs are missing, which failed, and where were they made?"),
)

PUBLISHED_PARTS = (
    Part("published_boards", "Boards", "Which numbers do papers report for the same protocol, backbone and shots?"),
    Part("published_difficulty", "Difficulty", "Do published gains depend on difficulty?"),
    Part("published_sources", "Sources", "Where was each number published, and which errors are known?"),
)
"""Sections of the page of published numbers."""
