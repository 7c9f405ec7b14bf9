"""dataclass() as in dataclasses, but it makes a class faster. No I/O.

The standard one writes source text for each class and compiles it, which takes half a millisecond, and every start of
scoperun makes some seventy classes. Here all classes inherit the same methods, which look up the fields of their class.

It supports what this project uses: always slots, and at most one base, which was made here with the same options.
tests/unit/test_record.py compares it with the standard one.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import Field, replace  # mypy checks changes only for the standard function
    from inspect import Signature
    from typing import Any, ClassVar, Literal, NoReturn, Self, TypeVar

    T = TypeVar("T")

__all__ = ["dataclass", "field", "replace"]

_set = object.__setattr__
"""Sets a field, of a frozen instance too."""


def field(*, default_factory: Callable[[], T]) -> T:
    """Declare a field whose default `default_factory` makes for each instance."""
    return _Factory(default_factory)  # type: ignore[return-value]  # type checkers see the type of the default


@dataclass_transform(field_specifiers=(field,))
def dataclass(*, slots: Literal[True], frozen: bool = False, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
    """Return the decorator that turns a class into a dataclass; the options are those of dataclasses.dataclass()."""

    def decorate(cls: type[T]) -> type[T]:
        shape = _Shape(cls, kw_only=kw_only)
        own = cls.__annotations__
        left_out = {*own, "__dict__", "__weakref__"}
        namespace = {name: value for name, value in vars(cls).items() if name not in left_out}
        namespace |= {
            "__qualname__": cls.__qualname__,
            "__slots__": tuple(own),
            "__match_args__": shape.positional,
            "_shape": shape,
        }
        bases = cls.__bases__ if issubclass(cls, _Record) else (_Frozen if frozen else _Record,)
        return type(cls.__name__, bases, namespace)  # only a new class can have slots

    return decorate


class _Factory:
    """Makes the default of a field for each instance."""

    def __init__(self, make: Callable[[], object]) -> None:
        self.make = make

    def __repr__(self) -> str:
        return "<factory>"  # as inspect.signature() shows the standard one


class _Shape:
    """The fields of a class, inherited ones first: names, types, and defaults where there are any."""

    def __init__(self, cls: type, *, kw_only: bool) -> None:
        inherited, own = getattr(cls, "_shape", None), cls.__annotations__
        defaults = {name: value for name, value in vars(cls).items() if name in own}
        self.types: dict[str, Any] = inherited.types | own if inherited else own
        self.defaults: dict[str, Any] = inherited.defaults | defaults if inherited else defaults
        self.factories = [name for name, value in self.defaults.items() if isinstance(value, _Factory)]
        self.names = self.types.keys()
        self.kw_only = kw_only
        self.positional = () if kw_only else tuple(self.types)


@cache
def _fields(shape: _Shape) -> dict[str, Field[Any]]:
    """Return what dataclasses.fields(), asdict() and replace() look at.

    They accept only fields with the private mark _FIELD, which has been the same since Python 3.7.
    """
    import dataclasses

    fields = {}
    for name, annotation in shape.types.items():
        default = shape.defaults.get(name, dataclasses.MISSING)
        kind = {"default_factory": default.make} if name in shape.factories else {"default": default}
        fields[name] = each = dataclasses.field(**kind, kw_only=shape.kw_only)
        each.name, each.type, each._field_type = name, annotation, dataclasses._FIELD  # type: ignore[attr-defined]
    return fields


@cache
def _signature(shape: _Shape) -> Signature:
    """Return what inspect.signature() and help() show."""
    from inspect import Parameter, Signature

    kind = Parameter.KEYWORD_ONLY if shape.kw_only else Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        Parameter(name, kind, default=shape.defaults.get(name, Parameter.empty), annotation=annotation)
        for name, annotation in shape.types.items()
    ]
    return Signature(parameters, return_annotation=None)


class _OfClass:
    """A class attribute that is made from the shape of its class only when it is looked up."""

    def __init__(self, make: Callable[[_Shape], object]) -> None:
        self.make = make

    def __get__(self, _instance: object, owner: type[_Record]) -> object:
        return self.make(owner._shape)


class _Record:  # noqa: PLW1641  a mutable instance has no hash
    """The methods of every class made here."""

    __slots__ = ()
    if TYPE_CHECKING:
        _shape: ClassVar[_Shape]

    __dataclass_fields__ = _OfClass(_fields)
    __signature__ = _OfClass(_signature)

    def __init__(self, /, *arguments: object, **named: object) -> None:
        shape = self._shape
        given = dict(zip(shape.positional, arguments)) | named if arguments else named  # noqa: B905  strict= costs 0.2 us
        values: dict[str, Any] = shape.defaults | given
        if values.keys() != shape.names or (arguments and len(given) != len(arguments) + len(named)):
            raise self._mistake(arguments, named)
        for name in shape.factories:
            if name not in given:
                values[name] = values[name].make()
        for name, value in values.items():
            _set(self, name, value)
        self.__post_init__()

    def _mistake(self, arguments: tuple[object, ...], named: dict[str, object]) -> TypeError:
        """Return the error for arguments that __init__ does not take."""
        try:
            _signature(self._shape).bind(*arguments, **named)
        except TypeError as error:
            return TypeError(f"{type(self).__qualname__}.__init__() {error}")
        raise AssertionError("the signature takes what __init__ does not")

    def __post_init__(self) -> None:
        """Do nothing; a class that checks its values overrides this."""

    def __repr__(self) -> str:
        fields = ", ".join([f"{name}={getattr(self, name)!r}" for name in self._shape.names])
        return f"{type(self).__qualname__}({fields})"

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if other.__class__ is self.__class__ else NotImplemented

    def __replace__(self, /, **changes: object) -> Self:
        return type(self)(**{name: getattr(self, name) for name in self._shape.names} | changes)

    def _values(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self._shape.names])

    __getstate__ = _values

    def __setstate__(self, state: tuple[object, ...]) -> None:
        for name, value in zip(self._shape.names, state, strict=True):
            _set(self, name, value)


class _Frozen(_Record):
    """The methods of classes with frozen instances."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash(self._values())

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")


if not TYPE_CHECKING:
    replace = _Record.__replace__
