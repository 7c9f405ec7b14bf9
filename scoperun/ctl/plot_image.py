"""A picture as SVG or PNG, by matplotlib."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from scoperun.ctl.ticks import TIMES
from scoperun.ctl.timelines import thinned, time_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scoperun.ctl.timelines import Picture

_INCHES = (9.0, 4.5)
_PLACES = 2000
"""Points beside each other that can be told apart."""

_MOST_STEPS = 8
"""How many labels an axis has at most, besides that of 0."""

_NO_METADATA = {"svg": dict.fromkeys(("Creator", "Date", "Format", "Type")), "png": {"Software": None}}
"""Who drew it and when, which would change the file each time."""

_SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "scoperun", "text.parse_math": False}


def image_of(picture: Picture, kind: str) -> bytes:
    """Return a picture in the format `kind`, svg or png; the same picture leads to the same bytes."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a file's name has a character that no font has
        mpl.rcdefaults()  # not those of a matplotlibrc in the folder that we are in, which can name programs to run
        mpl.rcParams.update(_SETTINGS)
        figure = Figure(figsize=_INCHES, layout="constrained")
        _draw(figure.add_subplot(), picture)
        image = io.BytesIO()
        figure.savefig(image, format=kind, metadata=_NO_METADATA[kind])
    return image.getvalue()


def _draw(axes: Axes, picture: Picture) -> None:
    end, top = picture.length * 1.02, picture.height * 1.15
    axes.set_xlim(0, end)
    axes.set_ylim(0, top)
    axes.xaxis.set_major_formatter(lambda value, _: time_text(value))
    axes.yaxis.set_major_formatter(lambda value, _: picture.value_text(value))
    axes.xaxis.set_major_locator(MultipleLocator(TIMES.at_least(end / _MOST_STEPS, _MOST_STEPS)))
    axes.yaxis.set_major_locator(MultipleLocator(picture.steps.at_least(top / _MOST_STEPS, _MOST_STEPS)))
    axes.set_ylabel("processors" if picture.name == "cpu" else picture.name)
    axes.grid(visible=True, alpha=0.3)
    drawn = []
    for line in picture.lines:
        points = thinned(line.points, length=picture.length, places=_PLACES)
        colour, style = ("gray", "--") if line.is_limit else (None, "-")
        times, values = [time for time, _ in points], [value for _, value in points]
        [artist] = axes.plot(times, values, color=colour, linestyle=style)
        drawn.append(artist)
        for mark in line.marks:
            axes.plot(*zip(*mark.points, strict=True), "o", color=artist.get_color(), markersize=5, clip_on=False)
            _name(axes, mark.name, mark.points)
    # matplotlib leaves out a label that begins with an underscore.
    labels = [f"./{line.label}" if line.label.startswith("_") else line.label for line in picture.lines]
    axes.legend(drawn, labels, loc="upper left", fontsize="small")


def _name(axes: Axes, name: str, points: tuple[tuple[float, float], ...]) -> None:
    """Write the name of a mark at the first of its points."""
    text = name if len(points) == 1 else f"{name} x{len(points)}"
    axes.annotate(text, points[0], xytext=(-6, 6), textcoords="offset points", ha="right", fontsize="small")
