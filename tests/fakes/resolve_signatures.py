"""What may be called on which object of Resolve, read from the published stubs and from our own.

``fusionscript-stubs`` types Blackmagic's scripting README; ``plugins/resolve/stubs/resolve_api.pyi`` mends its optional
arguments and adds Fusion, comps, tools, bmd and the UIManager. Where both know a method, ours is taken.
"""

from __future__ import annotations

import ast
import importlib.metadata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OURS = Path(__file__).parents[2] / "plugins" / "resolve" / "stubs" / "resolve_api.pyi"
PLAIN = {"str": str, "bool": bool, "int": int, "list": list, "dict": dict, "List": list, "tuple": tuple}


@dataclass(frozen=True)
class Signature:
    """One way to call a method.

    Attributes:
        least: how many arguments it needs.
        annotations: of its arguments, in order.
        rest: annotation of ``*args``, or None.
        returns: annotation of what comes back.
    """

    least: int
    annotations: tuple[Any, ...]
    names: tuple[str, ...]
    rest: Any
    returns: Any


@dataclass
class Stubs:
    """One stub file: its classes with their methods, and the other names it knows."""

    methods: dict[str, dict[str, list[Signature]]] = field(default_factory=dict)
    constants: dict[str, set[str]] = field(default_factory=dict)
    dictionaries: set[str] = field(default_factory=set)
    aliases: dict[str, Any] = field(default_factory=dict)


def _signature(function: ast.FunctionDef) -> Signature:
    arguments = function.args.args[1:]
    optional = len(function.args.defaults)
    least = len(arguments) - optional
    # The published stub writes an optional argument as Optional[...] without a default.
    while least and ast.unparse(arguments[least - 1].annotation or ast.Constant(1)).startswith("Optional["):
        least -= 1
    rest = function.args.vararg
    return Signature(
        least,
        tuple(argument.annotation for argument in arguments),
        tuple(argument.arg for argument in arguments),
        (rest.annotation or ast.Name("Any")) if rest else None,
        function.returns,
    )


def read(path: Path) -> Stubs:
    """The classes of one stub file."""
    stubs = Stubs()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            stubs.aliases[node.targets[0].id] = node.value
            if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "TypedDict":
                stubs.dictionaries.add(node.targets[0].id)
        if not isinstance(node, ast.ClassDef):
            continue
        if any(ast.unparse(base) == "TypedDict" for base in node.bases):
            stubs.dictionaries.add(node.name)
            continue
        methods = stubs.methods.setdefault(node.name, {})
        for base in node.bases:
            methods.update(stubs.methods.get(ast.unparse(base), {}))
        overloads: dict[str, list[Signature]] = {}
        for child in node.body:
            if isinstance(child, ast.FunctionDef):
                overloads.setdefault(child.name, []).append(_signature(child))
            elif isinstance(child, (ast.Assign, ast.AnnAssign)):
                target = child.target if isinstance(child, ast.AnnAssign) else child.targets[0]
                stubs.constants.setdefault(node.name, set()).add(ast.unparse(target))
        methods.update(overloads)
    return stubs


def published() -> Stubs:
    """Those of ``fusionscript-stubs``."""
    package = importlib.metadata.distribution("fusionscript-stubs")
    return read(Path(str(package.locate_file("fusionscript-stubs/fusionscript.pyi"))))


PUBLISHED = published()
LOCAL = read(OURS)


def known(kind: str) -> set[str]:
    """Every method name of a class."""
    return set(PUBLISHED.methods.get(kind, {})) | set(LOCAL.methods.get(kind, {}))


def constants(kind: str) -> set[str]:
    """Every constant of a class."""
    return PUBLISHED.constants.get(kind, set()) | LOCAL.constants.get(kind, set())


def signatures(kind: str, method: str) -> list[Signature]:
    """The ways to call it; our own stub has the last word."""
    return LOCAL.methods.get(kind, {}).get(method) or PUBLISHED.methods.get(kind, {}).get(method, [])


def fits(annotation: Any, value: Any) -> bool:
    """Whether a value is of the annotated type. Literals are held to their type alone: Resolve refuses them itself."""
    if annotation is None or (isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)):
        return True
    if isinstance(annotation, ast.Constant):
        return value is None
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return fits(annotation.left, value) or fits(annotation.right, value)
    if isinstance(annotation, ast.Subscript):
        return _fits_generic(ast.unparse(annotation.value), annotation.slice, value)
    if not isinstance(annotation, ast.Name):
        return True
    return _fits_name(annotation.id, value)


def _fits_name(name: str, value: Any) -> bool:
    if name in ("Any", "object"):
        return True
    if name == "float":
        return isinstance(value, (int, float))
    if name in PLAIN:
        return isinstance(value, PLAIN[name])
    if name in PUBLISHED.dictionaries | LOCAL.dictionaries:
        return isinstance(value, dict)
    if name in LOCAL.aliases or name in PUBLISHED.aliases:
        return fits(LOCAL.aliases.get(name, PUBLISHED.aliases.get(name)), value)
    return getattr(type(value), "_api", None) == name


def _fits_generic(name: str, inside: Any, value: Any) -> bool:
    if name == "Optional":
        return value is None or fits(inside, value)
    if name == "Literal":
        values = inside.elts if isinstance(inside, ast.Tuple) else [inside]
        return any(
            type(getattr(each, "value", None)) is type(value) or isinstance(each, ast.Attribute) for each in values
        )
    if name in ("List", "list"):
        return isinstance(value, list) and all(fits(inside, each) for each in value)
    if name in ("dict", "Dict"):
        return isinstance(value, dict)
    return True


def accepted(kind: str, method: str, arguments: tuple[Any, ...]) -> bool:
    """Whether some signature takes these arguments, by number and by type."""
    return any(_takes(signature, arguments) for signature in signatures(kind, method))


def _takes(signature: Signature, arguments: tuple[Any, ...]) -> bool:
    named = arguments[: len(signature.annotations)]
    rest = arguments[len(signature.annotations) :]
    if len(arguments) < signature.least or (rest and signature.rest is None):
        return False
    pairs = list(zip(signature.annotations, named)) + [(signature.rest, value) for value in rest]
    return all(fits(annotation, value) for annotation, value in pairs)


def returns(kind: str, method: str) -> str:
    """What comes back, as the stub writes it."""
    found = signatures(kind, method)
    return ast.unparse(found[0].returns) if found and found[0].returns is not None else ""
