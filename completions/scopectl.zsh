#compdef scopectl
# zsh completion for scopectl(1), written by `make completions`. A TAB starts no Python, but for the names of
# recorded runs.

_scopectl_of_type() {
  local manager=--user expl
  local -a units
  (( $words[(I)--system] )) && manager=--system
  units=(${${(f)"$(systemctl $manager list-units --no-legend --plain --type=$1 2>/dev/null)"}%% *})
  _wanted units expl unit compadd -a units
}

_scopectl_units() { _scopectl_of_type scope,service }
_scopectl_slices() { _scopectl_of_type slice }
_scopectl_pids() { _pids }
_scopectl_verbs() { local expl; _wanted verbs expl verb compadd list install uninstall }

_scopectl_recorded() {
  local expl
  local -a names
  names=(${(f)"$(scopectl history --names 2>/dev/null)"})
  _wanted names expl name compadd -a names
}

_scopectl_runs() { _alternative 'names:name:_scopectl_recorded' 'files:report:_files' }

_scopectl_files() { _files }
_scopectl_folders() { _files -/ }

# After -- a command begins: complete it as if it stood alone.
_scopectl_command() {
  local at=${words[(i)--]}
  (( at < CURRENT )) || return
  shift $at words
  (( CURRENT -= at ))
  _normal
  return 0
}

# A verb, or a file of jobs; after a verb neither.
_scopectl_jobs() {
  local -a verbs=(status pause resume stop)
  local expl
  if (( CURRENT == 2 )); then
    _alternative "verbs:verb:($verbs)" 'files:file:_files'
  elif (( ! $verbs[(Ie)$words[2]] )); then
    _files
  fi
}

_scopectl_apps() {
  local expl
  local -a apps
  apps=(${(f)"$(printf "%s\n" "${XDG_DATA_HOME:-$HOME/.local/share}:${XDG_DATA_DIRS:-/usr/local/share:/usr/share}" | tr ':' '\n' | while read -r folder; do ls "$folder/applications" 2>/dev/null; done | sed -n 's/[.]desktop$//p' | sort -u)"})
  _wanted apps expl application compadd -a apps
}

_scopectl_profiles() {
  local expl
  local -a profiles
  profiles=(${(uf)"$(sed -n -e 's/^[[:blank:]]*\[[[:blank:]]*profiles[[:blank:]]*\.[[:blank:]]*\([A-Za-z0-9_-]\{1,\}\)[[:blank:]]*[].].*/\1/p' "${XDG_CONFIG_HOME:-$HOME/.config}/scoperun/config.toml" /etc/scoperun/config.toml 2>/dev/null)"})
  _wanted profiles expl profile compadd -a profiles
}

_scopectl() {
  local state line
  local -a subcommands=(
    'list:List what runs in scopes of scoperun, or in every unit.'
    'status:Show a unit in depth: processes, limits, events, journal.'
    'tree:Draw slices and units with their memory, limits and tasks.'
    'top:Show live what runs and what it uses; change and end it.'
    'wait:Wait until units have ended, and print how they did.'
    'watch:Tell of every OOM kill in your session, as it happens.'
    'set:Change the limits of units, until they end.'
    'cap:Cap an application or your session, at each start of it.'
    'freeze:Suspend every process of units, until they are thawed.'
    'thaw:Resume every process of frozen units.'
    'stop:Stop units, and wait until they have ended.'
    'kill:Send a signal to every process of units.'
    'attach:Put running processes into a new scope with limits.'
    'history:List runs of scoperun --record: their ends, peaks and durations.'
    'advise:Suggest a limit on memory from the peaks of earlier runs.'
    'plot:Draw timelines of scoperun in the terminal, or as a picture.'
    'doctor:Show what this machine lacks for a run, and how to get it.'
    'units:Install the slices and the watch as units of your systemd.'
    'batch:Run many jobs, each in a scope with a limit, as memory allows.'
  )
  _arguments -C '(-h --help)'{-h,--help}'[Show the subcommands.]' '--version[Print the version.]' \
    '(--user)--system[Ask the system'\''s systemd.]' '(--system)--user[Ask your own systemd (default).]' \
    '1: :->subcommand' '*:: :->arguments'
  if [[ $state == subcommand ]]; then
    _describe -t subcommands subcommand subcommands
    return
  fi
  case $words[1] in
    list|ps)
      _arguments -s \
        '(-a --all)'{-a,--all}'[All scopes and services, desktop applications by name too.]' \
        '--columns[These columns in this order\: unit, state, memory, limit, swap, tasks, cpu, age, app, command, peak, limited_by, slice, sub.]:a,b:(unit state memory limit swap tasks cpu age app command peak limited_by slice sub)' \
        '--sort[By this column\: numbers with the largest first, text from A. Default\: unit.]:column:(unit state memory limit swap tasks cpu age app command peak limited_by slice sub)' \
        '(-r --reverse)'{-r,--reverse}'[In the reverse order.]' \
        '--json[Print JSON on standard output.]' \
        '(--legend --no-legend)'{--legend,--no-legend}'[Print a heading (default).]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:pattern:_scopectl_units'
      ;;
    status)
      _arguments -s \
        '(-n --lines)'{-n,--lines}'[The last N entries of its journal.]:n: ' \
        '--json[Print JSON on standard output.]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:unit:_scopectl_units'
      ;;
    tree)
      _arguments -s \
        '(-p --processes)'{-p,--processes}'[The processes of each unit too.]' \
        '--json[Print JSON on standard output.]' \
        '(--legend --no-legend)'{--legend,--no-legend}'[Print a heading (default).]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:unit:_scopectl_units'
      ;;
    top)
      _arguments -s \
        '(-a --all)'{-a,--all}'[All scopes and services, not only scoperun'\''s.]' \
        '(-d --delay)'{-d,--delay}'[Time from one round to the next.]:time: ' \
        '(-s --sort)'{-s,--sort}'[What to sort by.]:value:(memory swap memory+swap cpu tasks name)' \
        '--tree[Show units below the slices that they are in.]' \
        '(-b --batch)'{-b,--batch}'[Print each round as text; needs no terminal.]' \
        '(-n --iterations)'{-n,--iterations}'[With -b or --json\: end after N rounds.]:n: ' \
        '--json[Print JSON on standard output.]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(--legend --no-legend)'{--legend,--no-legend}'[Print a heading (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]'
      ;;
    wait)
      _arguments -s \
        '--timeout[Wait no longer than that, e.g. 90 or 5min; the exit status is 124 if units still run then.]:time: ' \
        '--json[Print JSON on standard output.]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:unit:_scopectl_units'
      ;;
    watch)
      _arguments -s \
        '--mute[No notification about this unit or desktop program; a name or a glob. Can be given again.]:name: ' \
        '(--journal --no-journal)'{--journal,--no-journal}'[Write an entry to the journal (default).]' \
        '(--notify --no-notify)'{--notify,--no-notify}'[Show a notification (default).]' \
        '--json[Print JSON on standard output.]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]'
      ;;
    set)
      _arguments -s \
        '--mem[Memory for all processes of the unit (MemoryMax=).]:size: ' \
        '--mem-high[Memory above which the kernel slows them down (MemoryHigh=).]:size: ' \
        '--swap[Swap in addition to that (MemorySwapMax=).]:size: ' \
        '--zswap[Compressed swap (MemoryZSwapMax=).]:size: ' \
        '--cpus[Processors, e.g. 2 or 0.5 (CPUQuota=).]:n: ' \
        '--cpu-weight[Share of the processors, 1 to 10000; the default is 100 (CPUWeight=).]:n: ' \
        '--tasks[Processes and threads (TasksMax=).]:n: ' \
        '(-p --property)'{-p,--property}'[Any property of scopes, or @FILE with one per line.]:name=value: ' \
        '(-f --force)'{-f,--force}'[Also set what would have no effect, and MemoryMax= below what is used, where the kernel kills.]' \
        '(-a --all)'{-a,--all}'[Globs mean every scope and service, not only scopes of scoperun.]' \
        '--json[Print JSON on standard output.]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:unit:_scopectl_units'
      ;;
    cap)
      _arguments -s \
        '--mem[Memory for all processes of the unit (MemoryMax=).]:size: ' \
        '--mem-high[Memory above which the kernel slows them down (MemoryHigh=).]:size: ' \
        '--swap[Swap in addition to that (MemorySwapMax=).]:size: ' \
        '--zswap[Compressed swap (MemoryZSwapMax=).]:size: ' \
        '--cpus[Processors, e.g. 2 or 0.5 (CPUQuota=).]:n: ' \
        '--cpu-weight[Share of the processors, 1 to 10000; the default is 100 (CPUWeight=).]:n: ' \
        '--tasks[Processes and threads (TasksMax=).]:n: ' \
        '--session[All applications of your desktop together.]' \
        '--users[As root\: each user, root'\''s own logins too.]' \
        '--list[List the caps.]' \
        '--remove[Remove the cap.]' \
        '--dry-run[Print the files and units that it would change.]' \
        '(-f --force)'{-f,--force}'[Also where the kernel will kill what uses more now, where no application or more than one has the ID, and where systemd cannot apply the limits.]' \
        '--json[Print JSON on standard output.]' \
        '(--legend --no-legend)'{--legend,--no-legend}'[Print a heading (default).]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:app:_scopectl_apps'
      ;;
    freeze)
      _arguments -s \
        '(-a --all)'{-a,--all}'[Globs mean every scope and service, not only scopes of scoperun.]' \
        '--json[Print JSON on standard output.]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:unit:_scopectl_units'
      ;;
    thaw)
      _arguments -s \
        '(-a --all)'{-a,--all}'[Globs mean every scope and service, not only scopes of scoperun.]' \
        '--json[Print JSON on standard output.]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:unit:_scopectl_units'
      ;;
    stop)
      _arguments -s \
        '--no-block[Do not wait until the units have ended.]' \
        '(-a --all)'{-a,--all}'[Globs mean every scope and service, not only scopes of scoperun.]' \
        '--json[Print JSON on standard output.]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:unit:_scopectl_units'
      ;;
    kill)
      _arguments -s \
        '(-s --signal)'{-s,--signal}'[The signal\: a name, with or without SIG, or a number (default\: SIGTERM).]:signal:(TERM KILL INT HUP QUIT STOP CONT USR1 USR2 ABRT)' \
        '(-a --all)'{-a,--all}'[Globs mean every scope and service, not only scopes of scoperun.]' \
        '--json[Print JSON on standard output.]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:unit:_scopectl_units'
      ;;
    attach)
      _arguments -s \
        '--mem[Memory for all processes of the unit (MemoryMax=).]:size: ' \
        '--mem-high[Memory above which the kernel slows them down (MemoryHigh=).]:size: ' \
        '--swap[Swap in addition to that (MemorySwapMax=).]:size: ' \
        '--zswap[Compressed swap (MemoryZSwapMax=).]:size: ' \
        '--cpus[Processors, e.g. 2 or 0.5 (CPUQuota=).]:n: ' \
        '--cpu-weight[Share of the processors, 1 to 10000; the default is 100 (CPUWeight=).]:n: ' \
        '--tasks[Processes and threads (TasksMax=).]:n: ' \
        '--timeout[Stop it after this time (RuntimeMaxSec=).]:time: ' \
        '--kill-after[Time from SIGTERM to SIGKILL (TimeoutStopSec=).]:time: ' \
        '--oom-policy[What happens to the rest after the kernel has killed one process (OOMPolicy=).]:<stop|continue|kill>:(stop continue kill)' \
        '(-p --property)'{-p,--property}'[Any property of scopes, or @FILE with one per line.]:name=value: ' \
        '(--require-limits --no-require-limits)'{--require-limits,--no-require-limits}'[Refuse to attach if a limit would not be enforced (default), or attach anyway.]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-u --unit)'{-u,--unit}'[Name of the scope.]:name: ' \
        '--slice[Slice for the scope (Slice=).]:name:_scopectl_slices' \
        '--description[Description of the scope; the default is the command line (Description=).]:text: ' \
        '(-t --tree)'{-t,--tree}'[Also their children, and the children of these.]' \
        '(-w --wait)'{-w,--wait}'[Wait until all have ended, and report how.]' \
        '(-f --force)'{-f,--force}'[Also the main process of a service, and what a scoperun watches.]' \
        '--json[Print JSON on standard output.]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:pid:_scopectl_pids'
      ;;
    history)
      _arguments -s \
        '--since[Only runs that ended at DATE or later\: 2026-11-28, yesterday, or 7d for seven days ago.]:date: ' \
        '--before[Only runs that ended before DATE.]:date: ' \
        '--oom[Only runs in which memory ran out.]' \
        '(-n --lines)'{-n,--lines}'[Only the last N of them.]:n: ' \
        '--names[Print only the names of these runs.]' \
        '--reports[With --json\: each run with its whole report.]' \
        '--delete[Remove these runs from the history, and print them.]' \
        '--json[Print JSON on standard output.]' \
        '(--legend --no-legend)'{--legend,--no-legend}'[Print a heading (default).]' \
        '(--system --user)'{--system,--user}'[Only runs with the system'\''s systemd, or with your own; default\: both.]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:name:_scopectl_recorded'
      ;;
    advise)
      _arguments -s \
        '--json[Print JSON on standard output.]' \
        '(--system --user)'{--system,--user}'[Only runs with the system'\''s systemd, or with your own; default\: both.]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:namereport:_scopectl_runs'
      ;;
    plot)
      _arguments -s \
        '(-c --columns)'{-c,--columns}'[What to draw, with commas\: memory, anon, file, kernel, shmem, sock, zswap, swap; or cpu, or tasks.]:columns:(memory anon file kernel shmem sock zswap swap cpu tasks)' \
        '(-o --output)'{-o,--output}'[Write a picture (.svg or .png) instead; needs matplotlib.]:file:_scopectl_files' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:file:_scopectl_files'
      ;;
    doctor)
      _arguments -s \
        '--fix[Print a shell script that would fix what can be; nothing is changed.]' \
        '--json[Print JSON on standard output.]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]'
      ;;
    units)
      _arguments -s \
        '--now[With install\: start the watch, now and in every session.]' \
        '--print-delegation[Print a script for root that lets users limit disks and choose processors.]' \
        '--json[Print JSON on standard output.]' \
        '(--legend --no-legend)'{--legend,--no-legend}'[Print a heading (default).]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:verb:_scopectl_verbs'
      ;;
    batch)
      _scopectl_command && return
      _arguments -s \
        '(-P --profile)'{-P,--profile}'[Take options from profile NAME in config.toml.]:name:_scopectl_profiles' \
        '--config[Read FILE instead of ~/.config/scoperun/config.toml and /etc/scoperun/config.toml.]:file:_scopectl_files' \
        '--no-config[Read no configuration file.]' \
        '--mem[Memory for each job without a limit of its own; auto\: from earlier runs, or an equal share of the total.]:size|auto:(auto)' \
        '--mem-high[Memory above which the kernel slows each job down (MemoryHigh=).]:size: ' \
        '--soft-mem[Memory above which each job gets SIGNAL (default\: TERM), and KILL after --kill-after; none only reports.]:size[:signal]: ' \
        '--soft-pressure[Share of TIME spent waiting for memory at which it gets SIGNAL, e.g. 30%/2s; otherwise as --soft-mem.]:share/time[:signal]: ' \
        '--swap[Swap in addition to that; 0 with --mem (MemorySwapMax=).]:size: ' \
        '--zswap[Compressed swap (MemoryZSwapMax=).]:size: ' \
        '--cpus[Processors, e.g. 2 or 0.5 (CPUQuota=).]:n: ' \
        '--cpu-weight[Share of the processors, 1 to 10000; the default is 100 (CPUWeight=).]:n: ' \
        '--tasks[Processes and threads (TasksMax=).]:n: ' \
        '--timeout[Stop it after this time (RuntimeMaxSec=).]:time: ' \
        '--cpu-time[Processor time that it and its children may use together before they are stopped.]:time: ' \
        '--kill-after[Time from SIGTERM to SIGKILL (TimeoutStopSec=).]:time: ' \
        '--oom-policy[What happens to the rest after the kernel has killed one process (OOMPolicy=).]:<stop|continue|kill>:(stop continue kill)' \
        '(-p --property)'{-p,--property}'[Any property of scopes, or @FILE with one per line.]:name=value: ' \
        '(--require-limits --no-require-limits)'{--require-limits,--no-require-limits}'[Refuse to run if a limit would not be enforced (default), or run anyway.]' \
        '(--system --user)'{--system,--user}'[Ask the system'\''s systemd, or your own (default).]' \
        '(-E --setenv)'{-E,--setenv}'[Environment variable for each job; can be repeated.]:name[=value]: ' \
        '(-d --working-directory)'{-d,--working-directory}'[Directory that each job starts in.]:dir:_scopectl_folders' \
        '--nice[Nice level of each job, -20 to 19.]:n: ' \
        '--oom-score-adj[How much the kernel prefers it as the victim of an OOM kill, -1000 to 1000.]:n: ' \
        '(-j --jobs)'{-j,--jobs}'[Jobs at once; the default is the number of processors.]:n: ' \
        '--mem-total[Memory for all jobs together, also in %; the default is 80 % of what is available.]:size: ' \
        '--retries[Further attempts of a job that ran out of memory.]:n: ' \
        '--retry-factor[Times as much memory for it; the default is 2.]:f: ' \
        '--retry-max[The most memory that it gets; default\: the total.]:size: ' \
        '--retry-on[What is tried again\: oom, and with the same memory timeout, signal or exit too.]:a,b:(oom,timeout oom,signal oom,exit)' \
        '--resume[Go on with a batch that was interrupted.]' \
        '--retry-failed[The same, and try jobs again that failed.]' \
        '--state[Keep the state of the batch in DIR; or find it there.]:dir:_scopectl_folders' \
        '--joblog[Write a line for each attempt, as GNU parallel does.]:file:_scopectl_files' \
        '--results[Keep in DIR/SEQ what each job prints, and its report.]:dir:_scopectl_folders' \
        '(-k --keep-order)'{-k,--keep-order}'[Print in the order of jobs, not of their ends.]' \
        '--tag[Print before each line which job it is of.]' \
        '--halt[soon,fail=N\: start no more jobs once N have failed, or N%; now,fail=N\: stop the others, too.]:when:(soon,fail=1 now,fail=1 soon,fail=10% now,fail=10%)' \
        '--delay[Time between two starts at least.]:time: ' \
        '--shuf[Start the jobs of a new batch in a random order.]' \
        '--progress[A bar on a terminal, lines elsewhere, or none.]:value:(auto bar lines none)' \
        '--record[Keep each report in the history under NAME, and have --mem auto look there.]:name:_scopectl_recorded' \
        '--json[Print a line of JSON for each job and one at the end, not what jobs print.]' \
        '--dry-run[Start nothing; print the jobs.]' \
        '(-h --help)'{-h,--help}'[Show the options.]' \
        '*:file:_scopectl_jobs'
      ;;
  esac
}

_scopectl "$@"
