"""What is wrong with a job file, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from matted.errors import BatchError


@dataclass(frozen=True)
class Problem:
    """One thing to put right before a batch can start.

    Attributes:
        file: the job file.
        line: from 1; 0 where the file has no lines or the command line is at fault.
        shot: the shot's name; empty when the problem is not one shot's.
        message: what is wrong.
        hint: what to do.
        waits: files that may still be on their way; everything else stays wrong however long one waits.
    """

    file: Path
    line: int
    shot: str
    message: str
    hint: str
    waits: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{place}: {self.shot + ': ' if self.shot else ''}{self.message} {self.hint}"


class JobFileError(BatchError):
    """A job file with problems; nothing of it was started.

    Attributes:
        problems: all of them, each once, in line order.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = in_order(problems)
        count = len(self.problems)
        message = f"The job file has {count} problem{'' if count == 1 else 's'}; nothing was started."
        message = "\n".join([message, *map(str, self.problems)])
        super().__init__("job_file", message, hint="Put them right and run it again.", path=self.problems[0].file)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once, by line; those of one line as they were found."""
    first: dict[tuple[int, str, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.line, problem.shot, problem.message), problem)
    return tuple(sorted(first.values(), key=lambda problem: problem.line))
