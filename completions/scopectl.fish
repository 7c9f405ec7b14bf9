# fish completion for scopectl(1), written by `make completions`. A TAB starts no Python, but for the names of
# recorded runs.

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
    printf '%s\n' list install uninstall
end

function __scopectl_files
    __fish_complete_path (commandline -ct)
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
    sed -n -e 's/^[[:blank:]]*\[[[:blank:]]*profiles[[:blank:]]*\.[[:blank:]]*\([A-Za-z0-9_-]\{1,\}\)[[:blank:]]*[].].*/\1/p' "$__scopectl_config/scoperun/config.toml" /etc/scoperun/config.toml 2>/dev/null
end

complete -c scopectl -f
complete -c scopectl -s h -l help -d 'Show the subcommands.'
complete -c scopectl -n __fish_use_subcommand -l version -d 'Print the version.'
complete -c scopectl -n __fish_use_subcommand -a list -d 'List what runs in scopes of scoperun, or in every unit.'
complete -c scopectl -n '__fish_seen_subcommand_from list ps' -s a -l all -d 'All scopes and services, desktop applications by name too.'
complete -c scopectl -n '__fish_seen_subcommand_from list ps' -l columns -x -a 'unit state memory limit swap tasks cpu age app command peak limited_by slice sub' -d 'These columns in this order: unit, state, memory, limit, swap, tasks, cpu, age, app, command, peak, limited_by, slice, sub.'
complete -c scopectl -n '__fish_seen_subcommand_from list ps' -l sort -x -a 'unit state memory limit swap tasks cpu age app command peak limited_by slice sub' -d 'By this column: numbers with the largest first, text from A. Default: unit.'
complete -c scopectl -n '__fish_seen_subcommand_from list ps' -s r -l reverse -d 'In the reverse order.'
complete -c scopectl -n '__fish_seen_subcommand_from list ps' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from list ps' -l legend -l no-legend -d 'Print a heading (default).'
complete -c scopectl -n '__fish_seen_subcommand_from list ps' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from list ps' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from list ps' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a status -d 'Show a unit in depth: processes, limits, events, journal.'
complete -c scopectl -n '__fish_seen_subcommand_from status' -s n -l lines -x -d 'The last N entries of its journal.'
complete -c scopectl -n '__fish_seen_subcommand_from status' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from status' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from status' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from status' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a tree -d 'Draw slices and units with their memory, limits and tasks.'
complete -c scopectl -n '__fish_seen_subcommand_from tree' -s p -l processes -d 'The processes of each unit too.'
complete -c scopectl -n '__fish_seen_subcommand_from tree' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from tree' -l legend -l no-legend -d 'Print a heading (default).'
complete -c scopectl -n '__fish_seen_subcommand_from tree' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from tree' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from tree' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a top -d 'Show live what runs and what it uses; change and end it.'
complete -c scopectl -n '__fish_seen_subcommand_from top' -s a -l all -d 'All scopes and services, not only scoperun\'s.'
complete -c scopectl -n '__fish_seen_subcommand_from top' -s d -l delay -x -d 'Time from one round to the next.'
complete -c scopectl -n '__fish_seen_subcommand_from top' -s s -l sort -x -a 'memory swap memory+swap cpu tasks name' -d 'What to sort by.'
complete -c scopectl -n '__fish_seen_subcommand_from top' -l tree -d 'Show units below the slices that they are in.'
complete -c scopectl -n '__fish_seen_subcommand_from top' -s b -l batch -d 'Print each round as text; needs no terminal.'
complete -c scopectl -n '__fish_seen_subcommand_from top' -s n -l iterations -x -d 'With -b or --json: end after N rounds.'
complete -c scopectl -n '__fish_seen_subcommand_from top' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from top' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from top' -l legend -l no-legend -d 'Print a heading (default).'
complete -c scopectl -n '__fish_seen_subcommand_from top' -s h -l help -d 'Show the options.'
complete -c scopectl -n __fish_use_subcommand -a wait -d 'Wait until units have ended, and print how they did.'
complete -c scopectl -n '__fish_seen_subcommand_from wait' -l timeout -x -d 'Wait no longer than that, e.g. 90 or 5min; the exit status is 124 if units still run then.'
complete -c scopectl -n '__fish_seen_subcommand_from wait' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from wait' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from wait' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from wait' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a watch -d 'Tell of every OOM kill in your session, as it happens.'
complete -c scopectl -n '__fish_seen_subcommand_from watch' -l mute -x -d 'No notification about this unit or desktop program; a name or a glob. Can be given again.'
complete -c scopectl -n '__fish_seen_subcommand_from watch' -l journal -l no-journal -d 'Write an entry to the journal (default).'
complete -c scopectl -n '__fish_seen_subcommand_from watch' -l notify -l no-notify -d 'Show a notification (default).'
complete -c scopectl -n '__fish_seen_subcommand_from watch' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from watch' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from watch' -s h -l help -d 'Show the options.'
complete -c scopectl -n __fish_use_subcommand -a set -d 'Change the limits of units, until they end.'
complete -c scopectl -n '__fish_seen_subcommand_from set' -l mem -x -d 'Memory for all processes of the unit (MemoryMax=).'
complete -c scopectl -n '__fish_seen_subcommand_from set' -l mem-high -x -d 'Memory above which the kernel slows them down (MemoryHigh=).'
complete -c scopectl -n '__fish_seen_subcommand_from set' -l swap -x -d 'Swap in addition to that (MemorySwapMax=).'
complete -c scopectl -n '__fish_seen_subcommand_from set' -l zswap -x -d 'Compressed swap (MemoryZSwapMax=).'
complete -c scopectl -n '__fish_seen_subcommand_from set' -l cpus -x -d 'Processors, e.g. 2 or 0.5 (CPUQuota=).'
complete -c scopectl -n '__fish_seen_subcommand_from set' -l cpu-weight -x -d 'Share of the processors, 1 to 10000; the default is 100 (CPUWeight=).'
complete -c scopectl -n '__fish_seen_subcommand_from set' -l tasks -x -d 'Processes and threads (TasksMax=).'
complete -c scopectl -n '__fish_seen_subcommand_from set' -s p -l property -x -d 'Any property of scopes, or @FILE with one per line.'
complete -c scopectl -n '__fish_seen_subcommand_from set' -s f -l force -d 'Also set what would have no effect, and MemoryMax= below what is used, where the kernel kills.'
complete -c scopectl -n '__fish_seen_subcommand_from set' -s a -l all -d 'Globs mean every scope and service, not only scopes of scoperun.'
complete -c scopectl -n '__fish_seen_subcommand_from set' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from set' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from set' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from set' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a cap -d 'Cap an application or your session, at each start of it.'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l mem -x -d 'Memory for all processes of the unit (MemoryMax=).'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l mem-high -x -d 'Memory above which the kernel slows them down (MemoryHigh=).'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l swap -x -d 'Swap in addition to that (MemorySwapMax=).'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l zswap -x -d 'Compressed swap (MemoryZSwapMax=).'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l cpus -x -d 'Processors, e.g. 2 or 0.5 (CPUQuota=).'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l cpu-weight -x -d 'Share of the processors, 1 to 10000; the default is 100 (CPUWeight=).'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l tasks -x -d 'Processes and threads (TasksMax=).'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l session -d 'All applications of your desktop together.'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l users -d 'As root: each user, root\'s own logins too.'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l list -d 'List the caps.'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l remove -d 'Remove the cap.'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l dry-run -d 'Print the files and units that it would change.'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -s f -l force -d 'Also where the kernel will kill what uses more now, where no application or more than one has the ID, and where systemd cannot apply the limits.'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l legend -l no-legend -d 'Print a heading (default).'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from cap' -a '(__scopectl_apps)'
complete -c scopectl -n __fish_use_subcommand -a freeze -d 'Suspend every process of units, until they are thawed.'
complete -c scopectl -n '__fish_seen_subcommand_from freeze' -s a -l all -d 'Globs mean every scope and service, not only scopes of scoperun.'
complete -c scopectl -n '__fish_seen_subcommand_from freeze' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from freeze' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from freeze' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from freeze' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a thaw -d 'Resume every process of frozen units.'
complete -c scopectl -n '__fish_seen_subcommand_from thaw' -s a -l all -d 'Globs mean every scope and service, not only scopes of scoperun.'
complete -c scopectl -n '__fish_seen_subcommand_from thaw' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from thaw' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from thaw' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from thaw' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a stop -d 'Stop units, and wait until they have ended.'
complete -c scopectl -n '__fish_seen_subcommand_from stop' -l no-block -d 'Do not wait until the units have ended.'
complete -c scopectl -n '__fish_seen_subcommand_from stop' -s a -l all -d 'Globs mean every scope and service, not only scopes of scoperun.'
complete -c scopectl -n '__fish_seen_subcommand_from stop' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from stop' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from stop' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from stop' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a kill -d 'Send a signal to every process of units.'
complete -c scopectl -n '__fish_seen_subcommand_from kill' -s s -l signal -x -a 'TERM KILL INT HUP QUIT STOP CONT USR1 USR2 ABRT' -d 'The signal: a name, with or without SIG, or a number (default: SIGTERM).'
complete -c scopectl -n '__fish_seen_subcommand_from kill' -s a -l all -d 'Globs mean every scope and service, not only scopes of scoperun.'
complete -c scopectl -n '__fish_seen_subcommand_from kill' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from kill' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from kill' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from kill' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a attach -d 'Put running processes into a new scope with limits.'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l mem -x -d 'Memory for all processes of the unit (MemoryMax=).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l mem-high -x -d 'Memory above which the kernel slows them down (MemoryHigh=).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l swap -x -d 'Swap in addition to that (MemorySwapMax=).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l zswap -x -d 'Compressed swap (MemoryZSwapMax=).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l cpus -x -d 'Processors, e.g. 2 or 0.5 (CPUQuota=).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l cpu-weight -x -d 'Share of the processors, 1 to 10000; the default is 100 (CPUWeight=).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l tasks -x -d 'Processes and threads (TasksMax=).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l timeout -x -d 'Stop it after this time (RuntimeMaxSec=).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l kill-after -x -d 'Time from SIGTERM to SIGKILL (TimeoutStopSec=).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l oom-policy -x -d 'What happens to the rest after the kernel has killed one process (OOMPolicy=).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -s p -l property -x -d 'Any property of scopes, or @FILE with one per line.'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l require-limits -l no-require-limits -d 'Refuse to attach if a limit would not be enforced (default), or attach anyway.'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -s u -l unit -x -a '(__scopectl_units)' -d 'Name of the scope.'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l slice -x -a '(__scopectl_slices)' -d 'Slice for the scope (Slice=).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l description -x -d 'Description of the scope; the default is the command line (Description=).'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -s t -l tree -d 'Also their children, and the children of these.'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -s w -l wait -d 'Wait until all have ended, and report how.'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -s f -l force -d 'Also the main process of a service, and what a scoperun watches.'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from attach' -a '(__scopectl_pids)'
complete -c scopectl -n __fish_use_subcommand -a history -d 'List runs of scoperun --record: their ends, peaks and durations.'
complete -c scopectl -n '__fish_seen_subcommand_from history' -l since -x -d 'Only runs that ended at DATE or later: 2026-11-28, yesterday, or 7d for seven days ago.'
complete -c scopectl -n '__fish_seen_subcommand_from history' -l before -x -d 'Only runs that ended before DATE.'
complete -c scopectl -n '__fish_seen_subcommand_from history' -l oom -d 'Only runs in which memory ran out.'
complete -c scopectl -n '__fish_seen_subcommand_from history' -s n -l lines -x -d 'Only the last N of them.'
complete -c scopectl -n '__fish_seen_subcommand_from history' -l names -d 'Print only the names of these runs.'
complete -c scopectl -n '__fish_seen_subcommand_from history' -l reports -d 'With --json: each run with its whole report.'
complete -c scopectl -n '__fish_seen_subcommand_from history' -l delete -d 'Remove these runs from the history, and print them.'
complete -c scopectl -n '__fish_seen_subcommand_from history' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from history' -l legend -l no-legend -d 'Print a heading (default).'
complete -c scopectl -n '__fish_seen_subcommand_from history' -l system -l user -d 'Only runs with the system\'s systemd, or with your own; default: both.'
complete -c scopectl -n '__fish_seen_subcommand_from history' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from history' -a '(__scopectl_recorded)'
complete -c scopectl -n __fish_use_subcommand -a advise -d 'Suggest a limit on memory from the peaks of earlier runs.'
complete -c scopectl -n '__fish_seen_subcommand_from advise' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from advise' -l system -l user -d 'Only runs with the system\'s systemd, or with your own; default: both.'
complete -c scopectl -n '__fish_seen_subcommand_from advise' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from advise' -a '(__scopectl_runs)'
complete -c scopectl -n __fish_use_subcommand -a plot -d 'Draw timelines of scoperun in the terminal, or as a picture.'
complete -c scopectl -n '__fish_seen_subcommand_from plot' -s c -l columns -x -a 'memory anon file kernel shmem sock zswap swap cpu tasks' -d 'What to draw, with commas: memory, anon, file, kernel, shmem, sock, zswap, swap; or cpu, or tasks.'
complete -c scopectl -n '__fish_seen_subcommand_from plot' -s o -l output -x -a '(__scopectl_files)' -d 'Write a picture (.svg or .png) instead; needs matplotlib.'
complete -c scopectl -n '__fish_seen_subcommand_from plot' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from plot' -a '(__scopectl_files)'
complete -c scopectl -n __fish_use_subcommand -a doctor -d 'Show what this machine lacks for a run, and how to get it.'
complete -c scopectl -n '__fish_seen_subcommand_from doctor' -l fix -d 'Print a shell script that would fix what can be; nothing is changed.'
complete -c scopectl -n '__fish_seen_subcommand_from doctor' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from doctor' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from doctor' -s h -l help -d 'Show the options.'
complete -c scopectl -n __fish_use_subcommand -a units -d 'Install the slices and the watch as units of your systemd.'
complete -c scopectl -n '__fish_seen_subcommand_from units' -l now -d 'With install: start the watch, now and in every session.'
complete -c scopectl -n '__fish_seen_subcommand_from units' -l print-delegation -d 'Print a script for root that lets users limit disks and choose processors.'
complete -c scopectl -n '__fish_seen_subcommand_from units' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__fish_seen_subcommand_from units' -l legend -l no-legend -d 'Print a heading (default).'
complete -c scopectl -n '__fish_seen_subcommand_from units' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__fish_seen_subcommand_from units' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__fish_seen_subcommand_from units' -a '(__scopectl_verbs)'
