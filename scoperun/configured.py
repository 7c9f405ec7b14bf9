"""What the config files say of a command line: which profile is meant, what it gives the options, where that stands.

typer's Context has a place for such defaults, default_map, and remembers which option took its value from there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.errors import InvalidValue
from scoperun.io.config_files import command_names, config_paths, read_config
from scoperun.sources import PROPERTY_OF, Assignment, Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import typer

    from scoperun.config import Config, Entries, Key


def options(context: typer.Context) -> dict[str, typer.core.TyperOption]:
    """Return the options by their long names, without the dashes."""
    declared = [each for each in context.command.params if each.param_type_name == "option"]
    return {max(each.opts, key=len).removeprefix("--"): each for each in declared}  # type: ignore[misc]


def apply_config_files(context: typer.Context, command: str, keys: Callable[[], Mapping[str, Key | None]]) -> None:
    """Give the options defaults from the config files; `keys` returns those that a file may have."""
    config = read_config(config_paths(os.environ), keys)
    given = context.params.get("profile")
    profile = given if given is not None else os.environ.get("SCOPERUN_PROFILE") or None
    if config is None and profile is None:
        return
    try:
        context.obj = entries = _chosen(config, profile, command)
    except InvalidValue as error:
        asker = "SCOPERUN_PROFILE" if given is None else "--profile"
        raise InvalidValue(f"{asker}: {error.message}", hint=error.hint) from None
    known = options(context)
    context.default_map = {str(known[name].name): entry.value for name, entry in entries.single.items()}


def configured(context: typer.Context, name: str) -> list[Assignment]:
    """Return what the config files add to a list, but properties that an option of the command line sets."""
    entries: Entries | None = context.obj
    if entries is None:
        return []
    given = {PROPERTY_OF.get(each) for each, origin in _origins(context).items() if origin == "COMMANDLINE"}
    kept = entries.without_properties(given).lists.get(name, ())
    return [Assignment(str(entry.value), str(entry.source)) for entry in kept]


def sources(context: typer.Context, properties: Iterable[Assignment]) -> Sources:
    """Return where the options and these properties have their values from."""
    known, entries = options(context), context.obj
    places: dict[str, Callable[[str], str]] = {
        "COMMANDLINE": lambda name: f"--{name}",
        "ENVIRONMENT": lambda name: str(known[name].envvar),
        "DEFAULT_MAP": lambda name: str(entries.single[name].source),
    }
    found = {name: places[origin](name) for name, origin in _origins(context).items() if origin in places}
    return Sources(options=found, properties=tuple(each.source for each in properties))


def _chosen(config: Config | None, profile: str | None, command: str) -> Entries:
    if config is None:
        hint = "there is no config file: " + " or ".join(config_paths(os.environ))
        raise InvalidValue(f"there is no profile {profile!r}", hint=hint)
    if profile is None and config.rules and (rule := config.rule_for(command_names(command))):
        profile = rule.profile
    return config.entries(profile)


def _origins(context: typer.Context) -> dict[str, str]:
    """Return how each option got its value, in the words of typer's ParameterSource."""
    found = {name: context.get_parameter_source(str(each.name)) for name, each in options(context).items()}
    return {name: source.name for name, source in found.items() if source is not None}
