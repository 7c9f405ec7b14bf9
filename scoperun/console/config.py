"""A config file: TOML text -> defaults, profiles and rules, each value with its line. No I/O.

[defaults]
oom-policy = "continue"

[profiles.build]
mem = "4G"
property = ["MemoryHigh=3G"]

[rules]
"make*" = "build"
"""

from __future__ import annotations

import enum
import fnmatch
import re
from typing import TYPE_CHECKING, Any

from scoperun.console.toml_lines import Path, key_lines, tree
from scoperun.errors import InvalidValue
from scoperun.record import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence


class Kind(enum.StrEnum):
    """The kinds of values that a key can have, in the words of an error message."""

    FLAG = "true or false"
    NUMBER = "a number, or text in quotes"
    TEXT = "text in quotes"
    LIST = "a list of texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An option as a key of config files.

    kind: the kind of its value.
    check: raises InvalidValue for a text that the option would refuse.
    sets: returns the D-Bus name of the property that a text would set, None if it sets none.
    opposite: the long name of the option that turns it off; a file writes `KEY = false` instead.
    """

    kind: Kind
    check: Callable[[str], object] = str
    sets: Callable[[str], str | None] = lambda _: None
    opposite: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A place in a config file: config.toml:12 [profiles.build]."""

    file: str
    line: int
    section: str

    def __str__(self) -> str:
        """Return the file, the line and the section."""
        return f"{self.file}:{self.line} [{self.section}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One value from a config file.

    value: the text that the command line would have, or a flag's true or false. source: where it is.
    sets: the D-Bus name of the property that it sets, None if it sets none.
    """

    value: str | bool
    source: Source
    sets: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """The values of a section, by the options' long names.

    single: options with one value. lists: repeatable options, whose values add up.
    """

    single: Mapping[str, Entry] = field(default_factory=dict)
    lists: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)

    def over(self, lower: Entries) -> Entries:
        """Return these entries, and those of `lower` that these do not override."""
        kept = lower.without_properties({entry.sets for entry in self.single.values()})
        names = [*kept.lists, *(name for name in self.lists if name not in kept.lists)]
        lists = {name: (*kept.lists.get(name, ()), *self.lists.get(name, ())) for name in names}
        return Entries(single={**lower.single, **self.single}, lists=lists)

    def only(self, names: Container[str]) -> Entries:
        """Return the entries of these options."""
        return Entries(
            single={name: entry for name, entry in self.single.items() if name in names},
            lists={name: several for name, several in self.lists.items() if name in names},
        )

    def without_properties(self, names: set[str | None]) -> Entries:
        """Return these entries without the properties `names` in lists, because an option sets them."""
        dropped = names - {None}
        lists = {key: tuple(each for each in many if each.sets not in dropped) for key, many in self.lists.items()}
        return Entries(single=self.single, lists=lists)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A glob for command names, and the profile of the commands that it matches."""

    glob: str
    profile: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The content of a config file, or of several merged."""

    defaults: Entries
    profiles: Mapping[str, Entries]
    rules: tuple[Rule, ...]

    def entries(self, profile: str | None) -> Entries:
        """Return the entries of a profile merged over the defaults; without a profile, the defaults.

        Raises InvalidValue if the profile does not exist.
        """
        if profile is None:
            return self.defaults
        if profile not in self.profiles:
            raise InvalidValue(f"there is no profile {profile!r}", hint=self._profiles_there_are())
        return self.profiles[profile].over(self.defaults)

    def rule_for(self, names: Sequence[str]) -> Rule | None:
        """Return the first rule whose glob matches one of a command's names, or None; `*` matches slashes too."""
        return next((rule for rule in self.rules if any(fnmatch.fnmatchcase(name, rule.glob) for name in names)), None)

    def check_rules(self) -> None:
        """Raise InvalidValue if a rule names a profile that does not exist."""
        for rule in self.rules:
            if rule.profile not in self.profiles:
                where = f"{rule.source.file}:{rule.source.line}"
                message = f"{where}: rule {rule.glob!r}: there is no profile {rule.profile!r}"
                raise InvalidValue(message, hint=self._profiles_there_are())

    def _profiles_there_are(self) -> str:
        names = ", ".join(sorted(self.profiles))
        return f"there is: {names}" if names else "the config files define none; [profiles.NAME] defines one"


def parse_config(text: str, *, file: str, keys: Mapping[str, Key | None]) -> Config:
    """Parse the text of `file`.

    keys: the keys that a section may have, by name; None for an option that only the command line may have.
    Raises InvalidValue, with the file and the line, for a mistake.
    """
    return _Reader(text, file, keys).config()


def merged(configs: Sequence[Config]) -> Config:
    """Merge several files; profiles of an earlier file hide those of later ones, and its rules are tried first.

    Raises InvalidValue if a rule names a profile that no file has.
    """
    defaults, profiles = Entries(), dict[str, Entries]()
    for config in reversed(configs):
        defaults = config.defaults.over(defaults)
        profiles.update(config.profiles)
    together = Config(
        defaults=defaults, profiles=profiles, rules=tuple(rule for config in configs for rule in config.rules)
    )
    together.check_rules()
    return together


_SECTIONS = ("defaults", "profiles", "rules")
_SECTIONS_HINT = "the sections are [defaults], [profiles.NAME] and [rules]"


class _Reader:
    """The reader of one file's text; each step raises InvalidValue with the file and the line."""

    def __init__(self, text: str, file: str, keys: Mapping[str, Key | None]) -> None:
        self._file = file
        self._keys = keys
        self._tree = tree(text, file)
        self._lines = key_lines(text)

    def config(self) -> Config:
        for name, value in self._tree.items():
            if name not in _SECTIONS:
                raise self._unknown_section(name, value)
        return Config(
            defaults=self._entries(("defaults",)),
            profiles={name: self._entries(("profiles", name)) for name in self._table(("profiles",))},
            rules=tuple(self._rule(glob, profile) for glob, profile in self._table(("rules",)).items()),
        )

    def _unknown_section(self, name: str, value: object) -> InvalidValue:
        if isinstance(value, dict):
            near = _nearest(name, _SECTIONS)
            hint = f"did you mean [{near[0]}]? " if near else ""
            return self._refusal((name,), f"unknown section [{name}]", hint + _SECTIONS_HINT)
        return self._refusal((name,), f"{name} is outside of any section", _SECTIONS_HINT)

    def _table(self, path: Path) -> dict[str, Any]:
        table: Any = self._tree
        for name in path:
            table = table.get(name, {})
        if not isinstance(table, dict):
            section = ".".join(path)
            raise self._refusal(path, f"{section} is {_kind_of(table)}, not a section", f"[{section}] begins one")
        return table

    def _entries(self, path: Path) -> Entries:
        single: dict[str, Entry] = {}
        lists: dict[str, tuple[Entry, ...]] = {}
        for name in self._table(path):
            key = self._keys.get(name)
            if key is None:
                raise self._unknown_key((*path, name))
            found = tuple(self._entry((*path, name), key, each) for each in self._values((*path, name), key))
            if key.kind is Kind.LIST:
                lists[name] = found
            else:
                (single[name],) = found
        return Entries(single=single, lists=lists)

    def _values(self, path: Path, key: Key) -> list[str | bool]:
        """Return the one value of a key, or those of a list."""
        value = self._tree
        for name in path:
            value = value[name]
        match key.kind, value:
            case (Kind.FLAG, bool()) | (Kind.TEXT | Kind.NUMBER, str()):
                return [value]
            case Kind.NUMBER, int() | float() if not isinstance(value, bool):
                return [str(value)]
            case Kind.LIST, list() if all(isinstance(each, str) for each in value):
                return list(value)
        hint = f'as {path[-1]} = ["..."]' if key.kind is Kind.LIST else None
        raise self._refusal(path, f"{path[-1]} is {_kind_of(value)} where {key.kind} should be", hint)

    def _entry(self, path: Path, key: Key, value: str | bool) -> Entry:
        sets = None
        if isinstance(value, str):
            try:
                key.check(value)
                sets = key.sets(value)
            except InvalidValue as error:
                raise self._refusal(path, f"{path[-1]}: {error.message}", error.hint) from None
        return Entry(value=value, source=self._source(path), sets=sets)

    def _unknown_key(self, path: Path) -> InvalidValue:
        name = path[-1]
        known = {each: key for each, key in self._keys.items() if key is not None}
        contrary = [each for each, key in known.items() if key.opposite == name]
        if name in self._keys:
            hint = "it is allowed on the command line only"
        elif contrary:
            hint = f"write {contrary[0]} = false"
        elif re.fullmatch("[A-Z][A-Za-z]+", name):
            hint = f'a property is written property = ["{name}=..."]'
        else:
            near = _nearest(name.replace("_", "-"), known)
            hint = f"did you mean {near[0]}?" if near else "keys are long options, as scoperun --help lists them"
        return self._refusal(path, f"unknown key {name!r}", hint)

    def _rule(self, glob: str, profile: object) -> Rule:
        path = ("rules", glob)
        if not isinstance(profile, str):
            raise self._refusal(
                path, f"rule {glob!r} is {_kind_of(profile)}", 'the name of a profile, e.g. "make*" = "build"'
            )
        return Rule(glob=glob, profile=profile, source=self._source(path))

    def _source(self, path: Path) -> Source:
        return Source(file=self._file, line=self._lines.get(path, 1), section=".".join(path[:-1]))

    def _refusal(self, path: Path, message: str, hint: str | None) -> InvalidValue:
        return InvalidValue(f"{self._file}:{self._lines.get(path, 1)}: {message}", hint=hint)


def _nearest(word: str, words: Iterable[str]) -> list[str]:
    import difflib  # noqa: PLC0415  3 ms, needed only for a mistake

    return difflib.get_close_matches(word, words, n=1)


def _kind_of(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value!r}"
        case list():
            return "a list"
        case dict():
            return "a section"
    return f"the date or time {value}"
