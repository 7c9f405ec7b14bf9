# bash completion for scoperun(1). A TAB starts no Python.

_scoperun()
{
    local with_value='--mem --mem-high --soft-mem --soft-pressure --swap --zswap --cpus --cpu-weight --tasks --timeout --cpu-time --kill-after
        --oom-policy
        -p --property -P --profile --config -u --unit --slice --description -E --setenv -d --working-directory --uid --gid --nice
        --oom-score-adj --report --report-fd --report-format --log --timeline --timeline-interval --trace
        --on-oom --oom-exit-code --record --record-keep --record-keep-for'
    local flags='--require-limits --no-require-limits --system --user --slice-inherit --no-slice-inherit --wait
        --no-wait --kill-leftovers --no-kill-leftovers --die-with-scoperun --no-die-with-scoperun --die-with-parent
        --no-die-with-parent --no-config --dry-run --print-properties --json --no-json -q --quiet
        --no-quiet --journal --no-journal --oom-log --no-oom-log --live --no-live --check --version -h --help'
    local -a words=() starts=()
    local cur before manager=--user last at
    COMPREPLY=()
    _scoperun_words
    last=$((${#words[@]} - 1))
    cur=${words[last]}
    for ((at = 1; at < last; at++)); do
        case ${words[at]} in
            --) _scoperun_command $((at + 1)) && return ;;
            --system | --user) manager=${words[at]} ;;
            -*)
                [[ " ${with_value//$'\n'/ } " == *" ${words[at]} "* ]] || continue
                ((++at == last)) && _scoperun_value "${words[last - 1]}" '' && return
                ;;
            *) _scoperun_command "$at" && return ;;
        esac
    done
    case $cur in
        --*=*) _scoperun_value "${cur%%=*}" "${cur%%=*}=" ;;
        -*) _scoperun_offer '' < <(printf '%s\n' $with_value $flags) ;;
        *) _scoperun_command "$last" ;;
    esac
}

# Join the words that bash has split at characters such as =. Sets words; starts, the place in COMP_WORDS where each
# begins; and before, the part of the last word that bash will not replace.
_scoperun_words()
{
    local line=${COMP_LINE:0:COMP_POINT} blank piece i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        blank=${line%%[^[:blank:]]*}
        line=${line#"$blank"}
        piece=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && piece=$line
        if ((i == 0)) || [[ $blank ]]; then
            words+=("$piece")
            starts+=("$i")
        else
            words[${#words[@]} - 1]+=$piece
        fi
        line=${line#"$piece"}
    done
    [[ $COMP_WORDBREAKS == *"$piece"* ]] && piece=
    before=${words[${#words[@]} - 1]%"$piece"}
    before=${before%@} # which bash replaces too
}

# A command begins at word $1: complete it as if it stood alone.
_scoperun_command()
{
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "${starts[$1]}"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "${starts[$1]}"
    elif (($1 == last)) && [[ $cur != */* ]]; then
        _scoperun_offer '' < <(compgen -c -- "$cur" | sort -u)
    else
        _scoperun_files -f ''
    fi
    return 0
}

# The value of option $1; $2 is the text before it in the same word.
_scoperun_value()
{
    case $1 in
        --oom-policy) _scoperun_offer "$2" < <(printf '%s\n' stop continue kill) ;;
        --report-format) _scoperun_offer "$2" < <(printf '%s\n' block line) ;;
        -P | --profile) _scoperun_offer "$2" < <(_scoperun_profiles) ;;
        --slice) _scoperun_offer "$2" < <(_scoperun_slices) ;;
        -d | --working-directory) _scoperun_files -d "$2" ;;
        --report | --log | --timeline | --trace | --on-oom | --config) _scoperun_files -f "$2" ;;
        -p | --property) _scoperun_property "$2" ;;
        -E | --setenv) _scoperun_offer "$2" < <(compgen -e) ;;
        --uid) _scoperun_offer "$2" < <(compgen -u) ;;
        --gid) _scoperun_offer "$2" < <(compgen -g) ;;
    esac
    return 0
}

# A property or, after @, a file with properties; $1 is the text before it in the same word.
_scoperun_property()
{
    local properties='
        After AllowIsolate AllowedCPUs AllowedMemoryNodes AssertACPower AssertArchitecture AssertCPUFeature
        AssertCPUPressure AssertCPUs AssertCapability AssertControlGroupController AssertCredential
        AssertDirectoryNotEmpty AssertEnvironment AssertFileIsExecutable AssertFileNotEmpty AssertFirmware
        AssertFirstBoot AssertGroup AssertHost AssertIOPressure AssertKernelCommandLine
        AssertKernelModuleLoaded AssertKernelVersion AssertMemory AssertMemoryPressure AssertNeedsUpdate
        AssertOSRelease AssertPathExists AssertPathExistsGlob AssertPathIsDirectory AssertPathIsEncrypted
        AssertPathIsMountPoint AssertPathIsReadWrite AssertPathIsSocket AssertPathIsSymbolicLink
        AssertSecurity AssertUser AssertVersion AssertVirtualization BPFProgram Before BindNetworkInterface
        BindsTo CPUAccounting CPUPressureThresholdSec CPUPressureWatch CPUQuota CPUQuotaPeriodSec
        CPUSetPartition CPUWeight ConditionACPower ConditionArchitecture ConditionCPUFeature
        ConditionCPUPressure ConditionCPUs ConditionCapability ConditionControlGroupController
        ConditionCredential ConditionDirectoryNotEmpty ConditionEnvironment ConditionFileIsExecutable
        ConditionFileNotEmpty ConditionFirmware ConditionFirstBoot ConditionGroup ConditionHost
        ConditionIOPressure ConditionKernelCommandLine ConditionKernelModuleLoaded ConditionKernelVersion
        ConditionMemory ConditionMemoryPressure ConditionNeedsUpdate ConditionOSRelease ConditionPathExists
        ConditionPathExistsGlob ConditionPathIsDirectory ConditionPathIsEncrypted ConditionPathIsMountPoint
        ConditionPathIsReadWrite ConditionPathIsSocket ConditionPathIsSymbolicLink ConditionSecurity
        ConditionUser ConditionVersion ConditionVirtualization Conflicts CoredumpReceive DefaultDependencies
        DefaultMemoryLow DefaultMemoryMin DefaultStartupMemoryLow Delegate DelegateSubgroup Description
        DeviceAllow DevicePolicy DisableControllers Documentation FailureAction FailureActionExitStatus
        FinalKillSignal IOAccounting IODeviceLatencyTargetSec IODeviceWeight IOPressureThresholdSec
        IOPressureWatch IOReadBandwidthMax IOReadIOPSMax IOWeight IOWriteBandwidthMax IOWriteIOPSMax
        IPAccounting IPAddressAllow IPAddressDeny IPEgressFilterPath IPIngressFilterPath IgnoreOnIsolate
        JobRunningTimeoutSec JobTimeoutAction JobTimeoutRebootArgument JobTimeoutSec JoinsNamespaceOf KillMode
        KillSignal ManagedOOMMemoryPressure ManagedOOMMemoryPressureDurationSec ManagedOOMMemoryPressureLimit
        ManagedOOMPreference ManagedOOMSwap Markers MemoryAccounting MemoryHigh MemoryLow MemoryMax MemoryMin
        MemoryPressureThresholdSec MemoryPressureWatch MemorySwapMax MemoryZSwapMax MemoryZSwapWriteback
        NFTSet OOMPolicy OOMRules OnFailure OnFailureJobMode OnSuccess OnSuccessJobMode PartOf
        PropagatesReloadTo PropagatesStopTo RebootArgument RefuseManualStart RefuseManualStop
        ReloadPropagatedFrom Requires RequiresMountsFor Requisite RestartKillSignal RestrictNetworkInterfaces
        RuntimeMaxSec RuntimeRandomizedExtraSec SendSIGHUP SendSIGKILL Slice SocketBindAllow SocketBindDeny
        SourcePath StartLimitAction StartLimitBurst StartLimitIntervalSec StartupAllowedCPUs
        StartupAllowedMemoryNodes StartupCPUWeight StartupIOWeight StartupMemoryHigh StartupMemoryLow
        StartupMemoryMax StartupMemorySwapMax StartupMemoryZSwapMax StopPropagatedFrom StopWhenUnneeded
        SuccessAction SuccessActionExitStatus SurviveFinalKillSignal TasksAccounting TasksMax TimeoutStopSec
        Upholds Wants WantsMountsFor WatchdogSignal'
    case ${cur#"$1"} in
        @*) _scoperun_files -f "$1@" ;;
        *=*) ;;
        *)
            compopt -o nospace 2>/dev/null
            _scoperun_offer "$1" < <(printf '%s=\n' $properties)
            ;;
    esac
}

# Offer the lines of standard input that continue the current word, as they have to be typed, each with $1 before it.
_scoperun_offer()
{
    local line full
    while IFS= read -r line; do
        [[ $line == *[!A-Za-z0-9_.,:+=%@/-]* ]] && printf -v line %q "$line"
        full=$1$line
        [[ $full == "$cur"* ]] && COMPREPLY+=("${full#"$before"}")
    done
}

# Offer the files (-f) or folders (-d) whose names begin with the current word, after $2.
_scoperun_files()
{
    local file
    compopt -o filenames 2>/dev/null # readline quotes them
    while IFS= read -r file; do
        file=$2$file
        COMPREPLY+=("${file#"$before"}")
    done < <(compgen "$1" -- "${cur#"$2"}")
}

_scoperun_profiles()
{
    sed -n -e 's/^[[:blank:]]*\[[[:blank:]]*profiles[[:blank:]]*\.[[:blank:]]*\([A-Za-z0-9_-]\{1,\}\)[[:blank:]]*[].].*/\1/p' \
        -e 's/^[[:blank:]]*\[[[:blank:]]*profiles[[:blank:]]*\.[[:blank:]]*"\([^]"[:blank:]]*\)".*/\1/p' \
        "${XDG_CONFIG_HOME:-$HOME/.config}/scoperun/config.toml" /etc/scoperun/config.toml 2>/dev/null | sort -u
}

_scoperun_slices()
{
    systemctl "$manager" list-units --no-legend --plain --all --type=slice 2>/dev/null | awk '{ print $1 }'
}

complete -F _scoperun scoperun
