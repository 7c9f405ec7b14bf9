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
    contains -- batch $typed[1..$at]; or return
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
    printf '%s\n' list install uninstall
end

function __scopectl_files
    __fish_complete_path (commandline -ct)
end

function __scopectl_folders
    __fish_complete_directories (commandline -ct)
end

function __scopectl_jobs --description 'Print verbs and files of jobs; after a verb neither'
    set -l verbs status pause resume stop
    set -l typed (commandline -opc)
    set -l at (contains -i -- batch $typed); or return
    set -e typed[1..$at]
    if set -q typed[1]
        contains -- $typed[1] $verbs; and return
    else
        printf '%s\n' $verbs
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
    sed -n -e 's/^[[:blank:]]*\[[[:blank:]]*profiles[[:blank:]]*\.[[:blank:]]*\([A-Za-z0-9_-]\{1,\}\)[[:blank:]]*[].].*/\1/p' "$__scopectl_config/scoperun/config.toml" /etc/scoperun/config.toml 2>/dev/null
end

complete -c scopectl -f
complete -c scopectl -a '(__scopectl_command)'
complete -c scopectl -s h -l help -d 'Show the subcommands.'
complete -c scopectl -n __fish_use_subcommand -l version -d 'Print the version.'
complete -c scopectl -n __fish_use_subcommand -a list -d 'List what runs in scopes of scoperun, or in every unit.'
complete -c scopectl -n '__scopectl_in list ps' -s a -l all -d 'All scopes and services, desktop applications by name too.'
complete -c scopectl -n '__scopectl_in list ps' -l columns -x -a 'unit state memory limit swap tasks cpu age app command peak limited_by slice sub' -d 'These columns in this order: unit, state, memory, limit, swap, tasks, cpu, age, app, command, peak, limited_by, slice, sub.'
complete -c scopectl -n '__scopectl_in list ps' -l sort -x -a 'unit state memory limit swap tasks cpu age app command peak limited_by slice sub' -d 'By this column: numbers with the largest first, text from A. Default: unit.'
complete -c scopectl -n '__scopectl_in list ps' -s r -l reverse -d 'In the reverse order.'
complete -c scopectl -n '__scopectl_in list ps' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in list ps' -l legend -l no-legend -d 'Print a heading (default).'
complete -c scopectl -n '__scopectl_in list ps' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in list ps' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in list ps' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a status -d 'Show a unit in depth: processes, limits, events, journal.'
complete -c scopectl -n '__scopectl_in status' -s n -l lines -x -d 'The last N entries of its journal.'
complete -c scopectl -n '__scopectl_in status' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in status' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in status' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in status' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a tree -d 'Draw slices and units with their memory, limits and tasks.'
complete -c scopectl -n '__scopectl_in tree' -s p -l processes -d 'The processes of each unit too.'
complete -c scopectl -n '__scopectl_in tree' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in tree' -l legend -l no-legend -d 'Print a heading (default).'
complete -c scopectl -n '__scopectl_in tree' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in tree' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in tree' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a top -d 'Show live what runs and what it uses; change and end it.'
complete -c scopectl -n '__scopectl_in top' -s a -l all -d 'All scopes and services, not only scoperun\'s.'
complete -c scopectl -n '__scopectl_in top' -s d -l delay -x -d 'Time from one round to the next.'
complete -c scopectl -n '__scopectl_in top' -s s -l sort -x -a 'memory swap memory+swap cpu tasks name' -d 'What to sort by.'
complete -c scopectl -n '__scopectl_in top' -l tree -d 'Show units below the slices that they are in.'
complete -c scopectl -n '__scopectl_in top' -s b -l batch -d 'Print each round as text; needs no terminal.'
complete -c scopectl -n '__scopectl_in top' -s n -l iterations -x -d 'With -b or --json: end after N rounds.'
complete -c scopectl -n '__scopectl_in top' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in top' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in top' -l legend -l no-legend -d 'Print a heading (default).'
complete -c scopectl -n '__scopectl_in top' -s h -l help -d 'Show the options.'
complete -c scopectl -n __fish_use_subcommand -a wait -d 'Wait until units have ended, and print how they did.'
complete -c scopectl -n '__scopectl_in wait' -l timeout -x -d 'Wait no longer than that, e.g. 90 or 5min; the exit status is 124 if units still run then.'
complete -c scopectl -n '__scopectl_in wait' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in wait' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in wait' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in wait' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a watch -d 'Tell of every OOM kill in your session, as it happens.'
complete -c scopectl -n '__scopectl_in watch' -l mute -x -d 'No notification about this unit or desktop program; a name or a glob. Can be given again.'
complete -c scopectl -n '__scopectl_in watch' -l journal -l no-journal -d 'Write an entry to the journal (default).'
complete -c scopectl -n '__scopectl_in watch' -l notify -l no-notify -d 'Show a notification (default).'
complete -c scopectl -n '__scopectl_in watch' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in watch' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in watch' -s h -l help -d 'Show the options.'
complete -c scopectl -n __fish_use_subcommand -a set -d 'Change the limits of units, until they end.'
complete -c scopectl -n '__scopectl_in set' -l mem -x -d 'Memory for all processes of the unit (MemoryMax=).'
complete -c scopectl -n '__scopectl_in set' -l mem-high -x -d 'Memory above which the kernel slows them down (MemoryHigh=).'
complete -c scopectl -n '__scopectl_in set' -l swap -x -d 'Swap in addition to that (MemorySwapMax=).'
complete -c scopectl -n '__scopectl_in set' -l zswap -x -d 'Compressed swap (MemoryZSwapMax=).'
complete -c scopectl -n '__scopectl_in set' -l cpus -x -d 'Processors, e.g. 2 or 0.5 (CPUQuota=).'
complete -c scopectl -n '__scopectl_in set' -l cpu-weight -x -d 'Share of the processors, 1 to 10000; the default is 100 (CPUWeight=).'
complete -c scopectl -n '__scopectl_in set' -l tasks -x -d 'Processes and threads (TasksMax=).'
complete -c scopectl -n '__scopectl_in set' -s p -l property -x -d 'Any property of scopes, or @FILE with one per line.'
complete -c scopectl -n '__scopectl_in set' -s f -l force -d 'Also set what would have no effect, and MemoryMax= below what is used, where the kernel kills.'
complete -c scopectl -n '__scopectl_in set' -s a -l all -d 'Globs mean every scope and service, not only scopes of scoperun.'
complete -c scopectl -n '__scopectl_in set' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in set' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in set' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in set' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a cap -d 'Cap an application or your session, at each start of it.'
complete -c scopectl -n '__scopectl_in cap' -l mem -x -d 'Memory for all processes of the unit (MemoryMax=).'
complete -c scopectl -n '__scopectl_in cap' -l mem-high -x -d 'Memory above which the kernel slows them down (MemoryHigh=).'
complete -c scopectl -n '__scopectl_in cap' -l swap -x -d 'Swap in addition to that (MemorySwapMax=).'
complete -c scopectl -n '__scopectl_in cap' -l zswap -x -d 'Compressed swap (MemoryZSwapMax=).'
complete -c scopectl -n '__scopectl_in cap' -l cpus -x -d 'Processors, e.g. 2 or 0.5 (CPUQuota=).'
complete -c scopectl -n '__scopectl_in cap' -l cpu-weight -x -d 'Share of the processors, 1 to 10000; the default is 100 (CPUWeight=).'
complete -c scopectl -n '__scopectl_in cap' -l tasks -x -d 'Processes and threads (TasksMax=).'
complete -c scopectl -n '__scopectl_in cap' -l session -d 'All applications of your desktop together.'
complete -c scopectl -n '__scopectl_in cap' -l users -d 'As root: each user, root\'s own logins too.'
complete -c scopectl -n '__scopectl_in cap' -l list -d 'List the caps.'
complete -c scopectl -n '__scopectl_in cap' -l remove -d 'Remove the cap.'
complete -c scopectl -n '__scopectl_in cap' -l dry-run -d 'Print the files and units that it would change.'
complete -c scopectl -n '__scopectl_in cap' -s f -l force -d 'Also where the kernel will kill what uses more now, where no application or more than one has the ID, and where systemd cannot apply the limits.'
complete -c scopectl -n '__scopectl_in cap' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in cap' -l legend -l no-legend -d 'Print a heading (default).'
complete -c scopectl -n '__scopectl_in cap' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in cap' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in cap' -a '(__scopectl_apps)'
complete -c scopectl -n __fish_use_subcommand -a freeze -d 'Suspend every process of units, until they are thawed.'
complete -c scopectl -n '__scopectl_in freeze' -s a -l all -d 'Globs mean every scope and service, not only scopes of scoperun.'
complete -c scopectl -n '__scopectl_in freeze' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in freeze' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in freeze' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in freeze' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a thaw -d 'Resume every process of frozen units.'
complete -c scopectl -n '__scopectl_in thaw' -s a -l all -d 'Globs mean every scope and service, not only scopes of scoperun.'
complete -c scopectl -n '__scopectl_in thaw' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in thaw' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in thaw' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in thaw' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a stop -d 'Stop units, and wait until they have ended.'
complete -c scopectl -n '__scopectl_in stop' -l no-block -d 'Do not wait until the units have ended.'
complete -c scopectl -n '__scopectl_in stop' -s a -l all -d 'Globs mean every scope and service, not only scopes of scoperun.'
complete -c scopectl -n '__scopectl_in stop' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in stop' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in stop' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in stop' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a kill -d 'Send a signal to every process of units.'
complete -c scopectl -n '__scopectl_in kill' -s s -l signal -x -a 'TERM KILL INT HUP QUIT STOP CONT USR1 USR2 ABRT' -d 'The signal: a name, with or without SIG, or a number (default: SIGTERM).'
complete -c scopectl -n '__scopectl_in kill' -s a -l all -d 'Globs mean every scope and service, not only scopes of scoperun.'
complete -c scopectl -n '__scopectl_in kill' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in kill' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in kill' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in kill' -a '(__scopectl_units)'
complete -c scopectl -n __fish_use_subcommand -a attach -d 'Put running processes into a new scope with limits.'
complete -c scopectl -n '__scopectl_in attach' -l mem -x -d 'Memory for all processes of the unit (MemoryMax=).'
complete -c scopectl -n '__scopectl_in attach' -l mem-high -x -d 'Memory above which the kernel slows them down (MemoryHigh=).'
complete -c scopectl -n '__scopectl_in attach' -l swap -x -d 'Swap in addition to that (MemorySwapMax=).'
complete -c scopectl -n '__scopectl_in attach' -l zswap -x -d 'Compressed swap (MemoryZSwapMax=).'
complete -c scopectl -n '__scopectl_in attach' -l cpus -x -d 'Processors, e.g. 2 or 0.5 (CPUQuota=).'
complete -c scopectl -n '__scopectl_in attach' -l cpu-weight -x -d 'Share of the processors, 1 to 10000; the default is 100 (CPUWeight=).'
complete -c scopectl -n '__scopectl_in attach' -l tasks -x -d 'Processes and threads (TasksMax=).'
complete -c scopectl -n '__scopectl_in attach' -l timeout -x -d 'Stop it after this time (RuntimeMaxSec=).'
complete -c scopectl -n '__scopectl_in attach' -l kill-after -x -d 'Time from SIGTERM to SIGKILL (TimeoutStopSec=).'
complete -c scopectl -n '__scopectl_in attach' -l oom-policy -x -a 'stop continue kill' -d 'What happens to the rest after the kernel has killed one process (OOMPolicy=).'
complete -c scopectl -n '__scopectl_in attach' -s p -l property -x -d 'Any property of scopes, or @FILE with one per line.'
complete -c scopectl -n '__scopectl_in attach' -l require-limits -l no-require-limits -d 'Refuse to attach if a limit would not be enforced (default), or attach anyway.'
complete -c scopectl -n '__scopectl_in attach' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in attach' -s u -l unit -x -d 'Name of the scope.'
complete -c scopectl -n '__scopectl_in attach' -l slice -x -a '(__scopectl_slices)' -d 'Slice for the scope (Slice=).'
complete -c scopectl -n '__scopectl_in attach' -l description -x -d 'Description of the scope; the default is the command line (Description=).'
complete -c scopectl -n '__scopectl_in attach' -s t -l tree -d 'Also their children, and the children of these.'
complete -c scopectl -n '__scopectl_in attach' -s w -l wait -d 'Wait until all have ended, and report how.'
complete -c scopectl -n '__scopectl_in attach' -s f -l force -d 'Also the main process of a service, and what a scoperun watches.'
complete -c scopectl -n '__scopectl_in attach' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in attach' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in attach' -a '(__scopectl_pids)'
complete -c scopectl -n __fish_use_subcommand -a history -d 'List runs of scoperun --record: their ends, peaks and durations.'
complete -c scopectl -n '__scopectl_in history' -l since -x -d 'Only runs that ended at DATE or later: 2026-11-28, yesterday, or 7d for seven days ago.'
complete -c scopectl -n '__scopectl_in history' -l before -x -d 'Only runs that ended before DATE.'
complete -c scopectl -n '__scopectl_in history' -l oom -d 'Only runs in which memory ran out.'
complete -c scopectl -n '__scopectl_in history' -s n -l lines -x -d 'Only the last N of them.'
complete -c scopectl -n '__scopectl_in history' -l names -d 'Print only the names of these runs.'
complete -c scopectl -n '__scopectl_in history' -l reports -d 'With --json: each run with its whole report.'
complete -c scopectl -n '__scopectl_in history' -l delete -d 'Remove these runs from the history, and print them.'
complete -c scopectl -n '__scopectl_in history' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in history' -l legend -l no-legend -d 'Print a heading (default).'
complete -c scopectl -n '__scopectl_in history' -l system -l user -d 'Only runs with the system\'s systemd, or with your own; default: both.'
complete -c scopectl -n '__scopectl_in history' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in history' -a '(__scopectl_recorded)'
complete -c scopectl -n __fish_use_subcommand -a advise -d 'Suggest a limit on memory from the peaks of earlier runs.'
complete -c scopectl -n '__scopectl_in advise' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in advise' -l system -l user -d 'Only runs with the system\'s systemd, or with your own; default: both.'
complete -c scopectl -n '__scopectl_in advise' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in advise' -a '(__scopectl_runs)'
complete -c scopectl -n __fish_use_subcommand -a plot -d 'Draw timelines of scoperun in the terminal, or as a picture.'
complete -c scopectl -n '__scopectl_in plot' -s c -l columns -x -a 'memory anon file kernel shmem sock zswap swap cpu tasks' -d 'What to draw, with commas: memory, anon, file, kernel, shmem, sock, zswap, swap; or cpu, or tasks.'
complete -c scopectl -n '__scopectl_in plot' -s o -l output -x -a '(__scopectl_files)' -d 'Write a picture (.svg or .png) instead; needs matplotlib.'
complete -c scopectl -n '__scopectl_in plot' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in plot' -a '(__scopectl_files)'
complete -c scopectl -n __fish_use_subcommand -a doctor -d 'Show what this machine lacks for a run, and how to get it.'
complete -c scopectl -n '__scopectl_in doctor' -l fix -d 'Print a shell script that would fix what can be; nothing is changed.'
complete -c scopectl -n '__scopectl_in doctor' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in doctor' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in doctor' -s h -l help -d 'Show the options.'
complete -c scopectl -n __fish_use_subcommand -a units -d 'Install the slices and the watch as units of your systemd.'
complete -c scopectl -n '__scopectl_in units' -l now -d 'With install: start the watch, now and in every session.'
complete -c scopectl -n '__scopectl_in units' -l print-delegation -d 'Print a script for root that lets users limit disks and choose processors.'
complete -c scopectl -n '__scopectl_in units' -l json -d 'Print JSON on standard output.'
complete -c scopectl -n '__scopectl_in units' -l legend -l no-legend -d 'Print a heading (default).'
complete -c scopectl -n '__scopectl_in units' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in units' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in units' -a '(__scopectl_verbs)'
complete -c scopectl -n __fish_use_subcommand -a batch -d 'Run many jobs, each in a scope with a limit, as memory allows.'
complete -c scopectl -n '__scopectl_in batch' -s P -l profile -x -a '(__scopectl_profiles)' -d 'Take options from profile NAME in config.toml.'
complete -c scopectl -n '__scopectl_in batch' -l config -x -a '(__scopectl_files)' -d 'Read FILE instead of ~/.config/scoperun/config.toml and /etc/scoperun/config.toml.'
complete -c scopectl -n '__scopectl_in batch' -l no-config -d 'Read no configuration file.'
complete -c scopectl -n '__scopectl_in batch' -l mem -x -a 'auto' -d 'Memory for each job without a limit of its own; auto: from earlier runs, or an equal share of the total.'
complete -c scopectl -n '__scopectl_in batch' -l mem-high -x -d 'Memory above which the kernel slows each job down (MemoryHigh=).'
complete -c scopectl -n '__scopectl_in batch' -l soft-mem -x -d 'Memory above which each job gets SIGNAL (default: TERM), and KILL after --kill-after; none only reports.'
complete -c scopectl -n '__scopectl_in batch' -l soft-pressure -x -d 'Share of TIME spent waiting for memory at which it gets SIGNAL, e.g. 30%/2s; otherwise as --soft-mem.'
complete -c scopectl -n '__scopectl_in batch' -l swap -x -d 'Swap in addition to that; 0 with --mem (MemorySwapMax=).'
complete -c scopectl -n '__scopectl_in batch' -l zswap -x -d 'Compressed swap (MemoryZSwapMax=).'
complete -c scopectl -n '__scopectl_in batch' -l cpus -x -d 'Processors, e.g. 2 or 0.5 (CPUQuota=).'
complete -c scopectl -n '__scopectl_in batch' -l cpu-weight -x -d 'Share of the processors, 1 to 10000; the default is 100 (CPUWeight=).'
complete -c scopectl -n '__scopectl_in batch' -l tasks -x -d 'Processes and threads (TasksMax=).'
complete -c scopectl -n '__scopectl_in batch' -l timeout -x -d 'Stop it after this time (RuntimeMaxSec=).'
complete -c scopectl -n '__scopectl_in batch' -l cpu-time -x -d 'Processor time that it and its children may use together before they are stopped.'
complete -c scopectl -n '__scopectl_in batch' -l kill-after -x -d 'Time from SIGTERM to SIGKILL (TimeoutStopSec=).'
complete -c scopectl -n '__scopectl_in batch' -l oom-policy -x -a 'stop continue kill' -d 'What happens to the rest after the kernel has killed one process (OOMPolicy=).'
complete -c scopectl -n '__scopectl_in batch' -s p -l property -x -d 'Any property of scopes, or @FILE with one per line.'
complete -c scopectl -n '__scopectl_in batch' -l require-limits -l no-require-limits -d 'Refuse to run if a limit would not be enforced (default), or run anyway.'
complete -c scopectl -n '__scopectl_in batch' -l system -l user -d 'Ask the system\'s systemd, or your own (default).'
complete -c scopectl -n '__scopectl_in batch' -s E -l setenv -x -d 'Environment variable for each job; can be repeated.'
complete -c scopectl -n '__scopectl_in batch' -s d -l working-directory -x -a '(__scopectl_folders)' -d 'Directory that each job starts in.'
complete -c scopectl -n '__scopectl_in batch' -l nice -x -d 'Nice level of each job, -20 to 19.'
complete -c scopectl -n '__scopectl_in batch' -l oom-score-adj -x -d 'How much the kernel prefers it as the victim of an OOM kill, -1000 to 1000.'
complete -c scopectl -n '__scopectl_in batch' -s j -l jobs -x -d 'Jobs at once; the default is the number of processors.'
complete -c scopectl -n '__scopectl_in batch' -l mem-total -x -d 'Memory for all jobs together, also in %; the default is 80 % of what is available.'
complete -c scopectl -n '__scopectl_in batch' -l retries -x -d 'Further attempts of a job that ran out of memory.'
complete -c scopectl -n '__scopectl_in batch' -l retry-factor -x -d 'Times as much memory for it; the default is 2.'
complete -c scopectl -n '__scopectl_in batch' -l retry-max -x -d 'The most memory that it gets; default: the total.'
complete -c scopectl -n '__scopectl_in batch' -l retry-on -x -a 'oom,timeout oom,signal oom,exit' -d 'What is tried again: oom, and with the same memory timeout, signal or exit too.'
complete -c scopectl -n '__scopectl_in batch' -l resume -d 'Go on with a batch that was interrupted.'
complete -c scopectl -n '__scopectl_in batch' -l retry-failed -d 'The same, and try jobs again that failed.'
complete -c scopectl -n '__scopectl_in batch' -l state -x -a '(__scopectl_folders)' -d 'Keep the state of the batch in DIR; or find it there.'
complete -c scopectl -n '__scopectl_in batch' -l joblog -x -a '(__scopectl_files)' -d 'Write a line for each attempt, as GNU parallel does.'
complete -c scopectl -n '__scopectl_in batch' -l results -x -a '(__scopectl_folders)' -d 'Keep in DIR/SEQ what each job prints, and its report.'
complete -c scopectl -n '__scopectl_in batch' -s k -l keep-order -d 'Print in the order of jobs, not of their ends.'
complete -c scopectl -n '__scopectl_in batch' -l tag -d 'Print before each line which job it is of.'
complete -c scopectl -n '__scopectl_in batch' -l halt -x -a 'soon,fail=1 now,fail=1 soon,fail=10% now,fail=10%' -d 'soon,fail=N: start no more jobs once N have failed, or N%; now,fail=N: stop the others, too.'
complete -c scopectl -n '__scopectl_in batch' -l delay -x -d 'Time between two starts at least.'
complete -c scopectl -n '__scopectl_in batch' -l shuf -d 'Start the jobs of a new batch in a random order.'
complete -c scopectl -n '__scopectl_in batch' -l progress -x -a 'auto bar lines none' -d 'A bar on a terminal, lines elsewhere, or none.'
complete -c scopectl -n '__scopectl_in batch' -l record -x -a '(__scopectl_recorded)' -d 'Keep each report in the history under NAME, and have --mem auto look there.'
complete -c scopectl -n '__scopectl_in batch' -l json -d 'Print a line of JSON for each job and one at the end, not what jobs print.'
complete -c scopectl -n '__scopectl_in batch' -l dry-run -d 'Start nothing; print the jobs.'
complete -c scopectl -n '__scopectl_in batch' -s h -l help -d 'Show the options.'
complete -c scopectl -n '__scopectl_in batch' -a '(__scopectl_jobs)'
