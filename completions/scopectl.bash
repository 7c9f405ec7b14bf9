# bash completion for scopectl(1), written by `make completions`. A TAB starts no Python, but for the names of
# recorded runs.

_scopectl()
{
    local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} manager=--user subcommand=
    local at offered files=
    COMPREPLY=()
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in
            --system | --user) manager=${COMP_WORDS[at]} ;;
            --)
                case $subcommand in
                    batch) _scopectl_command $((at + 1)) && return ;;
                esac
                ;;
            -*) ;;
            *) subcommand=${subcommand:-${COMP_WORDS[at]}} ;;
        esac
    done
    if [[ ! $subcommand ]]; then
        offered=$(printf '%s\n' list ps status tree top wait watch set cap freeze thaw stop kill attach history advise plot doctor units batch -h --help --version --system --user)
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
    offered=${offered%'files of any name'}
    _scopectl_offer <<<"${offered%'folders of any name'}"
}

# Offer the lines of standard input that continue the current word, as they have to be typed. With files among them
# readline quotes everything.
_scopectl_offer()
{
    local line typed
    while IFS= read -r line; do
        typed=$line
        [[ $line == *[!A-Za-z0-9_.,:+=%@/-]* ]] && printf -v typed %q "$line"
        [[ $line && $typed == "$cur"* ]] || continue
        [[ $files ]] || line=$typed
        COMPREPLY+=("$line")
    done
}

# A command begins at word $1: complete it as if it stood alone.
_scopectl_command()
{
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
}

# The options of a subcommand.
_scopectl_options()
{
    case $1 in
        list | ps) printf '%s\n' -a --all --columns --sort -r --reverse --json --legend --no-legend --system --user -h --help ;;
        status) printf '%s\n' -n --lines --json --system --user -h --help ;;
        tree) printf '%s\n' -p --processes --json --legend --no-legend --system --user -h --help ;;
        top) printf '%s\n' -a --all -d --delay -s --sort --tree -b --batch -n --iterations --json --system --user --legend --no-legend -h --help ;;
        wait) printf '%s\n' --timeout --json --system --user -h --help ;;
        watch) printf '%s\n' --mute --journal --no-journal --notify --no-notify --json --system --user -h --help ;;
        set) printf '%s\n' --mem --mem-high --swap --zswap --cpus --cpu-weight --tasks -p --property -f --force -a --all --json --system --user -h --help ;;
        cap) printf '%s\n' --mem --mem-high --swap --zswap --cpus --cpu-weight --tasks --session --users --list --remove --dry-run -f --force --json --legend --no-legend --system --user -h --help ;;
        freeze) printf '%s\n' -a --all --json --system --user -h --help ;;
        thaw) printf '%s\n' -a --all --json --system --user -h --help ;;
        stop) printf '%s\n' --no-block -a --all --json --system --user -h --help ;;
        kill) printf '%s\n' -s --signal -a --all --json --system --user -h --help ;;
        attach) printf '%s\n' --mem --mem-high --swap --zswap --cpus --cpu-weight --tasks --timeout --kill-after --oom-policy -p --property --require-limits --no-require-limits --system --user -u --unit --slice --description -t --tree -w --wait -f --force --json -h --help ;;
        history) printf '%s\n' --since --before --oom -n --lines --names --reports --delete --json --legend --no-legend --system --user -h --help ;;
        advise) printf '%s\n' --json --system --user -h --help ;;
        plot) printf '%s\n' -c --columns -o --output -h --help ;;
        doctor) printf '%s\n' --fix --json --system --user -h --help ;;
        units) printf '%s\n' --now --print-delegation --json --legend --no-legend --system --user -h --help ;;
        batch) printf '%s\n' -P --profile --config --no-config --mem --mem-high --soft-mem --soft-pressure --swap --zswap --cpus --cpu-weight --tasks --timeout --cpu-time --kill-after --oom-policy -p --property --require-limits --no-require-limits --system --user -E --setenv -d --working-directory --nice --oom-score-adj -j --jobs --mem-total --retries --retry-factor --retry-max --retry-on --resume --retry-failed --state --joblog --results -k --keep-order --tag --halt --delay --shuf --progress --record --json --dry-run -h --help ;;
    esac
}

# What the value of SUBCOMMAND:OPTION can be; false if that option takes no value.
_scopectl_value()
{
    case $1 in
        list:--columns) printf '%s\n' unit state memory limit swap tasks cpu age app command peak limited_by slice sub ;;
        list:--sort) printf '%s\n' unit state memory limit swap tasks cpu age app command peak limited_by slice sub ;;
        status:-n | status:--lines) : ;;
        top:-d | top:--delay) : ;;
        top:-s | top:--sort) printf '%s\n' memory swap memory+swap cpu tasks name ;;
        top:-n | top:--iterations) : ;;
        wait:--timeout) : ;;
        watch:--mute) : ;;
        set:--mem) : ;;
        set:--mem-high) : ;;
        set:--swap) : ;;
        set:--zswap) : ;;
        set:--cpus) : ;;
        set:--cpu-weight) : ;;
        set:--tasks) : ;;
        set:-p | set:--property) : ;;
        cap:--mem) : ;;
        cap:--mem-high) : ;;
        cap:--swap) : ;;
        cap:--zswap) : ;;
        cap:--cpus) : ;;
        cap:--cpu-weight) : ;;
        cap:--tasks) : ;;
        kill:-s | kill:--signal) printf '%s\n' TERM KILL INT HUP QUIT STOP CONT USR1 USR2 ABRT ;;
        attach:--mem) : ;;
        attach:--mem-high) : ;;
        attach:--swap) : ;;
        attach:--zswap) : ;;
        attach:--cpus) : ;;
        attach:--cpu-weight) : ;;
        attach:--tasks) : ;;
        attach:--timeout) : ;;
        attach:--kill-after) : ;;
        attach:--oom-policy) printf '%s\n' stop continue kill ;;
        attach:-p | attach:--property) : ;;
        attach:-u | attach:--unit) : ;;
        attach:--slice) _scopectl_slices ;;
        attach:--description) : ;;
        history:--since) : ;;
        history:--before) : ;;
        history:-n | history:--lines) : ;;
        plot:-c | plot:--columns) printf '%s\n' memory anon file kernel shmem sock zswap swap cpu tasks ;;
        plot:-o | plot:--output) _scopectl_files ;;
        batch:-P | batch:--profile) _scopectl_profiles ;;
        batch:--config) _scopectl_files ;;
        batch:--mem) printf '%s\n' auto ;;
        batch:--mem-high) : ;;
        batch:--soft-mem) : ;;
        batch:--soft-pressure) : ;;
        batch:--swap) : ;;
        batch:--zswap) : ;;
        batch:--cpus) : ;;
        batch:--cpu-weight) : ;;
        batch:--tasks) : ;;
        batch:--timeout) : ;;
        batch:--cpu-time) : ;;
        batch:--kill-after) : ;;
        batch:--oom-policy) printf '%s\n' stop continue kill ;;
        batch:-p | batch:--property) : ;;
        batch:-E | batch:--setenv) : ;;
        batch:-d | batch:--working-directory) _scopectl_folders ;;
        batch:--nice) : ;;
        batch:--oom-score-adj) : ;;
        batch:-j | batch:--jobs) : ;;
        batch:--mem-total) : ;;
        batch:--retries) : ;;
        batch:--retry-factor) : ;;
        batch:--retry-max) : ;;
        batch:--retry-on) printf '%s\n' oom,timeout oom,signal oom,exit ;;
        batch:--state) _scopectl_folders ;;
        batch:--joblog) _scopectl_files ;;
        batch:--results) _scopectl_folders ;;
        batch:--halt) printf '%s\n' soon,fail=1 now,fail=1 soon,fail=10% now,fail=10% ;;
        batch:--delay) : ;;
        batch:--progress) printf '%s\n' auto bar lines none ;;
        batch:--record) _scopectl_recorded ;;
        *) return 1 ;;
    esac
}

_scopectl_arguments()
{
    case $1 in
        list | ps) _scopectl_units ;;
        status) _scopectl_units ;;
        tree) _scopectl_units ;;
        wait) _scopectl_units ;;
        set) _scopectl_units ;;
        cap) _scopectl_apps ;;
        freeze) _scopectl_units ;;
        thaw) _scopectl_units ;;
        stop) _scopectl_units ;;
        kill) _scopectl_units ;;
        attach) _scopectl_pids ;;
        history) _scopectl_recorded ;;
        advise) _scopectl_runs ;;
        plot) _scopectl_files ;;
        units) _scopectl_verbs ;;
        batch) _scopectl_jobs ;;
    esac
}

_scopectl_units()
{
    systemctl "$manager" list-units --no-legend --plain --type=scope,service 2>/dev/null | awk '{ print $1 }'
}

_scopectl_slices()
{
    systemctl "$manager" list-units --no-legend --plain --type=slice 2>/dev/null | awk '{ print $1 }'
}

_scopectl_verbs()
{
    printf '%s\n' list install uninstall
}

_scopectl_pids()
{
    ps -u "$UID" -o pid= 2>/dev/null | tr -d ' '
}

_scopectl_recorded()
{
    scopectl history --names 2>/dev/null
}

# Names, or files with reports.
_scopectl_runs()
{
    _scopectl_recorded
    _scopectl_files
}

_scopectl_files()
{
    echo 'files of any name'
}

_scopectl_folders()
{
    echo 'folders of any name'
}

# A verb, or a file of jobs; after a verb neither.
_scopectl_jobs()
{
    [[ $before == batch ]] && printf '%s\n' status pause resume stop
    for ((at = 1; at < COMP_CWORD; at++)); do
        [[ ${COMP_WORDS[at - 1]} == batch && ' status pause resume stop ' == *" ${COMP_WORDS[at]} "* ]] && return
    done
    _scopectl_files
}

_scopectl_apps()
{
    printf "%s\n" "${XDG_DATA_HOME:-$HOME/.local/share}:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}" | tr ':' '\n' | while read -r folder; do ls "$folder/applications" 2>/dev/null; done | sed -n 's/[.]desktop$//p' | sort -u
}

_scopectl_profiles()
{
    sed -n -e 's/^[[:blank:]]*\[[[:blank:]]*profiles[[:blank:]]*\.[[:blank:]]*\([A-Za-z0-9_-]\{1,\}\)[[:blank:]]*[].].*/\1/p' "${XDG_CONFIG_HOME:-$HOME/.config}/scoperun/config.toml" /etc/scoperun/config.toml 2>/dev/null
}

complete -F _scopectl scopectl
