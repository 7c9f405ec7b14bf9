"""The strings in a module's source, as what it can print."""

import ast
from collections.abc import Iterator


def strings(node: ast.AST) -> Iterator[str]:
    """Yield all strings except docstrings; values that are inserted later become N."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "N" for part in parts)
            for part in parts:
                if not isinstance(part, ast.Constant):
                    yield from strings(part)
        case _:
            for child in ast.iter_child_nodes(node):
                yield from strings(child)
