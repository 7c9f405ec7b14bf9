#compdef scoperun
# zsh completion for scoperun(1). A TAB starts no Python.

_scoperun_profiles() {
  local config=${XDG_CONFIG_HOME:-$HOME/.config}/scoperun/config.toml
  local found expl
  local -a profiles
  found=$(sed -n -e 's/^[[:blank:]]*\[[[:blank:]]*profiles[[:blank:]]*\.[[:blank:]]*\([A-Za-z0-9_-]\{1,\}\)[[:blank:]]*[].].*/\1/p' \
    -e 's/^[[:blank:]]*\[[[:blank:]]*profiles[[:blank:]]*\.[[:blank:]]*"\([^]"[:blank:]]*\)".*/\1/p' \
    $config /etc/scoperun/config.toml 2>/dev/null)
  profiles=(${(uf)found})
  _wanted profiles expl profile compadd -a profiles
}

_scoperun_slices() {
  local manager=--user expl
  local -a slices
  (( $words[(I)--system] )) && manager=--system
  slices=(${${(f)"$(systemctl $manager list-units --no-legend --plain --all --type=slice 2>/dev/null)"}%% *})
  _wanted slices expl slice compadd -a slices
}

_scoperun_property() {
  local expl
  local -a properties=(
    After AllowIsolate AllowedCPUs AllowedMemoryNodes AssertACPower AssertArchitecture AssertCPUFeature
    AssertCPUPressure AssertCPUs AssertCapability AssertControlGroupController AssertCredential
    AssertDirectoryNotEmpty AssertEnvironment AssertFileIsExecutable AssertFileNotEmpty AssertFirmware
    AssertFirstBoot AssertGroup AssertHost AssertIOPressure AssertKernelCommandLine AssertKernelModuleLoaded
    AssertKernelVersion AssertMemory AssertMemoryPressure AssertNeedsUpdate AssertOSRelease AssertPathExists
    AssertPathExistsGlob AssertPathIsDirectory AssertPathIsEncrypted AssertPathIsMountPoint
    AssertPathIsReadWrite AssertPathIsSocket AssertPathIsSymbolicLink AssertSecurity AssertUser AssertVersion
    AssertVirtualization BPFProgram Before BindNetworkInterface BindsTo CPUAccounting CPUPressureThresholdSec
    CPUPressureWatch CPUQuota CPUQuotaPeriodSec CPUSetPartition CPUWeight ConditionACPower
    ConditionArchitecture ConditionCPUFeature ConditionCPUPressure ConditionCPUs ConditionCapability
    ConditionControlGroupController ConditionCredential ConditionDirectoryNotEmpty ConditionEnvironment
    ConditionFileIsExecutable ConditionFileNotEmpty ConditionFirmware ConditionFirstBoot ConditionGroup
    ConditionHost ConditionIOPressure ConditionKernelCommandLine ConditionKernelModuleLoaded
    ConditionKernelVersion ConditionMemory ConditionMemoryPressure ConditionNeedsUpdate ConditionOSRelease
    ConditionPathExists ConditionPathExistsGlob ConditionPathIsDirectory ConditionPathIsEncrypted
    ConditionPathIsMountPoint ConditionPathIsReadWrite ConditionPathIsSocket ConditionPathIsSymbolicLink
    ConditionSecurity ConditionUser ConditionVersion ConditionVirtualization Conflicts CoredumpReceive
    DefaultDependencies DefaultMemoryLow DefaultMemoryMin DefaultStartupMemoryLow Delegate DelegateSubgroup
    Description DeviceAllow DevicePolicy DisableControllers Documentation FailureAction
    FailureActionExitStatus FinalKillSignal IOAccounting IODeviceLatencyTargetSec IODeviceWeight
    IOPressureThresholdSec IOPressureWatch IOReadBandwidthMax IOReadIOPSMax IOWeight IOWriteBandwidthMax
    IOWriteIOPSMax IPAccounting IPAddressAllow IPAddressDeny IPEgressFilterPath IPIngressFilterPath
    IgnoreOnIsolate JobRunningTimeoutSec JobTimeoutAction JobTimeoutRebootArgument JobTimeoutSec
    JoinsNamespaceOf KillMode KillSignal ManagedOOMMemoryPressure ManagedOOMMemoryPressureDurationSec
    ManagedOOMMemoryPressureLimit ManagedOOMPreference ManagedOOMSwap Markers MemoryAccounting MemoryHigh
    MemoryLow MemoryMax MemoryMin MemoryPressureThresholdSec MemoryPressureWatch MemorySwapMax MemoryZSwapMax
    MemoryZSwapWriteback NFTSet OOMPolicy OOMRules OnFailure OnFailureJobMode OnSuccess OnSuccessJobMode
    PartOf PropagatesReloadTo PropagatesStopTo RebootArgument RefuseManualStart RefuseManualStop
    ReloadPropagatedFrom Requires RequiresMountsFor Requisite RestartKillSignal RestrictNetworkInterfaces
    RuntimeMaxSec RuntimeRandomizedExtraSec SendSIGHUP SendSIGKILL Slice SocketBindAllow SocketBindDeny
    SourcePath StartLimitAction StartLimitBurst StartLimitIntervalSec StartupAllowedCPUs
    StartupAllowedMemoryNodes StartupCPUWeight StartupIOWeight StartupMemoryHigh StartupMemoryLow
    StartupMemoryMax StartupMemorySwapMax StartupMemoryZSwapMax StopPropagatedFrom StopWhenUnneeded
    SuccessAction SuccessActionExitStatus SurviveFinalKillSignal TasksAccounting TasksMax TimeoutStopSec
    Upholds Wants WantsMountsFor WatchdogSignal
  )
  if compset -P @; then
    _files
  elif compset -P '*='; then
    _message value
  else
    _wanted properties expl 'property, or @file' compadd -qS= -a properties
  fi
}

_arguments -s -S -A '-*' \
  '--mem=[memory for the command and its children]:size' \
  '--mem-high=[memory above which the kernel slows it down]:size' \
  '--soft-mem=[memory above which it gets a signal]:size, size\:signal or size\:none' \
  '--soft-pressure=[share of a time spent waiting for memory at which it gets a signal]:share/time, share/time\:signal or share/time\:none' \
  '--swap=[swap in addition to --mem]:size' \
  '--zswap=[compressed swap]:size' \
  '--cpus=[number of processors, e.g. 0.5]:number' \
  '--cpu-weight=[share of the processors]:1 to 10000' \
  '--tasks=[processes and threads]:number' \
  '--timeout=[stop it after this time]:time' \
  '--cpu-time=[stop it after this processor time]:time' \
  '--kill-after=[time from SIGTERM to SIGKILL]:time' \
  '--oom-policy=[what happens to the rest after an OOM kill]:policy:(stop continue kill)' \
  '*'{-p+,--property=}'[any property of scopes]:property:_scoperun_property' \
  '(-P --profile)'{-P+,--profile=}'[options from a configuration file]:profile: _scoperun_profiles' \
  '(--no-config)--config=[read this configuration file only]:file:_files' \
  '(--config)--no-config[read no configuration file]' \
  '(--no-require-limits)--require-limits[refuse to run if a limit would not be enforced]' \
  '(--require-limits)--no-require-limits[run without the limits that would not be enforced]' \
  "(--user)--system[ask the system's systemd]" \
  "(--system)--user[ask your own systemd]" \
  '(-u --unit)'{-u+,--unit=}'[name of the scope]:unit' \
  '--slice=[slice for the scope]:slice: _scoperun_slices' \
  '(--no-slice-inherit)--slice-inherit[use the slice that scoperun runs in]' \
  '(--slice-inherit)--no-slice-inherit[do not use the slice that scoperun runs in]' \
  '--description=[description of the scope]:text' \
  '*'{-E+,--setenv=}'[environment variable for the command]:variable:_parameters -g "*export*" -qS=' \
  '(-d --working-directory)'{-d+,--working-directory=}'[directory that it starts in]:directory:_directories' \
  '--uid=[user that it runs as]:user:_users' \
  '--gid=[group that it runs as]:group:_groups' \
  '--nice=[nice level]:-20 to 19' \
  '--oom-score-adj=[how much an OOM kill prefers it]:-1000 to 1000' \
  '(--no-wait)--wait[wait for everything that the command starts]' \
  '(--wait)--no-wait[wait for the command only]' \
  '(--no-kill-leftovers)--kill-leftovers[stop what the command leaves running]' \
  '(--kill-leftovers)--no-kill-leftovers[let what the command leaves running go on]' \
  '(--no-die-with-scoperun)--die-with-scoperun[stop it when scoperun ends, even by SIGKILL]' \
  '(--die-with-scoperun)--no-die-with-scoperun[let it go on if scoperun is killed]' \
  '(--no-die-with-parent)--die-with-parent=-[stop it when the parent of scoperun ends, or this process]::process:_pids' \
  '(--die-with-parent)--no-die-with-parent[let it go on when the parent of scoperun ends]' \
  '(--print-properties)--dry-run[start nothing, print what would be asked of systemd]' \
  '(--dry-run)--print-properties[the old name of --dry-run]' \
  '--report=[write the report to a file]:file:_files' \
  '--log=[add a line about the run to a file]:file:_files' \
  '--record=[keep the report in the history]:name' \
  '--record-keep=[keep the last runs of that name]:number' \
  '--record-keep-for=[keep runs of that name for this time]:time' \
  '--on-oom=[run a program after an OOM kill]:program:_files' \
  '--timeline=[write what it uses to a file, again and again]:file:_files' \
  '--timeline-interval=[time between two samples]:time' \
  '(--no-live)--live[show on the terminal what it uses]' \
  '(--live)--no-live[do not show on the terminal what it uses]' \
  '--trace=[write every event of the run to a file]:file:_files' \
  '--report-fd=[write JSON lines to a descriptor]:descriptor:_file_descriptors' \
  '--report-format=[print the report as a block or as one line]:format:(block line)' \
  '(--no-journal)--journal[send the verdict to the journal]' \
  '(--journal)--no-journal[do not send the verdict to the journal]' \
  '(--no-json)--json[print the report as JSON]' \
  '(--json)--no-json[print the report as text]' \
  '(--no-quiet)*'{-q,--quiet}'[print no report if the exit status tells all; twice\: none at all]' \
  '(-q --quiet)--no-quiet[always print a report]' \
  '(--no-oom-log)--oom-log[quote the kernel log of an OOM kill]' \
  '(--oom-log)--no-oom-log[do not quote the kernel log]' \
  '--oom-exit-code=[exit status if memory ran out]:status' \
  '--check[show what a run needs and whether it is there]' \
  '(- *)--version[print the version]' \
  '(- *)'{-h,--help}'[print a summary of the options]' \
  '*:::command:_normal -p $service'
