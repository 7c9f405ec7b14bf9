"""Declarations that the subcommands share, for typer."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

System = Annotated[
    bool, typer.Option("--system/--user", help="Ask the system's systemd, or your own (default).", show_default=False)
]
Manager = Annotated[
    bool | None,
    typer.Option(
        "--system/--user",
        help="Only runs with the system's systemd, or with your own; default: both.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.", show_default=False)]
Legend = Annotated[bool, typer.Option("--legend/--no-legend", help="Print a heading (default).", show_default=False)]


class _Command(typer.core.TyperCommand):
    """A command whose usage line has no braces around what is required, as in manual pages."""

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # of typer's own click
        """Return the words after the program's name in the usage line."""
        return [piece.removeprefix("{").removesuffix("}") for piece in super().collect_usage_pieces(ctx)]


def declared(function: Callable[..., int | None], *, help_line: str) -> Callable[..., Any]:
    """Return typer's command for a function with annotated parameters.

    help_line: what its --help begins with; the rest is what follows the first line of the function's docstring.
    """
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    )
    _, _, more = inspect.getdoc(function).partition("\n\n")  # type: ignore[union-attr]  # each has a docstring
    app.command(cls=_Command, help=f"{help_line}\n\n{more}")(function)
    return typer.main.get_command(app)
