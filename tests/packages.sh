#!/bin/sh
# Checks that this machine has what `make` needs, with the Python in $1. On Debian and its like, root gets it installed;
# otherwise this prints the command that installs it, and fails.

python=${1:-python3}
needed=

# Note a package by its names: on Debian, on Fedora, on Arch.
need() {
    case $kind in
        apt-get) needed="$needed $1" ;;
        dnf) needed="$needed $2" ;;
        pacman) needed="$needed $3" ;;
        *) needed="$needed $1" ;;
    esac
}

kind=unknown
for each in apt-get dnf pacman; do
    if command -v "$each" >/dev/null; then kind=$each; break; fi
done

"$python" -c 'import ensurepip, venv' 2>/dev/null || need python3-venv python3 python
command -v dbus-daemon >/dev/null || need dbus-daemon dbus-daemon dbus
command -v cc >/dev/null || need gcc gcc gcc
test -e /usr/include/stdio.h || need libc6-dev glibc-devel glibc
test -z "$needed" && exit 0

case $kind in
    apt-get) install='apt-get install' ;;
    dnf) install='dnf install' ;;
    pacman) install='pacman -S' ;;
    *) install='install (names as on Debian)' ;;
esac
if test "$kind $(id -u)" = 'apt-get 0'; then
    apt-get update --quiet=2 &&
        apt-get install --quiet=2 --yes --no-install-recommends $needed >/dev/null
else
    echo "make: first, as root: $install$needed" >&2
    exit 1
fi
