"""Job files in YAML, read strictly: what looks like text stays text, and a document cannot blow up."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from matted.batch.jobfile.problem import JobFileError, Problem
from matted.batch.jobfile.raw import Key, Raw, read_text, refused

MOST_NODES = 20_000
"""Values a document may have once its aliases are followed; a shot has some ten."""

_PREFIX = "tag:yaml.org,2002:"
_HINT = "Look at the indentation, and put text that holds ': ', ' #', '{', '[' or '\"' in quotes."


class _Loader(yaml.SafeLoader):
    """Knows the plain values of YAML 1.2's core schema alone: ``010``, ``on`` and ``1001:2`` are text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML's own way)


for _tag, _form, _first in (
    ("bool", r"true|false|True|False|TRUE|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"-?(?:0|[1-9][0-9]{0,17})", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?", "-.0123456789"),
):
    _Loader.add_implicit_resolver(_PREFIX + _tag, re.compile(rf"(?:{_form})\Z"), [*_first.replace("\0", ""), ""])


def read_yaml(file: Path) -> Raw:
    """Read a job file in YAML.

    Raises:
        JobFileError: it is no YAML, gives a key twice, holds itself, or grows out of all bounds.
    """
    text = read_text(file)
    try:
        node = yaml.compose(text, _Loader)
        walk = _Walk(file)
        tree = {} if node is None else walk.value(node, ())
    except RecursionError as error:
        raise refused(file, "Tables or lists are nested too deep.", "Write one table a shot.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise refused(file, f"This is not YAML: {error.problem or error.context}.", _HINT, line) from error
    except (yaml.YAMLError, ValueError) as error:
        raise refused(file, f"This is not YAML: {' '.join(str(error).split())}.", _HINT) from error
    if walk.problems:
        raise JobFileError(walk.problems)
    if not isinstance(tree, dict):
        raise refused(file, "This is not a table of shots.", "Begin with 'shots:' and list a shot an item.", 1)
    return Raw(file, tree, walk.lines)


class _Walk:
    """Makes plain values of YAML's nodes, noting lines on the way."""

    def __init__(self, file: Path) -> None:
        self.lines: dict[Key, int] = {}
        self.problems: list[Problem] = []
        self._file = file
        self._above: list[yaml.Node] = []
        self._count = 0

    def value(self, node: yaml.Node, key: Key) -> Any:
        """The plain value of a node."""
        line = node.start_mark.line + 1
        self.lines.setdefault(key, line)
        self._count += 1
        if self._count > MOST_NODES:
            raise refused(self._file, f"There are more than {MOST_NODES} values.", "Use fewer aliases or shots.", line)
        if any(node is one for one in self._above):
            raise refused(self._file, "An alias names a value it is itself a part of.", "Write the value out.", line)
        self._above.append(node)
        try:
            return self._plain(node, key, line)
        finally:
            self._above.pop()

    def _plain(self, node: yaml.Node, key: Key, line: int) -> Any:
        kind = node.tag.removeprefix(_PREFIX)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self._table(node, key)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self.value(item, (*key, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind in _SCALARS:
            return _SCALARS[kind](node.value)
        self._problem(line, f"The tag {node.tag} is not read.", "Write plain text, numbers, lists and tables.")
        return None

    def _table(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for name, value in node.value:
            line = name.start_mark.line + 1
            if not isinstance(name, yaml.ScalarNode):
                self._problem(line, "A key is a list or a table.", _HINT)
                continue
            if name.value in table:
                self._problem(line, f"The key '{name.value}' is given twice.", "Keep one of them.")
            self.lines[(*key, name.value)] = line
            table[name.value] = self.value(value, (*key, name.value))
        return table

    def _problem(self, line: int, message: str, hint: str) -> None:
        self.problems.append(Problem(self._file, line, "", message, hint))


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: text.lower() == "true",
    "null": lambda text: None,
}
