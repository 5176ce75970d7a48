"""Submissions to a board: a folder with a bundle of runs, facts about who submits it, and the checks it must pass.

Nothing of a submission is executed. `prepare` writes one, `check` decides whether a board can accept it.
"""
