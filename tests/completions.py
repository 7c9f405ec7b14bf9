"""Writes the completions of scopectl, which start no Python at a TAB: `make completions`."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from scoperun.batch.control import VERBS
from scoperun.batch.retry import Cause
from scoperun.ctl.columns import EVERY
from scoperun.ctl.timelines import COLUMNS
from tests.documents import CHECKOUT
from tests.subcommands import HELP, Declared, DeclaredSubcommand, subcommands

_VERSION = Declared(("--version",), "Print the version.", "")
_BEFORE = (HELP, _VERSION)
"""The options without a subcommand."""

_SIGNALS = "TERM KILL INT HUP QUIT STOP CONT USR1 USR2 ABRT"
_WORDS = {"SIGNAL": _SIGNALS, "COLUMN": " ".join(EVERY), "A,B": " ".join(EVERY), "COLUMNS": " ".join(COLUMNS)}
_WORDS |= {"SIZE|auto": "auto", "WHEN": "soon,fail=1 now,fail=1 soon,fail=10% now,fail=10%"}
"""The words that a value can be, by its name."""

_WORDS_OF = {"--retry-on": " ".join(f"{Cause.OOM},{cause}" for cause in Cause if cause is not Cause.OOM)}
"""The same by the name of the option, which counts more."""

_KINDS = {
    "UNIT": "units",
    "PATTERN": "units",
    "PID": "pids",
    "NAME": "recorded",
    "NAMEREPORT": "runs",
    "VERB": "verbs",
    "FILE": "files",
    "APP": "apps",
    "FILECMDVALUE": "jobs",
}
"""What an argument is, by its name."""


def words(option: Declared) -> str:
    """Return the words that the value of an option can be, empty if they are not a few."""
    by_name = [_WORDS_OF[name] for name in option.names if name in _WORDS_OF]
    if option.value.startswith("<"):  # <stop|continue|kill>
        return option.value.strip("<>").replace("|", " ")
    return "".join(by_name) or " ".join(option.words) or _WORDS.get(option.value, "")


def kind(option: Declared) -> str:
    """Return what the value of an option is: units, slices, profiles, files, words, or nothing that is known."""
    if option.value in {"FILE", "DIR"}:
        return "files" if option.value == "FILE" else "folders"
    by_name = {"--slice": "slices", "--profile": "profiles", "--record": "recorded"}
    found = [by_name[name] for name in option.names if name in by_name]
    return found[0] if found else "words" if words(option) else ""


def _label(argument: str) -> str:
    """Return what an argument is called."""
    return {"FILECMDVALUE": "file"}.get(argument, argument.lower())


def _taking_commands() -> str:
    """Return the subcommands that take a command after --."""
    return " ".join(each.row.name for each in subcommands() if each.row.takes_command)


def bash() -> str:
    """Return the completion for bash."""
    return _BASH.format(
        subcommands=" ".join(name for each in subcommands() for name in each.names),
        before=" ".join(name for option in _BEFORE for name in option.names),
        options="\n".join(_bash_options(each) for each in subcommands()),
        values="\n".join(dict.fromkeys(line for each in subcommands() for line in _bash_values(each))),
        arguments="\n".join(_bash_arguments(each) for each in subcommands() if each.arguments),
        commands=" | ".join(_taking_commands().split()),
        verbs=" ".join(VERBS),
        profiles=_PROFILES,
        apps=_APPS,
    )


def _bash_options(subcommand: DeclaredSubcommand) -> str:
    names = " ".join(name for option in subcommand.options for name in option.names)
    return f"        {' | '.join(subcommand.names)}) printf '%s\\n' {names} ;;"


def _bash_values(subcommand: DeclaredSubcommand) -> Iterator[str]:
    for option in subcommand.options:
        if option.takes_value:
            pattern = " | ".join(f"{subcommand.row.name}:{name}" for name in option.names)
            action = f"printf '%s\\n' {words(option)}" if kind(option) == "words" else f"_scopectl_{kind(option)}"
            yield f"        {pattern}) {action if kind(option) else ':'} ;;"


def _bash_arguments(subcommand: DeclaredSubcommand) -> str:
    return f"        {' | '.join(subcommand.names)}) _scopectl_{_KINDS[subcommand.arguments[0]]} ;;"


_PROFILES = (
    r"sed -n -e 's/^[[:blank:]]*\[[[:blank:]]*profiles[[:blank:]]*\.[[:blank:]]*"
    r"\([A-Za-z0-9_-]\{1,\}\)[[:blank:]]*[].].*/\1/p' "
    '"${XDG_CONFIG_HOME:-$HOME/.config}/scoperun/config.toml" /etc/scoperun/config.toml 2>/dev/null'
)

_APPS = (
    'printf "%s\\n" "${XDG_DATA_HOME:-$HOME/.local/share}:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}" | '
    "tr ':' '\\n' | while read -r folder; do ls \"$folder/applications\" 2>/dev/null; done | "
    "sed -n 's/[.]desktop$//p' | sort -u"
)

_BASH = """\
# bash completion for scopectl(1), written by `make completions`. A TAB starts no Python, but for the names of
# recorded runs.

_scopectl()
{{
    local cur=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} manager=--user subcommand=
    local at offered files=
    COMPREPLY=()
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${{COMP_WORDS[at]}} in
            --system | --user) manager=${{COMP_WORDS[at]}} ;;
            --)
                case $subcommand in
                    {commands}) _scopectl_command $((at + 1)) && return ;;
                esac
                ;;
            -*) ;;
            *) subcommand=${{subcommand:-${{COMP_WORDS[at]}}}} ;;
        esac
    done
    if [[ ! $subcommand ]]; then
        offered=$(printf '%s\\n' {subcommands} {before} --system --user)
    elif offered=$(_scopectl_value "$subcommand:$before"); then
        :
    elif [[ $cur == -* ]]; then
        offered=$(_scopectl_options "$subcommand")
    else
        offered=$(_scopectl_arguments "$subcommand")
    fi
    case $offered in
        *'files of any name') mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        *'folders of any name') mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    esac
    case $offered in
        *' of any name') files=yes && compopt -o filenames 2>/dev/null ;;
    esac
    offered=${{offered%'files of any name'}}
    _scopectl_offer <<<"${{offered%'folders of any name'}}"
}}

# Offer the lines of standard input that continue the current word, as they have to be typed. With files among them
# readline quotes everything.
_scopectl_offer()
{{
    local line typed
    while IFS= read -r line; do
        typed=$line
        [[ $line == *[!A-Za-z0-9_.,:+=%@/-]* ]] && printf -v typed %q "$line"
        [[ $line && $typed == "$cur"* ]] || continue
        [[ $files ]] || line=$typed
        COMPREPLY+=("$line")
    done
}}

# A command begins at word $1: complete it as if it stood alone.
_scopectl_command()
{{
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif (($1 == COMP_CWORD)) && [[ $cur != */* ]]; then
        _scopectl_offer < <(compgen -c -- "$cur" | sort -u)
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
    return 0
}}

# The options of a subcommand.
_scopectl_options()
{{
    case $1 in
{options}
    esac
}}

# What the value of SUBCOMMAND:OPTION can be; false if that option takes no value.
_scopectl_value()
{{
    case $1 in
{values}
        *) return 1 ;;
    esac
}}

_scopectl_arguments()
{{
    case $1 in
{arguments}
    esac
}}

_scopectl_units()
{{
    systemctl "$manager" list-units --no-legend --plain --type=scope,service 2>/dev/null | awk '{{ print $1 }}'
}}

_scopectl_slices()
{{
    systemctl "$manager" list-units --no-legend --plain --type=slice 2>/dev/null | awk '{{ print $1 }}'
}}

_scopectl_verbs()
{{
    printf '%s\\n' list install uninstall
}}

_scopectl_pids()
{{
    ps -u "$UID" -o pid= 2>/dev/null | tr -d ' '
}}

_scopectl_recorded()
{{
    scopectl history --names 2>/dev/null
}}

# Names, or files with reports.
_scopectl_runs()
{{
    _scopectl_recorded
    _scopectl_files
}}

_scopectl_files()
{{
    echo 'files of any name'
}}

_scopectl_folders()
{{
    echo 'folders of any name'
}}

# A verb, or a file of jobs; after a verb neither.
_scopectl_jobs()
{{
    [[ $before == batch ]] && printf '%s\\n' {verbs}
    for ((at = 1; at < COMP_CWORD; at++)); do
        [[ ${{COMP_WORDS[at - 1]}} == batch && ' {verbs} ' == *" ${{COMP_WORDS[at]}} "* ]] && return
    done
    _scopectl_files
}}

_scopectl_apps()
{{
    {apps}
}}

_scopectl_profiles()
{{
    {profiles}
}}

complete -F _scopectl scopectl
"""


def zsh() -> str:
    """Return the completion for zsh."""
    return _ZSH.format(
        subcommands="\n".join(f"    {_quoted(f'{each.row.name}:{each.row.help}')}" for each in subcommands()),
        cases="\n".join(_zsh_case(each) for each in subcommands()),
        signals=_SIGNALS,
        verbs=" ".join(VERBS),
        profiles=_PROFILES,
        apps=_APPS,
    )


def _zsh_case(subcommand: DeclaredSubcommand) -> str:
    specs = [_zsh_option(option) for option in subcommand.options]
    specs += [_quoted(f"*:{_label(name)}:_scopectl_{_KINDS[name]}") for name in subcommand.arguments[:1]]
    lines = " \\\n".join(f"        {spec}" for spec in specs)
    command = "      _scopectl_command && return\n" if subcommand.row.takes_command else ""
    return f"    {'|'.join(subcommand.names)})\n{command}      _arguments -s \\\n{lines}\n      ;;"


def _zsh_option(option: Declared) -> str:
    text = option.help.replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")
    action = f"({words(option)})" if kind(option) == "words" else f"_scopectl_{kind(option)}" if kind(option) else " "
    value = f":{option.value.lower()}:{action}" if option.takes_value else ""
    if len(option.names) == 1:
        return _quoted(f"{option.names[0]}[{text}]{value}")
    names = " ".join(option.names)
    return f"{_quoted(f'({names})')}{{{','.join(option.names)}}}{_quoted(f'[{text}]{value}')}"


_ZSH = """\
#compdef scopectl
# zsh completion for scopectl(1), written by `make completions`. A TAB starts no Python, but for the names of
# recorded runs.

_scopectl_of_type() {{
  local manager=--user expl
  local -a units
  (( $words[(I)--system] )) && manager=--system
  units=(${{${{(f)"$(systemctl $manager list-units --no-legend --plain --type=$1 2>/dev/null)"}}%% *}})
  _wanted units expl unit compadd -a units
}}

_scopectl_units() {{ _scopectl_of_type scope,service }}
_scopectl_slices() {{ _scopectl_of_type slice }}
_scopectl_pids() {{ _pids }}
_scopectl_verbs() {{ local expl; _wanted verbs expl verb compadd list install uninstall }}

_scopectl_recorded() {{
  local expl
  local -a names
  names=(${{(f)"$(scopectl history --names 2>/dev/null)"}})
  _wanted names expl name compadd -a names
}}

_scopectl_runs() {{ _alternative 'names:name:_scopectl_recorded' 'files:report:_files' }}

_scopectl_files() {{ _files }}
_scopectl_folders() {{ _files -/ }}

# After -- a command begins: complete it as if it stood alone.
_scopectl_command() {{
  local at=${{words[(i)--]}}
  (( at < CURRENT )) || return
  shift $at words
  (( CURRENT -= at ))
  _normal
  return 0
}}

# A verb, or a file of jobs; after a verb neither.
_scopectl_jobs() {{
  local -a verbs=({verbs})
  local expl
  if (( CURRENT == 2 )); then
    _alternative "verbs:verb:($verbs)" 'files:file:_files'
  elif (( ! $verbs[(Ie)$words[2]] )); then
    _files
  fi
}}

_scopectl_apps() {{
  local expl
  local -a apps
  apps=(${{(f)"$({apps})"}})
  _wanted apps expl application compadd -a apps
}}

_scopectl_profiles() {{
  local expl
  local -a profiles
  profiles=(${{(uf)"$({profiles})"}})
  _wanted profiles expl profile compadd -a profiles
}}

_scopectl() {{
  local state line
  local -a subcommands=(
{subcommands}
  )
  _arguments -C '(-h --help)'{{-h,--help}}'[Show the subcommands.]' '--version[Print the version.]' \\
    '(--user)--system[Ask the system'\\''s systemd.]' '(--system)--user[Ask your own systemd (default).]' \\
    '1: :->subcommand' '*:: :->arguments'
  if [[ $state == subcommand ]]; then
    _describe -t subcommands subcommand subcommands
    return
  fi
  case $words[1] in
{cases}
  esac
}}

_scopectl "$@"
"""


def fish() -> str:
    """Return the completion for fish."""
    profiles = _PROFILES.replace("${XDG_CONFIG_HOME:-$HOME/.config}", "$__scopectl_config")
    lines = [_FISH.format(profiles=profiles, verbs=" ".join(VERBS), commands=_taking_commands())]
    for each in subcommands():
        row = each.row
        lines.append(f"complete -c scopectl -n __fish_use_subcommand -a {row.name} -d {_quoted_in_fish(row.help)}")
        seen = f"-n '__scopectl_in {' '.join(each.names)}'"
        lines += [f"complete -c scopectl {seen} {_fish_option(option)}" for option in each.options]
        lines += [f"complete -c scopectl {seen} -a '(__scopectl_{_KINDS[name]})'" for name in each.arguments[:1]]
    return "\n".join(lines) + "\n"


def _fish_option(option: Declared) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    values = {"words": f" -a {_quoted_in_fish(words(option))}", "": ""}
    value = values.get(kind(option), f" -a '(__scopectl_{kind(option)})'")
    return f"{' '.join(names)}{f' -x{value}' if option.takes_value else ''} -d {_quoted_in_fish(option.help)}"


_FISH = """\
# fish completion for scopectl(1), written by `make completions`. A TAB starts no Python, but for the names of
# recorded runs.

function __scopectl_in --description 'Tell whether this is the subcommand, and no command begins after --'
    set -l typed (commandline -opc)[2..-1]
    contains -- -- $typed; and return 1
    for word in $typed
        string match -q -- '-*' $word; and continue
        contains -- $word $argv
        return
    end
    return 1
end

function __scopectl_command --description 'Complete the command after -- as if it stood alone'
    set -l typed (commandline -opc)
    set -l at (contains -i -- -- $typed); or return
    contains -- {commands} $typed[1..$at]; or return
    set -e typed[1..$at]
    set -l line (string join ' ' -- (string escape -- $typed) (commandline -ct))
    complete --do-complete=$line
end

function __scopectl_of_type
    set -l manager --user
    contains -- --system (commandline -opc); and set manager --system
    systemctl $manager list-units --no-legend --plain --type=$argv[1] 2>/dev/null | string replace -r ' .*' ''
end

function __scopectl_units
    __scopectl_of_type scope,service
end

function __scopectl_slices
    __scopectl_of_type slice
end

function __scopectl_pids
    __fish_complete_pids
end

function __scopectl_recorded
    scopectl history --names 2>/dev/null
end

function __scopectl_runs
    __scopectl_recorded
    __fish_complete_path (commandline -ct)
end

function __scopectl_verbs
    printf '%s\\n' list install uninstall
end

function __scopectl_files
    __fish_complete_path (commandline -ct)
end

function __scopectl_folders
    __fish_complete_directories (commandline -ct)
end

function __scopectl_jobs --description 'Print verbs and files of jobs; after a verb neither'
    set -l verbs {verbs}
    set -l typed (commandline -opc)
    set -l at (contains -i -- batch $typed); or return
    set -e typed[1..$at]
    if set -q typed[1]
        contains -- $typed[1] $verbs; and return
    else
        printf '%s\\n' $verbs
    end
    __scopectl_files
end

function __scopectl_apps
    set -l folders $HOME/.local/share (string split : -- "$XDG_DATA_DIRS") /usr/local/share /usr/share
    set -q XDG_DATA_HOME; and set folders[1] $XDG_DATA_HOME
    for folder in $folders
        ls $folder/applications 2>/dev/null
    end | string match -r '.*(?=[.]desktop$)' | sort -u
end

function __scopectl_profiles
    set -l __scopectl_config $HOME/.config
    set -q XDG_CONFIG_HOME; and set __scopectl_config $XDG_CONFIG_HOME
    {profiles}
end

complete -c scopectl -f
complete -c scopectl -a '(__scopectl_command)'
complete -c scopectl -s h -l help -d 'Show the subcommands.'
complete -c scopectl -n __fish_use_subcommand -l version -d 'Print the version.'"""


def _quoted(text: str) -> str:
    """Return a text as one word of sh or zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def _quoted_in_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


WRITERS: dict[str, Callable[[], str]] = {"bash": bash, "zsh": zsh, "fish": fish}


def file(shell: str) -> Path:
    """Return the file with the completion for a shell."""
    return CHECKOUT / "completions" / f"scopectl.{shell}"


def main() -> int:
    """Write all of them."""
    for shell, write in WRITERS.items():
        file(shell).write_text(write(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
