"""Declarations that the subcommands share, for typer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

System = Annotated[
    bool, typer.Option("--system/--user", help="Ask the system's systemd, or your own (default).", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.", show_default=False)]
Legend = Annotated[bool, typer.Option("--legend/--no-legend", help="Print a heading (default).", show_default=False)]


def declared(function: Callable[..., int | None], *, help_line: str) -> Callable[..., Any]:
    """Return typer's command for a function with annotated parameters."""
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    )
    app.command(help=help_line)(function)
    return typer.main.get_command(app)
