"""`scopectl plot`: timelines as a plot in the terminal, or as a picture."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from scoperun.console.colours import is_coloured
from scoperun.console.output import on_terminal, print_text, takes_utf8
from scoperun.ctl.timelines import BYTES, Picture, chosen, picture
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.printable import one_line

_WIDTH, _HEIGHT = 80, 24
"""The size without a terminal."""

_FORMATS = ("svg", "png")

Files = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Files of scoperun --timeline.", show_default=False)
]
Columns = Annotated[
    str,
    typer.Option(
        "--columns", "-c", metavar="COLUMNS", help=f"What to draw, with commas: {', '.join(BYTES)}; or cpu, or tasks."
    ),
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write a picture (.svg or .png) instead; needs matplotlib."),
]


def command(files: Files, *, columns: Columns = "memory", output: Output = None) -> None:
    """Draw timelines, several runs on one axis, from the beginning of each.

    Marks say when a limit was reached, a soft limit was passed, or a process was killed. cpu is the processors in use
    since the sample before. The size is the terminal's, or 80 columns in a pipe.
    """
    wanted = chosen(columns)
    if output is not None:
        _write(output, _format(output), files, wanted)
        return
    from scoperun.ctl.plot_text import text_of  # noqa: PLC0415  it imports plotille

    drawn = picture(files, wanted)
    width, height = _size()
    coloured = is_coloured(os.environ, on_terminal=on_terminal())
    print_text(text_of(drawn, width=width, height=height, coloured=coloured, in_ascii=not takes_utf8()))


def _size() -> tuple[int, int]:
    if not on_terminal():
        return _WIDTH, _HEIGHT
    try:
        columns, lines = os.get_terminal_size(1)
    except OSError:  # it was hung up just now
        return _WIDTH, _HEIGHT
    return columns or _WIDTH, lines or _HEIGHT


def _format(path: str) -> str:
    """Return the format of a picture, which its name decides. Raises InvalidValue."""
    ending = path.rpartition(".")[2].lower()
    if ending not in _FORMATS or "." not in path:
        raise InvalidValue(f"-o {path}: a picture's name has to end in .svg or .png")
    return ending


def _write(path: str, kind: str, files: list[str], columns: tuple[str, ...]) -> None:
    from scoperun.console.files import Destination  # noqa: PLC0415  only for pictures

    try:
        with Destination(path) as file:
            file.write(_image(picture(files, columns), kind))
    except OSError as error:
        raise ScoperunError(f"cannot write the picture to {one_line(path)}: {error.strerror}") from None


def _image(drawn: Picture, kind: str) -> bytes:
    try:
        from scoperun.ctl.plot_image import image_of  # noqa: PLC0415  it imports matplotlib, which takes a second
    except ImportError:
        raise ScoperunError(
            "-o needs matplotlib, which is not installed", hint="pip install 'scoperun[plot]'"
        ) from None
    return image_of(drawn, kind)
