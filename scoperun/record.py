"""dataclass(): as in dataclasses, but quick to make a class with. No I/O.

The standard one writes source text for each class and compiles it, which takes half a millisecond; some sixty classes
are made at every start of scoperun. This one has its methods ready. What is rarely asked for, such as what
dataclasses.asdict() and inspect.signature() need, is taken from a standard twin of the class that is made then.

It does what this project uses: always slots, and one base at the most, that was made here with the same options.
tests/unit/test_record.py holds it against the standard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["dataclass", "field", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:

    def dataclass(*, slots, frozen=False, kw_only=False):
        """Return the decorator that makes a dataclass of a class."""
        assert slots  # noqa: S101  nothing else is made here

        def decorate(cls):
            own = vars(cls).get("__annotations__") or cls.__annotations__
            shape = _Shape(cls, own, {"frozen": frozen, "kw_only": kw_only})
            kept = {name: value for name, value in vars(cls).items() if name not in {*own, *_OF_THE_FIRST}}
            namespace = kept | (_FROZEN if frozen else _CHANGEABLE)
            namespace |= {
                "__slots__": tuple(own),
                "__match_args__": shape.positional,
                "__init__": shape.init(),
                "__dataclass_fields__": _OfTwin(lambda twin: twin.__dataclass_fields__, init=False),
                "__signature__": _OfTwin(_signature, init=True),
                "_shape": shape,
            }
            made = type(cls)(cls.__name__, cls.__bases__, namespace)
            made.__qualname__ = cls.__qualname__
            return made

        return decorate

    def field(*, default_factory):
        """Declare a field whose default is made anew for each instance."""
        return _Made(default_factory)

    def replace(instance, /, **changes):
        """Return an instance like this one but for the changes."""
        return type(instance)(**dict(zip(instance._shape.types, _values(instance), strict=True)) | changes)  # noqa: SLF001

    class _Made:
        """In place of a default, what makes one."""

        def __init__(self, factory):
            self.factory = factory

    _OF_THE_FIRST = {"__dict__", "__weakref__", "__qualname__"}
    """What a class has of its own: slots take a second class of the same name."""

    _set = object.__setattr__

    class _Shape:
        """The fields of a class: their types, and the defaults of those that have one, inherited ones first."""

        def __init__(self, cls, own, options):
            inherited = getattr(cls, "_shape", None)
            self.name = cls.__qualname__
            self.options = options
            self.types = {**inherited.types, **own} if inherited else dict(own)
            self.defaults = dict(inherited.defaults) if inherited else {}
            self.defaults |= {name: vars(cls)[name] for name in own if name in vars(cls)}
            self.positional = () if options["kw_only"] else tuple(self.types)
            self.has_post_init = hasattr(cls, "__post_init__")

        def init(self):
            names, known = tuple(self.types), self.types.keys()
            made = {name: value.factory for name, value in self.defaults.items() if isinstance(value, _Made)}
            ready = {name: value for name, value in self.defaults.items() if name not in made}

            def __init__(instance, *arguments, **named):  # noqa: N807
                if arguments:
                    named |= self._by_name(arguments, named)
                for name in names:
                    if name in named:
                        _set(instance, name, named[name])
                    elif name in ready:
                        _set(instance, name, ready[name])
                    elif name in made:
                        _set(instance, name, made[name]())
                    else:
                        raise self._error(f"missing a required argument: {name!r}")
                if not named.keys() <= known:
                    raise self._error(f"got unexpected keyword arguments: {sorted(named.keys() - known)}")
                if self.has_post_init:
                    instance.__post_init__()

            return __init__

        def _by_name(self, arguments, named):
            if len(arguments) > len(self.positional):
                raise self._error(f"takes {len(self.positional)} positional arguments, not {len(arguments)}")
            given = dict(zip(self.positional, arguments, strict=False))
            if twice := given.keys() & named.keys():
                raise self._error(f"got multiple values for arguments: {sorted(twice)}")
            return given

        def _error(self, message):
            return TypeError(f"{self.name}.__init__() {message}")

    def _values(self):
        return tuple(getattr(self, name) for name in self._shape.types)

    def _repr(self):
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._shape.types)
        return f"{type(self).__qualname__}({fields})"

    def _eq(self, other):
        return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented

    def _hash(self):
        return hash(_values(self))

    def _no_set(_self, name, _value):
        raise _frozen(f"cannot assign to field {name!r}")

    def _no_delete(_self, name):
        raise _frozen(f"cannot delete field {name!r}")

    def _frozen(message):
        from dataclasses import FrozenInstanceError

        return FrozenInstanceError(message)

    def _set_state(self, state):
        for name, value in zip(self._shape.types, state, strict=True):
            _set(self, name, value)

    _CHANGEABLE = {"__repr__": _repr, "__eq__": _eq, "__hash__": None, "__replace__": replace}
    _FROZEN = _CHANGEABLE | {
        "__hash__": _hash,
        "__setattr__": _no_set,
        "__delattr__": _no_delete,
        "__getstate__": _values,
        "__setstate__": _set_state,
    }

    def _signature(twin):
        import inspect

        return inspect.signature(twin)

    class _OfTwin:
        """An attribute that is looked up in a standard twin of the class, which need not have the methods."""

        def __init__(self, look_up, *, init):
            self._look_up = look_up
            self._methods = {"init": init, "repr": False, "eq": False}
            self._answer = None

        def __get__(self, _instance, owner):
            if self._answer is None:
                self._answer = self._look_up(self._twin(owner))
            return self._answer

        def _twin(self, owner):
            import dataclasses

            shape = owner._shape  # noqa: SLF001
            defaults = {
                name: dataclasses.field(default_factory=value.factory) if isinstance(value, _Made) else value
                for name, value in shape.defaults.items()
            }
            module = {"__doc__": owner.__doc__ or "", "__module__": owner.__module__}
            twin = type(owner.__name__, (), {"__annotations__": shape.types, **defaults, **module})
            return dataclasses.dataclass(**self._methods, kw_only=shape.options["kw_only"])(twin)
