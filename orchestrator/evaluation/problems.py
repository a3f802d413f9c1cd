"""What is wrong with a line of an evaluation file."""

from __future__ import annotations


class InvalidCase(Exception):
    """The line is no case; `problem` names the key and says why."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)
