"""The changes that cosmic-ray can make to a package, and what of a file one of them touches."""

from __future__ import annotations

import ast
import random
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

# Changes that say something. The others of cosmic-ray change annotations, or are the same fault once more.
OPERATORS = """AddNot ExceptionReplacer NumberReplacer RemoveDecorator ReplaceAndWithOr ReplaceOrWithAnd
ReplaceBinaryOperator_Add_Sub ReplaceBinaryOperator_Mul_Div ReplaceBinaryOperator_Sub_Add ReplaceBreakWithContinue
ReplaceComparisonOperator_Eq_NotEq ReplaceComparisonOperator_GtE_Gt ReplaceComparisonOperator_Gt_GtE
ReplaceComparisonOperator_IsNot_Is ReplaceComparisonOperator_Is_IsNot ReplaceComparisonOperator_LtE_Lt
ReplaceComparisonOperator_Lt_LtE ReplaceComparisonOperator_NotEq_Eq ReplaceContinueWithBreak ReplaceFalseWithTrue
ReplaceTrueWithFalse ReplaceUnaryOperator_Delete_Not ZeroIterationForLoop"""


class Change(NamedTuple):
    """One change of one file."""

    path: Path
    line: int
    operator: str
    occurrence: int  # which of the places in the file that the operator can change

    def apply(self, source: str) -> str:
        """The changed text of the file."""
        changed = mutate_code(source, get_operator(f"core/{self.operator}")(), self.occurrence)
        return str(changed)

    def is_possible(self) -> bool:
        """Whether cosmic-ray can make it (not of `except module.Error`), and the result is Python (`not x := 1` is not)."""
        try:
            compile(self.apply(self.path.read_text()), str(self.path), "exec", dont_inherit=True)
        except (AttributeError, SyntaxError):
            return False
        return True


def draw(package: Path, count: int, chance: random.Random) -> list[Change]:
    """So many changes, at most one a line. Migrations and commands are left alone, and what cannot be."""
    lines: dict[tuple[Path, int], list[Change]] = {}
    for path in sorted(package.rglob("*.py")):
        if {"migrations", "management"} & set(path.parts):
            continue
        nodes = list(ast_nodes(get_ast(path.read_text())))
        for name in OPERATORS.split():
            operator = get_operator(f"core/{name}")()
            places = [place for node in nodes for place in operator.mutation_positions(node)]
            for occurrence, ((line, _), _) in enumerate(places):
                lines.setdefault((path, line), []).append(Change(path, line, name, occurrence))
    one_a_line = [chance.choice(changes) for changes in lines.values()]
    drawn = (change for change in chance.sample(one_a_line, len(one_a_line)) if change.is_possible())
    return list(islice(drawn, count))


def spans(change: Change, source: str) -> tuple[range, range] | None:
    """The lines of the statement and of the function that are changed; None outside of a function's body: an import runs that."""
    statements: list[range] = []
    functions: list[range] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt) and node.lineno <= change.line <= (node.end_lineno or 0):
            statements.append(range(node.lineno, (node.end_lineno or 0) + 1))
            if isinstance(node, ast.FunctionDef) and node.body[0].lineno <= change.line:
                functions.append(statements[-1])
    if not functions or change.operator == "RemoveDecorator":
        return None
    return min(statements, key=len), max(functions, key=len)
