"""Expressions over runs: `architecture=resnet8 and seed in [0, 1] and not recipe=augment`.

Names are the run's fields (dataset, architecture, recipe, technique, seed, fold, any training
setting). A plugin matches by its name alone, by a quoted pattern with `*`, or by its call:
datasets and architectures as the suite writes it, others with every parameter spelled out.
Comparisons are = != < <= > >= and `in [..]`, joined by and, or, not, parentheses.
"""

import ast
import fnmatch
import io
import tokenize
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bench.errors import SuiteError, nearest, shortened
from bench.records import Use
from bench.suite_record import SuiteCell

MOST_DEPTH = 50
"""Of an expression's parts in each other."""
Fields = Mapping[str, Any]
"""A run as an expression sees it; a list means that any of its items may match."""

_ORDER: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}


def fields_of(cell: SuiteCell, seed: int | Sequence[int] | None, fold: int) -> dict[str, Any]:
    """Return a run as expressions see it; dataset, architecture and techniques are calls as written.

    A run that stands for several seeds matches each of them.
    """
    return {
        "dataset": cell.dataset,
        "architecture": cell.architecture,
        "recipe": cell.recipe,
        "technique": [str(use) for use in cell.cell.techniques],
        **{name: _plain(getattr(cell.cell.training, name)) for name in cell.cell.training.__struct_fields__},
        "seed": seed,
        "fold": fold,
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Use) else value


class Query:
    """A parsed expression; call `matches` with the fields of each run."""

    def __init__(self, text: str, where: str = "--only") -> None:
        """Parse `text`; raise SuiteError, naming `where`, if it is no expression."""
        self.text = text
        self.where = where
        try:
            if not text.strip():
                raise ValueError("empty")
            self._tree = ast.parse(_double_equals(text), mode="eval").body
        except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError) as error:
            raise SuiteError(
                f"{where}: cannot read '{shortened(text)}'; write it like \"architecture=resnet8 and seed=0\""
            ) from error
        if _depth(self._tree) > MOST_DEPTH:
            raise SuiteError(f"{where}: '{shortened(text, 60)}' is nested too deeply to be meant")

    def matches(self, fields: Fields) -> bool:
        """Tell whether a run's fields satisfy the expression; an unknown name raises SuiteError."""
        return self._truth(self._tree, fields)

    def _truth(self, node: ast.expr, fields: Fields) -> bool:
        match node:
            case ast.BoolOp(op=ast.And(), values=parts):
                # Lists, not generators: every part is looked at, so that no unknown name slips through.
                return all([self._truth(part, fields) for part in parts])  # noqa: C419
            case ast.BoolOp(op=ast.Or(), values=parts):
                return any([self._truth(part, fields) for part in parts])  # noqa: C419
            case ast.UnaryOp(op=ast.Not(), operand=part):
                return not self._truth(part, fields)
            case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[right]):
                return self._compare(self._field(name, fields), op, right)
        raise SuiteError(f"{self.where}: '{ast.unparse(node)}' is not a comparison like architecture=resnet8")

    def _field(self, name: str, fields: Fields) -> list[Any]:
        if name not in fields:
            raise SuiteError(
                f"{self.where}: no field '{name}'{nearest(name, fields)} (fields: {', '.join(sorted(fields))})"
            )
        value = fields[name]
        return list(value) if isinstance(value, (list, tuple)) else [value]

    def _compare(self, have: list[Any], op: ast.cmpop, right: ast.expr) -> bool:
        match op:
            case ast.Eq():
                return _any_equal(have, self._value(right))
            case ast.NotEq():
                return not _any_equal(have, self._value(right))
            case ast.In() | ast.NotIn():
                if not isinstance(right, (ast.List, ast.Tuple, ast.Set)):
                    raise SuiteError(f"{self.where}: 'in' takes a list, e.g. seed in [0, 1]")
                found = any(_any_equal(have, self._value(item)) for item in right.elts)
                return found is isinstance(op, ast.In)
        want = self._value(right)
        test = _ORDER.get(type(op))
        if test is None or not isinstance(want, (int, float)):
            raise SuiteError(f"{self.where}: '{self.text}' compares what has no order; use = or !=")
        return any(isinstance(item, (int, float)) and test(item, want) for item in have)

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Call):
            return ast.unparse(node)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError) as error:
            raise SuiteError(f"{self.where}: '{ast.unparse(node)}' is not a name, number or text") from error


def _depth(root: ast.AST) -> int:
    """Return how deeply nodes lie in each other; a loop, since recursion is what it guards."""
    level, depth = [root], 0
    while level:
        level, depth = [child for node in level for child in ast.iter_child_nodes(node)], depth + 1
    return depth


def _any_equal(have: list[Any], want: Any) -> bool:
    return any(_equal(item, want) for item in have)


def _equal(item: Any, want: Any) -> bool:
    if not isinstance(item, str):
        return bool(item == want)
    if not isinstance(want, str):
        return False
    plain, call = want.replace(" ", "").replace('"', "'"), item.replace(" ", "").replace('"', "'")
    return plain == call or plain == call.partition("(")[0] or fnmatch.fnmatchcase(call, plain)


def _double_equals(text: str) -> str:
    """Turn `a=b` into `a==b` except between the parentheses of a call."""
    out: list[tokenize.TokenInfo | tuple[int, str]] = []
    inside_call: list[bool] = []
    previous = ""
    for token in tokenize.generate_tokens(io.StringIO(text.strip()).readline):
        if token.string == "(":
            inside_call.append(previous.isidentifier() and previous not in {"and", "or", "not", "in"})
        elif token.string == ")" and inside_call:
            inside_call.pop()
        doubled = token.string == "=" and not any(inside_call)
        out.append((token.type, "==" if doubled else token.string))
        previous = token.string
    return tokenize.untokenize(out)
