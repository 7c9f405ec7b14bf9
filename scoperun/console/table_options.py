"""Options from the table of options, as parameters of a subcommand's function."""

from __future__ import annotations

import inspect
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scoperun.console.option import WrongValue
from scoperun.console.option_fields import fields_of
from scoperun.console.options import OPTIONS
from scoperun.errors import InvalidValue
from scoperun.spec.limits import Limits
from scoperun.spec.request import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scoperun.console.option import Option
    from scoperun.spec.properties import Property

    Command = Callable[..., int]


KEPT = {
    name: "scoperun keeps this limit itself, and takes it only when a run starts"
    for each in OPTIONS
    if each.is_limit and each.sets is None
    for name in each.names
}
"""The limits that systemd does not know, by the names of their options, with why no running unit can get them."""


def with_options(
    options: Sequence[Option], *, refused: Mapping[str, str] | None = None, with_defaults: bool = True
) -> Callable[[Command], Command]:
    """Return a decorator that gives a function a parameter for each option, in place of its **given.

    `given` then has the parsed values by the options' long names, with _ for -, of those that were given.
    refused: options that are not offered, by their names as the user types them, each with the reason.
    with_defaults: a flag that was not given has its default; otherwise it is left out, so that config files can set it.
    """

    def decorate(function: Command) -> Command:
        signature = inspect.signature(function, eval_str=True)
        own = [each for each in signature.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
        hidden = [_hidden(name, reason) for name, reason in (refused or {}).items()]
        first = [each for each in own if each.kind is not Parameter.KEYWORD_ONLY]
        table = [_parameter(each, with_defaults) for each in options]
        parameters = [*first, *table, *own[len(first) :], *hidden]

        def command(*words: Any, **given: Any) -> int:
            names = {each.name for each in own}
            return function(
                *words, **{name: value for name, value in given.items() if name in names or value not in (None, [])}
            )

        command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        command.__doc__ = function.__doc__
        return command

    return decorate


def limits_of(options: Sequence[Option], given: Mapping[str, Any]) -> Limits:
    """Return the limits among the values of options; raises InvalidValue."""
    return Limits(**fields_of(options, by_long_name(given))["limits"])


def properties_of(given: Mapping[str, Any]) -> list[Property]:
    """Return the properties of -p; raises InvalidValue."""
    return parsed(each.text for several in given.get("property", ()) for each in several)


def by_long_name(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a function's **given by the options' long names."""
    return {name.replace("_", "-"): value for name, value in given.items()}


def _identifier(name: str) -> str:
    return name.replace("-", "_")


def _parameter(option: Option, has_default: bool) -> Parameter:
    if not option.takes_value:
        *others, name = option.names
        both = name if option.contrary is None else f"{name}/{option.contrary}"
        flag = typer.Option(*others, both, help=option.unit_help or option.help, show_default=False)
        kind, default = (bool, option.shows_default is True) if has_default else (bool | None, None)
        annotation = Annotated[kind, flag]  # type: ignore[valid-type]
        return Parameter(_identifier(option.name), Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
    return _with_value(option)


def _with_value(option: Option) -> Parameter:
    declared = typer.Option(
        *option.names,
        help=option.unit_help or option.help,
        metavar=option.metavar,
        parser=_parser(option),
        show_default=False,
    )
    kind = list[str] if option.repeatable else str | None
    default: list[str] | None = [] if option.repeatable else None
    annotation = Annotated[kind, declared]  # type: ignore[valid-type]
    return Parameter(_identifier(option.name), Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _parser(option: Option) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return option.value(text)
        except WrongValue as error:
            if error.is_missing:
                raise InvalidValue(option.needs) from None
            raise typer.BadParameter(str(error)) from None

    return parse


def _hidden(name: str, reason: str) -> Parameter:
    def refuse(_text: str) -> str:
        raise InvalidValue(f"{name}: {reason}")

    annotation = Annotated[str | None, typer.Option(name, parser=refuse, hidden=True)]
    return Parameter(_identifier(name.removeprefix("--")), Parameter.KEYWORD_ONLY, annotation=annotation, default=None)
