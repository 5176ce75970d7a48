"""The parts of the page in order, each with the question that it answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One section of the page; its template is `sections/NAME.html.j2`."""

    name: str
    title: str
    question: str

    @property
    def template(self) -> str:
        """Name of the template."""
        return f"sections/{self.name}.html.j2"


PARTS = (
    Part("overview", "Overview", "Which method is better here, by how much, and how sure is that?"),
    Part("difficulty", "Difficulty", "Which methods benefit on datasets that are hard for the backbone?"),
    Part("methods", "Methods", "Where does each method gain and where does it lose, and with which settings?"),
    Part("datasets", "Datasets", "How does every method do on one kind of task, and how hard is that task?"),
    Part("claims", "Claims", "Do these runs support what the APEX paper says?"),
    Part("published", "Published and ours", "Do these runs agree with the numbers that papers print?"),
    Part("figures", "Figures of the paper", "What do the APEX paper’s figures look like on these runs?"),
    Part("cost", "Cost", "What does the accuracy cost, and who gives the most for it?"),
    Part("quality", "Calibration and headroom", "Can its confidence be believed, and does every class gain?"),
    Part("error_analysis", "Look closer", "Which classes and which images does a method get wrong?"),
    Part("runs", "Runs", "What is missing, what failed, and where were the runs made?"),
)

PUBLISHED_PARTS = (
    Part("published_boards", "Boards", "Which numbers do papers print, for the same protocol, backbone and shots?"),
    Part(
        "published_difficulty", "Difficulty", "Do published numbers show that difficulty decides which methods benefit?"
    ),
    Part("published_sources", "Sources", "Where was each number read, and what is known to be wrong in it?"),
)
"""The page of published numbers alone."""
