#!/bin/sh
# Finishes an image from within: called with a chroot of it as the root directory.
set -eu

useradd --create-home --shell /bin/bash --uid 1000 --groups systemd-journal tester
useradd --create-home --shell /bin/bash --uid 1001 plain
passwd --quiet --delete root

systemctl enable payload.service lab.service
systemctl set-default multi-user.target
# A test starts systemd-oomd if it needs it; these drop-ins have it watch every user's manager, and need it for that.
systemctl disable systemd-oomd.service systemd-oomd.socket
rm -f /usr/lib/systemd/*/*.d/10-oomd-*
# Only boot time, in a guest that lives for a minute and has neither network nor login.
systemctl mask \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer getty.target systemd-tmpfiles-clean.timer systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service systemd-random-seed.service systemd-pstore.service \
    systemd-journal-flush.service systemd-firstboot.service systemd-sysctl.service \
    systemd-journal-catalog-update.service systemd-update-done.service systemd-modules-load.service \
    ldconfig.service systemd-sysusers.service systemd-ask-password-console.path \
    systemd-ask-password-wall.path modprobe@.service kmod-static-nodes.service \
    proc-sys-fs-binfmt_misc.automount \
    systemd-udevd.service systemd-udev-trigger.service systemd-udev-load-credentials.service \
    systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udevd-varlink.socket
mkdir -p /etc/systemd/system-generators
for generator in /usr/lib/systemd/system-generators/*; do
    ln -s /dev/null "/etc/systemd/system-generators/${generator##*/}"
done
rm /etc/systemd/system-generators/systemd-debug-generator  # it is what reads systemd.wants=

cd /usr/local/src/lab
for source in *.c; do
    cc -O0 -Wall -Werror -o "${source%.c}" "$source"
done

# Here, as the guest's users cannot write bytecode there.
python3 -m compileall -q /usr/local/lib
rm -rf /boot/*  # the host boots the kernel
rm -f /etc/resolv.conf /customize.sh
