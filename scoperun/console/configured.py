"""The values of all options: from the command line, the environment and config files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from scoperun.console import option_values
from scoperun.console.config_files import check_home, command_names, config_paths, read_config
from scoperun.console.option import WrongValue
from scoperun.errors import InvalidValue
from scoperun.record import dataclass, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scoperun.console.config import Config, Entries, Entry, Key
    from scoperun.console.option import Option

    Keys = Callable[[], Mapping[str, Key | None]]

_PROFILE, _PROPERTY = "profile", "property"
_IDENTITY = frozenset({"uid", "gid"})


@dataclass(frozen=True, slots=True)
class Settled:
    """The values of options from the command line, the environment and config files together.

    values: by long name, only for options that one of these gives. A repeatable option has a tuple with the values from
    all of them.
    origins: by long name, where a value comes from: --mem, SCOPERUN_REPORT or config.toml:12 [profiles.build].
    list_origins: by long name, where each value of a repeatable option comes from, in the same order.
    ignored: the variables that would have given a value, if the command did not run as another user.
    """

    values: Mapping[str, Any]
    origins: Mapping[str, str]
    list_origins: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...] = ()


def settled(
    given: Mapping[str, Any], command: str, options: Sequence[Option], *, others: Sequence[Option] = ()
) -> Settled:
    """Return the values of `options`.

    given: the values from the command line, by long name. command: the command's first word, which rules match.
    others: the options that config files can have, if these are more; what they say of the others is left out.
    Raises InvalidValue for a mistake in a config file or in the environment.
    """
    known = {option.name: option for option in options}
    values, origins = dict(given), {name: f"--{name}" for name in given}
    list_origins = {name: (f"--{name}",) * len(values[name]) for name in given if known[name].repeatable}
    entries = _entries(given, command, known | {option.name: option for option in others})
    if entries is not None:
        entries = entries.only(known).without_properties({known[name].sets for name in values})
        _add_entries(values, origins, entries, known)
        for name, several in entries.lists.items():
            list_origins[name] = (*(str(entry.source) for entry in several), *list_origins.get(name, ()))
    in_environment = [each for each in options if each.field is not None and each.name not in given and _variable(each)]
    if not _IDENTITY.isdisjoint(values):  # root might have started us in the environment of that user
        return Settled(values, origins, list_origins, tuple(str(each.variable) for each in in_environment))
    for option in in_environment:
        values[option.name], origins[option.name] = _variables_value(option), str(option.variable)
    return Settled(values, origins, list_origins)


def _add_entries(
    values: dict[str, Any], origins: dict[str, str], entries: Entries, known: Mapping[str, Option]
) -> None:
    """Add the values of `entries`, from config files, that the command line does not override."""
    for name, entry in entries.single.items():
        if name not in values:
            values[name], origins[name] = _value(entry, known[name]), str(entry.source)
    for name, several in entries.lists.items():
        values[name] = (*(_value(entry, known[name]) for entry in several), *values.get(name, ()))


def _value(entry: Entry, option: Option) -> Any:
    if isinstance(entry.value, bool):
        return entry.value
    try:
        value = option.value(entry.value)
    except WrongValue as error:  # this program takes less than others
        raise InvalidValue(f"{entry.source}: {option.name}: {error.message}", hint=error.hint) from None
    if option.name == _PROPERTY:
        return tuple(replace(each, source=str(entry.source)) for each in value)
    return value


def _variable(option: Option) -> str:
    return os.environ.get(option.variable, "") if option.variable is not None else ""


def _variables_value(option: Option) -> Any:
    """Return the value from the environment, which overrides config files."""
    try:
        return option.value(_variable(option))
    except WrongValue as error:
        raise InvalidValue(f"{option.variable}: {error.message}", hint=error.hint) from None


def _entries(given: Mapping[str, Any], command: str, known: Mapping[str, Option]) -> Entries | None:
    """Return the config files' entries for this command line, None without any files. Raises InvalidValue."""
    check_home(os.environ)
    variable = str(known[_PROFILE].variable)
    profile, reads_none = given.get(_PROFILE), given.get("no-config", False)
    config = _config(given.get("config"), reads_none=reads_none, keys=lambda: _keys(known))
    if profile is None and not reads_none:
        profile = os.environ.get(variable) or None
    if config is None and profile is None:
        return None
    try:
        if config is None:
            raise _no_profile(profile, reads_none=reads_none)
        return _chosen(config, profile, command)
    except InvalidValue as error:
        asker = f"--{_PROFILE}" if _PROFILE in given else variable
        hint = error.hint if profile is None or asker != f"--{_PROFILE}" else _hint(profile, error.hint)
        raise InvalidValue(f"{asker}: {error.message}", hint=hint) from None


def _hint(profile: str, hint: str | None) -> str | None:
    """Return the hint for an unknown profile; if a program has that name, -P was probably meant as in systemd-run."""
    from shutil import which  # noqa: PLC0415  only after a mistake

    from scoperun.console.unknown_options import MISTAKEN  # noqa: PLC0415

    return hint if which(profile) is None else f"{hint}; {MISTAKEN['-P']}"


def _config(file: str | None, *, reads_none: bool, keys: Keys) -> Config | None:
    """Read --config FILE, or else the files in their usual places; None for --no-config, or if none exists."""
    if file is not None and reads_none:
        raise InvalidValue("--config and --no-config exclude each other")
    if reads_none:
        return None
    if file == "":
        raise InvalidValue("--config is empty", hint="a file; --no-config reads none")
    return read_config(config_paths(os.environ) if file is None else [file], keys, are_named=file is not None)


def _no_profile(profile: str | None, *, reads_none: bool) -> InvalidValue:
    places = "there is no config file: " + " or ".join(config_paths(os.environ))
    return InvalidValue(f"there is no profile {profile!r}", hint="--no-config reads no file" if reads_none else places)


def _chosen(config: Config, profile: str | None, command: str) -> Entries:
    if profile is None and config.rules and (rule := config.rule_for(command_names(command))):
        profile = rule.profile
    return config.entries(profile)


def _keys(known: Mapping[str, Option]) -> dict[str, Key | None]:
    """Return the options as keys of config files; None for an option that they may not have."""
    return {name: _key(option) if option.in_files else None for name, option in known.items()}


def _key(option: Option) -> Key:
    from scoperun.console.config import Key, Kind  # noqa: PLC0415  it imports tomli

    def check(text: str) -> None:
        option_values.check_for_file(text, is_property=option.name == _PROPERTY)
        option.value(text)

    kind = Kind.NUMBER if option.is_number else Kind.TEXT
    kind = Kind.FLAG if not option.takes_value else Kind.LIST if option.repeatable else kind
    sets = option_values.property_name if option.name == _PROPERTY else lambda _: option.sets
    opposite = option.contrary.removeprefix("--") if option.contrary is not None else None
    return Key(kind=kind, check=check, sets=sets, opposite=opposite)
