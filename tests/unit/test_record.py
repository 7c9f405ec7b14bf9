"""The project's dataclass() makes the same classes as the standard one."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest

from scoperun import record as ours


def made_by(dataclass: Callable[..., Any], field: Callable[..., Any]) -> dict[str, Any]:
    """Return a class of each kind, made by `dataclass` of one of the two modules."""

    @dataclass(frozen=True, slots=True)
    class Point:
        """A point."""

        x: int
        y: int = 0

        @property
        def sum(self) -> int:
            return self.x + self.y

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Named:
        name: str = "?"
        tags: list[str] = field(default_factory=list)
        size: int

        def __post_init__(self) -> None:
            if self.size < 0:
                raise ValueError(self.size)

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Derived(Named):
        points: tuple[Any, ...] = ()

    @dataclass(slots=True)
    class Changeable:
        fd: int
        records: list[str] = field(default_factory=list)

    @dataclass(frozen=True, slots=True)
    class Empty:
        pass

    return {cls.__name__: cls for cls in (Point, Named, Derived, Changeable, Empty)}


STANDARD = made_by(dataclasses.dataclass, dataclasses.field)
OURS = made_by(ours.dataclass, ours.field)

ANSWERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "repr": lambda made: repr(made["Derived"](size=1, points=(made["Point"](1), made["Empty"]()))),
    "arguments by position": lambda made: [repr(made["Point"](*each)) for each in ((1,), (1, 2))],
    "arguments by name": lambda made: repr(made["Point"](y=1, x=2)),
    "defaults are made anew": lambda made: made["Named"](size=1).tags is made["Named"](size=1).tags,
    "equal": lambda made: made["Point"](1) == made["Point"](1, 0),
    "not equal": lambda made: made["Point"](1) == made["Point"](2),
    "not of the same class": lambda made: made["Named"](size=1) == made["Derived"](size=1),
    "hash": lambda made: hash(made["Point"](1)) == hash(made["Point"](1, 0)) == hash((1, 0)),
    "property": lambda made: made["Point"](1, 2).sum,
    "inherits": lambda made: isinstance(made["Derived"](size=1), made["Named"]),
    "match": lambda made: [cls.__match_args__ for cls in made.values()],
    "matches by position": lambda made: x_of_a_point(made["Point"](1, 2), made["Point"]),
    "slots": lambda made: [cls.__slots__ for cls in made.values()],
    "no other attributes": lambda made: [hasattr(made["Point"](1), name) for name in ("__dict__", "__weakref__")],
    "fields": lambda made: [
        (each.name, each.type, each.default, each.default_factory, each.kw_only)
        for cls in made.values()
        for each in dataclasses.fields(cls)
    ],
    "is a dataclass": lambda made: [dataclasses.is_dataclass(cls) for cls in made.values()],
    "replace": lambda made: repr(dataclasses.replace(made["Derived"](size=1), name="a")),
    "copy.replace": lambda made: repr(copy_replace(made["Derived"](size=1), name="a")),
    "type hints": lambda made: [get_type_hints(cls) for cls in made.values()],
    "asdict": lambda made: dataclasses.asdict(made["Derived"](size=1, points=(made["Point"](1),))),
    "signature": lambda made: [str(inspect.signature(cls)) for cls in made.values()],
    "names": lambda made: [(cls.__name__, cls.__module__, cls.__qualname__) for cls in made.values()],
    "docstring": lambda made: made["Point"].__doc__,
    "copies": lambda made: [
        repr(each(value))
        for value in (made["Derived"](size=1), made["Changeable"](1), made["Empty"]())
        for each in (copy.copy, copy.deepcopy)
    ],
    "is changed": lambda made: changed(made["Changeable"](1)),
}

MISTAKES: dict[str, Callable[[dict[str, Any]], object]] = {
    "missing": lambda made: made["Point"](),
    "missing by name": lambda made: made["Derived"](name="a"),
    "too many": lambda made: made["Point"](1, 2, 3),
    "by position": lambda made: made["Named"]("a"),
    "twice": lambda made: made["Point"](1, x=1),
    "unknown": lambda made: made["Point"](1, z=1),
    "unknown in place of a field": lambda made: made["Named"](sizes=1),
    "refused": lambda made: made["Derived"](size=-1),
    "assigned": lambda made: setattr(made["Point"](1), "x", 2),
    "deleted": lambda made: delattr(made["Point"](1), "x"),
    "no field": lambda made: setattr(made["Changeable"](1), "z", 2),
    "not hashable": lambda made: hash(made["Changeable"](1)),
    "not hashable inside": lambda made: hash(made["Named"](size=1)),
}


copy_replace = getattr(copy, "replace", dataclasses.replace)  # since Python 3.13


def x_of_a_point(value: Any, point: Any) -> object:
    match value:
        case point(x, 2):
            return x
    return None


def changed(value: Any) -> str:
    value.fd = 2
    return repr(value)


@pytest.mark.parametrize("question", ANSWERS)
def test_it_behaves_like_the_standard_one(question: str) -> None:
    assert ANSWERS[question](OURS) == ANSWERS[question](STANDARD)


def test_replace_works_like_the_standard_one() -> None:
    mine, standard = OURS["Derived"](size=1, points=(1,)), STANDARD["Derived"](size=1, points=(1,))
    assert repr(ours.replace(mine, name="a", size=2)) == repr(dataclasses.replace(standard, name="a", size=2))
    with pytest.raises(TypeError):
        ours.replace(mine, color="red")
    with pytest.raises(ValueError, match="-1"):
        ours.replace(mine, size=-1)


@pytest.mark.parametrize(
    ("mistake", "reason"),
    [
        ("missing", "Point.__init__() missing a required argument: 'x'"),
        ("too many", "Point.__init__() too many positional arguments"),
        ("twice", "Point.__init__() multiple values for argument 'x'"),
        ("unknown", "Point.__init__() got an unexpected keyword argument 'z'"),
    ],
)
def test_an_error_names_the_class_and_the_argument(mistake: str, reason: str) -> None:
    with pytest.raises(TypeError) as refused:
        MISTAKES[mistake](OURS)
    assert str(refused.value).rpartition("<locals>.")[2] == reason


@pytest.mark.parametrize("mistake", MISTAKES)
def test_it_refuses_what_the_standard_one_refuses(mistake: str) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError)) as standard:
        MISTAKES[mistake](STANDARD)
    with pytest.raises(standard.type):
        MISTAKES[mistake](OURS)


@ours.dataclass(frozen=True, slots=True, kw_only=True)
class Pickled:
    """It is at module level, where pickle finds it."""

    values: dict[str, int]
    text: str = ""


@ours.dataclass(slots=True)
class PickledChangeable:
    """The same."""

    text: str


@pytest.mark.parametrize("value", [Pickled(values={"a": 1}), PickledChangeable("a")])
def test_it_can_be_pickled(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301  our own
