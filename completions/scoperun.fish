# fish completion for scoperun(1). A TAB starts no Python.

set -g __scoperun_with_value --mem --mem-high --soft-mem --soft-pressure --swap --zswap --cpus --cpu-weight --tasks --timeout --cpu-time --kill-after \
    --oom-policy -p --property -P --profile --config -u --unit --slice --description -E --setenv -d --working-directory \
    --uid --gid --nice --oom-score-adj --report --report-fd --report-format --log --timeline --timeline-interval --trace \
    --on-oom --oom-exit-code --record --record-keep --record-keep-for

set -g __scoperun_properties \
    After AllowIsolate AllowedCPUs AllowedMemoryNodes AssertACPower AssertArchitecture AssertCPUFeature \
    AssertCPUPressure AssertCPUs AssertCapability AssertControlGroupController AssertCredential \
    AssertDirectoryNotEmpty AssertEnvironment AssertFileIsExecutable AssertFileNotEmpty AssertFirmware \
    AssertFirstBoot AssertGroup AssertHost AssertIOPressure AssertKernelCommandLine \
    AssertKernelModuleLoaded AssertKernelVersion AssertMemory AssertMemoryPressure AssertNeedsUpdate \
    AssertOSRelease AssertPathExists AssertPathExistsGlob AssertPathIsDirectory AssertPathIsEncrypted \
    AssertPathIsMountPoint AssertPathIsReadWrite AssertPathIsSocket AssertPathIsSymbolicLink \
    AssertSecurity AssertUser AssertVersion AssertVirtualization BPFProgram Before BindNetworkInterface \
    BindsTo CPUAccounting CPUPressureThresholdSec CPUPressureWatch CPUQuota CPUQuotaPeriodSec \
    CPUSetPartition CPUWeight ConditionACPower ConditionArchitecture ConditionCPUFeature \
    ConditionCPUPressure ConditionCPUs ConditionCapability ConditionControlGroupController \
    ConditionCredential ConditionDirectoryNotEmpty ConditionEnvironment ConditionFileIsExecutable \
    ConditionFileNotEmpty ConditionFirmware ConditionFirstBoot ConditionGroup ConditionHost \
    ConditionIOPressure ConditionKernelCommandLine ConditionKernelModuleLoaded ConditionKernelVersion \
    ConditionMemory ConditionMemoryPressure ConditionNeedsUpdate ConditionOSRelease ConditionPathExists \
    ConditionPathExistsGlob ConditionPathIsDirectory ConditionPathIsEncrypted ConditionPathIsMountPoint \
    ConditionPathIsReadWrite ConditionPathIsSocket ConditionPathIsSymbolicLink ConditionSecurity \
    ConditionUser ConditionVersion ConditionVirtualization Conflicts CoredumpReceive DefaultDependencies \
    DefaultMemoryLow DefaultMemoryMin DefaultStartupMemoryLow Delegate DelegateSubgroup Description \
    DeviceAllow DevicePolicy DisableControllers Documentation FailureAction FailureActionExitStatus \
    FinalKillSignal IOAccounting IODeviceLatencyTargetSec IODeviceWeight IOPressureThresholdSec \
    IOPressureWatch IOReadBandwidthMax IOReadIOPSMax IOWeight IOWriteBandwidthMax IOWriteIOPSMax \
    IPAccounting IPAddressAllow IPAddressDeny IPEgressFilterPath IPIngressFilterPath IgnoreOnIsolate \
    JobRunningTimeoutSec JobTimeoutAction JobTimeoutRebootArgument JobTimeoutSec JoinsNamespaceOf \
    KillMode KillSignal ManagedOOMMemoryPressure ManagedOOMMemoryPressureDurationSec \
    ManagedOOMMemoryPressureLimit ManagedOOMPreference ManagedOOMSwap Markers MemoryAccounting MemoryHigh \
    MemoryLow MemoryMax MemoryMin MemoryPressureThresholdSec MemoryPressureWatch MemorySwapMax \
    MemoryZSwapMax MemoryZSwapWriteback NFTSet OOMPolicy OOMRules OnFailure OnFailureJobMode OnSuccess \
    OnSuccessJobMode PartOf PropagatesReloadTo PropagatesStopTo RebootArgument RefuseManualStart \
    RefuseManualStop ReloadPropagatedFrom Requires RequiresMountsFor Requisite RestartKillSignal \
    RestrictNetworkInterfaces RuntimeMaxSec RuntimeRandomizedExtraSec SendSIGHUP SendSIGKILL Slice \
    SocketBindAllow SocketBindDeny SourcePath StartLimitAction StartLimitBurst StartLimitIntervalSec \
    StartupAllowedCPUs StartupAllowedMemoryNodes StartupCPUWeight StartupIOWeight StartupMemoryHigh \
    StartupMemoryLow StartupMemoryMax StartupMemorySwapMax StartupMemoryZSwapMax StopPropagatedFrom \
    StopWhenUnneeded SuccessAction SuccessActionExitStatus SurviveFinalKillSignal TasksAccounting \
    TasksMax TimeoutStopSec Upholds Wants WantsMountsFor WatchdogSignal

# After the options the command completes as if it stood alone. fish's own __fish_complete_subcommand does not know --,
# and mistakes the value of `-p NAME=VALUE` for a variable.
function __scoperun_command --description 'Complete the command and its words'
    set -l line (string join ' ' -- (__scoperun_words | string escape) (commandline -ct))
    complete --do-complete=$line
end

function __scoperun_words --description 'Print the words of the command so far; fail if there are only options'
    set -l words (commandline -opc)[2..-1]
    while set -q words[1]
        switch $words[1]
            case --
                set -q words[2]; and printf '%s\n' $words[2..-1]
                return 0
            case '-*'
                contains -- $words[1] $__scoperun_with_value; and set -e words[1]
                set -e words[1]
            case '*'
                printf '%s\n' $words
                return 0
        end
    end
    return 1
end

function __scoperun_in_options --description 'Tell whether the command has not begun yet'
    not __scoperun_words >/dev/null
end

function __scoperun_profiles
    set -l folder ~/.config
    test -n "$XDG_CONFIG_HOME"; and set folder $XDG_CONFIG_HOME
    sed -n -e 's/^[[:blank:]]*\[[[:blank:]]*profiles[[:blank:]]*\.[[:blank:]]*\([A-Za-z0-9_-]\{1,\}\)[[:blank:]]*[].].*/\1/p' \
        -e 's/^[[:blank:]]*\[[[:blank:]]*profiles[[:blank:]]*\.[[:blank:]]*"\([^]"[:blank:]]*\)".*/\1/p' \
        $folder/scoperun/config.toml /etc/scoperun/config.toml 2>/dev/null | sort -u
end

function __scoperun_slices
    set -l manager --user
    contains -- --system (commandline -opc); and set manager --system
    systemctl $manager list-units --no-legend --plain --all --type=slice 2>/dev/null | string replace -r ' .*' ''
end

function __scoperun_property
    set -l typed (string replace -r '^(--property=|-p)' '' -- (commandline -ct))
    if string match -q '@*' -- $typed
        __fish_complete_path (string sub -s 2 -- $typed) | string replace -r '^' @
    else
        printf '%s=\n' $__scoperun_properties
    end
end

complete -c scoperun -x -a '(__scoperun_command)'

complete -c scoperun -n __scoperun_in_options -x -l mem -d 'Memory for the command and its children'
complete -c scoperun -n __scoperun_in_options -x -l mem-high -d 'Memory above which the kernel slows it down'
complete -c scoperun -n __scoperun_in_options -x -l soft-mem -d 'Memory above which it gets a signal'
complete -c scoperun -n __scoperun_in_options -x -l soft-pressure -d 'Share of a time spent waiting for memory at which it gets a signal'
complete -c scoperun -n __scoperun_in_options -x -l swap -d 'Swap in addition to --mem'
complete -c scoperun -n __scoperun_in_options -x -l zswap -d 'Compressed swap'
complete -c scoperun -n __scoperun_in_options -x -l cpus -d 'Number of processors, e.g. 0.5'
complete -c scoperun -n __scoperun_in_options -x -l cpu-weight -d 'Share of the processors'
complete -c scoperun -n __scoperun_in_options -x -l tasks -d 'Processes and threads'
complete -c scoperun -n __scoperun_in_options -x -l timeout -d 'Stop it after this time'
complete -c scoperun -n __scoperun_in_options -x -l cpu-time -d 'Stop it after this processor time'
complete -c scoperun -n __scoperun_in_options -x -l kill-after -d 'Time from SIGTERM to SIGKILL'
complete -c scoperun -n __scoperun_in_options -x -l oom-policy -a 'stop continue kill' -d 'What happens to the rest after an OOM kill'
complete -c scoperun -n __scoperun_in_options -x -s p -l property -a '(__scoperun_property)' -d 'Any property of scopes'
complete -c scoperun -n __scoperun_in_options -x -s P -l profile -a '(__scoperun_profiles)' -d 'Options from a file'
complete -c scoperun -n __scoperun_in_options -r -F -l config -d 'Read this configuration file only'
complete -c scoperun -n __scoperun_in_options -l no-config -d 'Read no configuration file'
complete -c scoperun -n __scoperun_in_options -l require-limits -d 'Refuse to run if a limit would not be enforced'
complete -c scoperun -n __scoperun_in_options -l no-require-limits -d 'Run without the limits that would not be enforced'
complete -c scoperun -n __scoperun_in_options -l system -d "Ask the system's systemd"
complete -c scoperun -n __scoperun_in_options -l user -d 'Ask your own systemd'
complete -c scoperun -n __scoperun_in_options -x -s u -l unit -d 'Name of the scope'
complete -c scoperun -n __scoperun_in_options -x -l slice -a '(__scoperun_slices)' -d 'Slice for the scope'
complete -c scoperun -n __scoperun_in_options -l slice-inherit -d 'Use the slice that scoperun runs in'
complete -c scoperun -n __scoperun_in_options -l no-slice-inherit -d 'Do not use the slice that scoperun runs in'
complete -c scoperun -n __scoperun_in_options -x -l description -d 'Description of the scope'
complete -c scoperun -n __scoperun_in_options -x -s E -l setenv -a '(set -xn)' -d 'Environment variable for the command'
complete -c scoperun -n __scoperun_in_options -x -s d -l working-directory -a '(__fish_complete_directories)' -d 'Directory that it starts in'
complete -c scoperun -n __scoperun_in_options -x -l uid -a '(__fish_complete_users)' -d 'User that it runs as'
complete -c scoperun -n __scoperun_in_options -x -l gid -a '(__fish_complete_groups)' -d 'Group that it runs as'
complete -c scoperun -n __scoperun_in_options -x -l nice -d 'Nice level'
complete -c scoperun -n __scoperun_in_options -x -l oom-score-adj -d 'How much an OOM kill prefers it'
complete -c scoperun -n __scoperun_in_options -l wait -d 'Wait for everything that the command starts'
complete -c scoperun -n __scoperun_in_options -l no-wait -d 'Wait for the command only'
complete -c scoperun -n __scoperun_in_options -l kill-leftovers -d 'Stop what the command leaves running'
complete -c scoperun -n __scoperun_in_options -l no-kill-leftovers -d 'Let what the command leaves running go on'
complete -c scoperun -n __scoperun_in_options -l die-with-scoperun -d 'Stop it when scoperun ends, even by SIGKILL'
complete -c scoperun -n __scoperun_in_options -l no-die-with-scoperun -d 'Let it go on if scoperun is killed'
complete -c scoperun -n __scoperun_in_options -l die-with-parent -d 'Stop it when the parent of scoperun ends'
complete -c scoperun -n __scoperun_in_options -l no-die-with-parent -d 'Let it go on when the parent of scoperun ends'
complete -c scoperun -n __scoperun_in_options -l dry-run -d 'Start nothing, print what would be asked of systemd'
complete -c scoperun -n __scoperun_in_options -l print-properties -d 'The old name of --dry-run'
complete -c scoperun -n __scoperun_in_options -r -F -l report -d 'Write the report to a file'
complete -c scoperun -n __scoperun_in_options -x -l report-fd -d 'Write JSON lines to a descriptor'
complete -c scoperun -n __scoperun_in_options -x -l report-format -a 'block line' -d 'Print a block, or one line for a log'
complete -c scoperun -n __scoperun_in_options -r -F -l log -d 'Add a line about the run to a file'
complete -c scoperun -n __scoperun_in_options -x -l record -d 'Keep the report in the history under a name'
complete -c scoperun -n __scoperun_in_options -x -l record-keep -d 'Keep the last runs of that name'
complete -c scoperun -n __scoperun_in_options -x -l record-keep-for -d 'Keep runs of that name for this time'
complete -c scoperun -n __scoperun_in_options -r -F -l on-oom -d 'Run a program after an OOM kill'
complete -c scoperun -n __scoperun_in_options -r -F -l timeline -d 'Write what it uses to a file, again and again'
complete -c scoperun -n __scoperun_in_options -x -l timeline-interval -d 'Time between two samples'
complete -c scoperun -n __scoperun_in_options -l live -d 'Show on the terminal what it uses'
complete -c scoperun -n __scoperun_in_options -l no-live -d 'Do not show on the terminal what it uses'
complete -c scoperun -n __scoperun_in_options -r -F -l trace -d 'Write every event of the run to a file'
complete -c scoperun -n __scoperun_in_options -l journal -d 'Send the verdict to the journal'
complete -c scoperun -n __scoperun_in_options -l no-journal -d 'Do not send the verdict to the journal'
complete -c scoperun -n __scoperun_in_options -l json -d 'Print the report as JSON'
complete -c scoperun -n __scoperun_in_options -l no-json -d 'Print the report as text'
complete -c scoperun -n __scoperun_in_options -s q -l quiet -d 'Print no report if the exit status tells all; twice: none at all'
complete -c scoperun -n __scoperun_in_options -l no-quiet -d 'Always print a report'
complete -c scoperun -n __scoperun_in_options -l oom-log -d 'Quote the kernel log of an OOM kill'
complete -c scoperun -n __scoperun_in_options -l no-oom-log -d 'Do not quote the kernel log'
complete -c scoperun -n __scoperun_in_options -x -l oom-exit-code -d 'Exit status if memory ran out'
complete -c scoperun -n __scoperun_in_options -l check -d 'Show what a run needs and whether it is there'
complete -c scoperun -n __scoperun_in_options -l version -d 'Print the version'
complete -c scoperun -n __scoperun_in_options -s h -l help -d 'Print a summary of the options'
