"""Tokens in a job file's text: ``{shot}``, ``{object}``, ``{version}``, and those of its ``[tokens]``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

BUILT_IN = ("shot", "object", "version")
"""What every job file knows; where each may stand is the field's matter."""

LONGEST = 4096
"""Characters a text may grow to; no file system takes a longer path."""

DEEPEST = 64
"""Tokens that may use each other in a row."""

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

_PART = re.compile(r"(?P<double>\{\{|\}\})|\{(?P<token>[^{}]*)\}|(?P<brace>[{}])|[^{}]+")


class TokenError(Exception):
    """A text that cannot be expanded.

    Attributes:
        message: what is wrong.
        hint: what to do.
        token: the token of ``[tokens]`` that is at fault; None when it is the text itself.
    """

    def __init__(self, message: str, hint: str, token: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.token = token


class Tokens:
    """The tokens of a job file; each may use others.

    Args:
        table: the text of each by its name.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = table

    def expand(self, text: str, known: Mapping[str, str]) -> str:
        """The text with every token's value in its place, ``{{`` and ``}}`` being braces.

        Args:
            known: the values of the built-in tokens that may stand here.

        Raises:
            TokenError: a brace without its pair, a token that is not known or may not stand here, tokens that use each
                other in a circle, a text that grows too long.
        """
        return self._expanded(text, known, (), {})

    def _expanded(self, text: str, known: Mapping[str, str], above: tuple[str, ...], done: dict[str, str]) -> str:
        """``above`` are the tokens whose text this is, outermost first; ``done`` those expanded before."""
        at_fault = above[-1] if above else None
        whole = ""
        for literal, token in _parts(text, at_fault):
            if token is None:
                whole += literal
            elif token in known:
                whole += known[token]
            elif token in self._table:
                if token not in done:
                    _refuse_circle(token, above)
                    done[token] = self._expanded(self._table[token], known, (*above, token), done)
                whole += done[token]
            else:
                raise self._unknown(token, known, at_fault)
            if len(whole) > LONGEST:
                raise TokenError(
                    f"The text grows longer than {LONGEST} characters.", "Shorten it or its tokens.", at_fault
                )
        return whole

    def _unknown(self, token: str, known: Mapping[str, str], at_fault: str | None) -> TokenError:
        if token in BUILT_IN:
            through = f", through {{{at_fault}}}" if at_fault else ""
            here = ", ".join(f"{{{name}}}" for name in known) or "none of matted's own"
            return TokenError(f"The token {{{token}}} cannot stand here{through}.", f"Tokens that can: {here}.")
        names = [*known, *self._table]
        close = difflib.get_close_matches(token, names, n=1)
        hint = f"Did you mean {{{close[0]}}}?" if close else "Define it in [tokens], or write {{ and }} for braces."
        return TokenError(f"There is no token {{{token}}}.", hint, at_fault)


def _parts(text: str, at_fault: str | None) -> Iterator[tuple[str, str | None]]:
    """Text, or a token's name."""
    for part in _PART.finditer(text):
        if part["brace"]:
            message = f"A brace has no pair in '{text}'."
            raise TokenError(message, "Write {{ and }} for braces that are no token.", at_fault)
        yield (part["double"][0] if part["double"] else part[0]), part["token"]


def _refuse_circle(token: str, above: tuple[str, ...]) -> None:
    if token in above:
        circle = above[above.index(token) :]
        start = circle.index(min(circle))
        names = [*circle[start:], *circle[:start], circle[start]]
        message = f"Tokens use each other in a circle: {' → '.join(f'{{{name}}}' for name in names)}."
        raise TokenError(message, "Write out one of them.", names[0])
    if len(above) >= DEEPEST:
        raise TokenError(f"More than {DEEPEST} tokens use each other in a row.", "Write out some of them.", above[0])
