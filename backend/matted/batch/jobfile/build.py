"""A batch of what a job file says, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matted.batch.jobfile.batch import Batch, Entry
from matted.batch.jobfile.clashes import clashes
from matted.batch.jobfile.draft import Draft, Given, shown, unknown
from matted.batch.jobfile.fields import FIELDS, Unfit, text
from matted.batch.jobfile.paths import located
from matted.batch.jobfile.problem import JobFileError, Problem
from matted.batch.jobfile.raw import Key, Raw
from matted.batch.jobfile.shots import make_request
from matted.batch.jobfile.tokens import BUILT_IN, NAME, TokenError, Tokens
from matted.batch.request import Request
from matted.batch.review import Thresholds

NAMELESS = "shot"
"""What ``{shot}`` is where a shot has no name, for the sake of its other problems."""

_SHOTS_HINT = "A shot is a table: [[shots]] in TOML, an item of shots: in YAML, a row in CSV."


def make_batch(raw: Raw, overrides: Mapping[str, Any]) -> Batch:
    """The batch.

    Args:
        raw: what the file says.
        overrides: values of the command line, which win; their paths are relative to the working directory.

    Raises:
        JobFileError: with every problem of the file.
    """
    return _Build(raw, overrides).batch()


class _Build:
    """Reads a job file from top to bottom, gathering problems."""

    def __init__(self, raw: Raw, overrides: Mapping[str, Any]) -> None:
        self._raw = raw
        self._overrides = overrides
        self._problems: list[Problem] = []

    def batch(self) -> Batch:
        self._refuse_unknown(self._raw.tree, (), ("job", "tokens", "defaults", "shots"), "in a job file")
        self._refuse_unknown(self._overrides, None, tuple(FIELDS), "of a shot")
        name, report = self._job(self._table("job"))
        tokens = Tokens(self._tokens(self._table("tokens")))
        defaults = self._defaults(tokens, self._table("defaults"))
        drafts = [self._shot(tokens, index, shot, defaults) for index, shot in enumerate(self._shots())]
        requests = [make_request(draft) for draft in drafts]
        self._problems += [problem for draft in (defaults, *drafts) for problem in draft.problems]
        self._problems += clashes(drafts, requests)
        if self._problems:
            raise JobFileError(self._problems)
        entries = (_entry(draft, request) for draft, request in zip(drafts, requests, strict=True) if request)
        return Batch(name, self._raw.file, tuple(entries), report, self._raw.notes)

    def _job(self, job: Mapping[str, Any]) -> tuple[str, Path]:
        self._refuse_unknown(job, ("job",), ("name", "report"), "in [job]")
        file = self._raw.file
        name = self._text(("job", "name"), "name", job.get("name", file.stem))
        report = self._report(job["report"]) if "report" in job else None
        return name or file.stem, report or file.with_suffix(".report.html")

    def _report(self, written: Any) -> Path | None:
        key = ("job", "report")
        name = self._text(key, "report", written)
        try:
            report = name and located(name, self._raw.file.parent)
        except Unfit as error:
            self._problem(key, f"report is {shown(written)}, which is not {error.wanted}.", error.hint)
            return None
        if report == self._raw.file:
            self._problem(key, "The report would take the place of the job file.", "Name another file.")
        return report or None

    def _tokens(self, table: Mapping[str, Any]) -> dict[str, str]:
        """The tokens; one that cannot be used stays, so that its users have no problem of their own."""
        tokens: dict[str, str] = {}
        for name, value in table.items():
            key = ("tokens", name)
            if name in BUILT_IN:
                self._problem(key, f"The token {{{name}}} is matted's own.", "Choose another name.")
            elif not NAME.fullmatch(name):
                self._problem(key, f"{shown(name)} is no name for a token.", "Use letters, digits, _ and -.")
            plain = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
            tokens[name] = self._text(key, f"{{{name}}}", plain) or name
        for name in tokens:
            try:
                Tokens(tokens).expand(f"{{{name}}}", dict.fromkeys(BUILT_IN, ""))
            except TokenError as error:
                self._problem(("tokens", error.token or name), error.message, error.hint)
        return tokens

    def _defaults(self, tokens: Tokens, table: Mapping[str, Any]) -> Draft:
        self._refuse_unknown(table, ("defaults",), tuple(FIELDS), "of a shot")
        if "name" in table:
            self._problem(("defaults", "name"), "The defaults name a shot.", "Give every shot a name of its own.")
        given = self._given(("defaults",), {key: value for key, value in table.items() if key != "name"})
        draft = Draft(self._raw, tokens, ("defaults",), given, NAMELESS, "")
        draft.read()
        return draft

    def _shot(self, tokens: Tokens, index: int, shot: Mapping[str, Any], defaults: Draft) -> Draft:
        """Everything given for a shot: the command line's word over its own, its own over the defaults'."""
        at: Key = ("shots", index)
        own = self._given(at, shot)
        by_hand = {key: Given(value, None, Path.cwd()) for key, value in self._overrides.items() if key in FIELDS}
        name = self._name(tokens, at, own)
        draft = Draft(self._raw, tokens, at, {**defaults.given, **own, **by_hand}, name or NAMELESS, name or "")
        draft.read()
        usual = defaults.values.get("thresholds", {})
        draft.values["thresholds"] = usual | draft.values.get("thresholds", {})
        self._refuse_unknown(shot, at, tuple(FIELDS), "of a shot", name or "")
        return draft

    def _given(self, at: Key, table: Mapping[str, Any]) -> dict[str, Given]:
        folder = self._raw.file.parent
        return {key: Given(value, (*at, key), folder) for key, value in table.items() if key in FIELDS}

    def _name(self, tokens: Tokens, at: Key, own: Mapping[str, Given]) -> str | None:
        """The shot's name, which its other values may hold; what is wrong with it is found with theirs."""
        draft = Draft(self._raw, tokens, at, {"name": own["name"]} if "name" in own else {}, "", "")
        draft.read()
        return draft.values.get("name")

    def _shots(self) -> Iterable[Mapping[str, Any]]:
        shots = self._raw.tree.get("shots", [])
        if not isinstance(shots, list):
            self._problem(("shots",), f"shots is {shown(shots)}, which is not a list of shots.", _SHOTS_HINT)
            return
        if not shots:
            self._problem(("shots",), "The job file lists no shot.", _SHOTS_HINT)
        for index, shot in enumerate(shots):
            if isinstance(shot, Mapping):
                yield shot
            else:
                self._problem(("shots", index), f"This is {shown(shot)}, which is not a shot.", _SHOTS_HINT)
                yield {}

    def _table(self, name: str) -> Mapping[str, Any]:
        table = self._raw.tree.get(name, {})
        if isinstance(table, Mapping):
            return table
        self._problem((name,), f"{name} is {shown(table)}, which is not a table.", "Write a key and its value a line.")
        return {}

    def _text(self, key: Key, called: str, value: Any) -> str | None:
        try:
            return text(value)
        except Unfit as error:
            message = f"{called} is {shown(value)}, which is not {error.wanted}."
            self._problem(key, message, error.hint or "Write it in quotes.")
            return None

    def _refuse_unknown(
        self, table: Mapping[str, Any], at: Key | None, known: Sequence[str], where: str, shot: str = ""
    ) -> None:
        for key in table:
            if key not in known:
                message, hint = unknown(key, known, where)
                self._problem(None if at is None else (*at, key), message, hint, shot)

    def _problem(self, key: Key | None, message: str, hint: str, shot: str = "") -> None:
        line = 0 if key is None else self._raw.line(key)
        self._problems.append(Problem(self._raw.file, line, shot, message, hint))


def _entry(draft: Draft, request: Request) -> Entry:
    lines = {key: draft.line(key) for key in draft.given}
    thresholds = Thresholds(**draft.values["thresholds"])
    return Entry(request, thresholds, draft.raw.file, draft.line(None), lines)
