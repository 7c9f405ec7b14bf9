"""What the config files say of a command line: which profile is meant, what it gives the options, where that stands.

typer's Context has a place for such defaults, default_map, and remembers which option took its value from there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from scoperun.console import option_values
from scoperun.console.config_files import check_home, command_names, config_paths, read_config
from scoperun.console.sources import PROPERTY_OF, Assignment, Sources
from scoperun.errors import InvalidValue
from scoperun.record import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import typer

    from scoperun.console.config import Config, Entries, Key

    Check = Callable[[typer.core.TyperOption, str], None]

_COMMAND_LINE_ONLY = frozenset({"config", "no-config", "profile", "print-properties", "report-fd", "version"})
_NUMBERS = frozenset({"SIZE", "SIZE[:SIGNAL]", "N", "TIME", "USER", "GROUP"})


def _options(context: typer.Context) -> dict[str, typer.core.TyperOption]:
    """Return the options by their long names, without the dashes."""
    declared = [each for each in context.command.params if each.param_type_name == "option"]
    return {max(each.opts, key=len).removeprefix("--"): each for each in declared}  # type: ignore[misc]


def apply_config_files(context: typer.Context, command: str, check: Check) -> None:
    """Give the options defaults from the config files; `check` raises InvalidValue for what an option refuses."""
    check_home(os.environ)
    given, reads_none = context.params.get("profile"), context.params.get("no_config", False)
    config = _config(context.params.get("config"), reads_none=reads_none, keys=lambda: _keys(context, check))
    profile = given
    if profile is None and not reads_none:
        profile = os.environ.get("SCOPERUN_PROFILE") or None
    if config is None and profile is None:
        return
    try:
        if config is None:
            raise _no_profile(profile, reads_none=reads_none)
        context.obj = entries = _chosen(config, profile, command)
    except InvalidValue as error:
        asker = "SCOPERUN_PROFILE" if given is None else "--profile"
        raise InvalidValue(f"{asker}: {error.message}", hint=error.hint) from None
    known = _options(context)
    context.default_map = {str(known[name].name): entry.value for name, entry in entries.single.items()}


def configured_properties(context: typer.Context) -> list[Assignment]:
    """Return the properties that the config files ask for beside those of options."""
    return [replace(each, text=option_values.assignment(each.text)) for each in _configured(context, "property")]


def configured_variables(context: typer.Context) -> list[str]:
    """Return the environment variables that the config files set."""
    return [option_values.variable(each.text) for each in _configured(context, "setenv")]


def without_environment(context: typer.Context, name: str) -> Any:
    """Return what the command line or a config file says of an option, whatever the environment says."""
    if _origins(context).get(name) != "ENVIRONMENT":
        return context.params[name]
    entries: Entries | None = context.obj
    entry = entries.single.get(name) if entries else None
    return entry.value if entry else None


def _configured(context: typer.Context, name: str) -> list[Assignment]:
    """Return what the config files add to a list, but properties that an option of the command line sets."""
    entries: Entries | None = context.obj
    if entries is None:
        return []
    given = {PROPERTY_OF.get(each) for each, origin in _origins(context).items() if origin == "COMMANDLINE"}
    kept = entries.without_properties(given).lists.get(name, ())
    return [Assignment(str(entry.value), str(entry.source)) for entry in kept]


def sources(context: typer.Context, properties: Iterable[Assignment]) -> Sources:
    """Return where the options and these properties have their values from."""
    known, entries = _options(context), context.obj
    places: dict[str, Callable[[str], str]] = {
        "COMMANDLINE": lambda name: f"--{name}",
        "ENVIRONMENT": lambda name: str(known[name].envvar),
        "DEFAULT_MAP": lambda name: str(entries.single[name].source),
    }
    found = {name: places[origin](name) for name, origin in _origins(context).items() if origin in places}
    return Sources(options=found, properties=tuple(each.source for each in properties))


def _keys(context: typer.Context, check: Check) -> dict[str, Key | None]:
    """Return the options as config files may have them; None for those that they may not have."""
    return {
        name: None if name in _COMMAND_LINE_ONLY else _key(name, each, check)
        for name, each in _options(context).items()
    }


def _key(name: str, option: typer.core.TyperOption, check: Check) -> Key:
    from scoperun.console.config import Key, Kind  # noqa: PLC0415  it imports tomli

    def check_text(text: str) -> None:
        option_values.check_for_file(text, is_property=name == "property")
        check(option, text)

    kind = Kind.NUMBER if option.metavar in _NUMBERS else Kind.TEXT
    kind = Kind.FLAG if option.is_bool_flag else Kind.LIST if option.multiple else kind
    sets = option_values.property_name if name == "property" else lambda _: PROPERTY_OF.get(name)
    opposite = next((each.removeprefix("--") for each in option.secondary_opts), None)
    return Key(kind=kind, check=check_text, sets=sets, opposite=opposite)


def _config(file: str | None, *, reads_none: bool, keys: Callable[[], dict[str, Key | None]]) -> Config | None:
    """Return what --config FILE says, or else the files in their usual places; None for --no-config, or without any."""
    if file is not None and reads_none:
        raise InvalidValue("--config and --no-config exclude each other")
    if reads_none:
        return None
    return read_config(config_paths(os.environ) if file is None else [file], keys, are_named=file is not None)


def _no_profile(profile: str | None, *, reads_none: bool) -> InvalidValue:
    places = "there is no config file: " + " or ".join(config_paths(os.environ))
    return InvalidValue(f"there is no profile {profile!r}", hint="--no-config reads no file" if reads_none else places)


def _chosen(config: Config, profile: str | None, command: str) -> Entries:
    if profile is None and config.rules and (rule := config.rule_for(command_names(command))):
        profile = rule.profile
    return config.entries(profile)


def _origins(context: typer.Context) -> dict[str, str]:
    """Return how each option got its value, in the words of typer's ParameterSource."""
    found = {name: context.get_parameter_source(str(each.name)) for name, each in _options(context).items()}
    return {name: source.name for name, source in found.items() if source is not None}
