#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# customize.sh ROOT turns the file system that mmdebstrap has built into a machine with
# alice, who logs in with the password "alice" or by ssh from root, a getty on
# the second serial line, the agent, and no timers.
set -eu
root=$1
printf 'virtio_pci\nvirtio_blk\next4\n' >>"$root/etc/initramfs-tools/modules"
echo guest >"$root/etc/hostname"
echo '127.0.0.1 localhost guest' >"$root/etc/hosts"
printf '/dev/vda / ext4 rw 0 0\n/dev/vdb /var ext4 defaults,x-systemd.device-timeout=1h 0 0\n' >"$root/etc/fstab"
printf 'UseDNS no\nListenAddress 127.0.0.1\n' >>"$root/etc/ssh/sshd_config"

chroot "$root" sh -eu <<'INSIDE'
useradd -m -s /bin/sh alice
echo alice:alice | chpasswd
mkdir -p /root/.ssh /home/alice/.ssh
chmod 700 /root/.ssh /home/alice/.ssh
ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519
cp /root/.ssh/id_ed25519.pub /home/alice/.ssh/authorized_keys
printf 'Host *\n\tStrictHostKeyChecking no\n\tUserKnownHostsFile /dev/null\n\tLogLevel ERROR\n' >/root/.ssh/config
touch /home/alice/.hushlogin
chown -R alice: /home/alice
update-initramfs -u
INSIDE

if [ -d "$root/run/systemd" ] || [ -e "$root/lib/systemd/systemd" ]; then
	cat >"$root/etc/systemd/system/agent.service" <<-'UNIT'
		[Unit]
		Description=Runs what the test asks for
		[Service]
		ExecStart=/usr/local/sbin/agent
		KillMode=process
		[Install]
		WantedBy=multi-user.target
	UNIT
	chroot "$root" systemctl -q enable agent.service serial-getty@ttyS1.service
	chroot "$root" systemctl -q mask getty@tty1.service serial-getty@ttyS0.service \
		apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		e2scrub_reap.service fstrim.timer logrotate.timer man-db.timer
else
	printf 'auto lo\niface lo inet loopback\n' >"$root/etc/network/interfaces"
	sed -i '/^[1-6]:.*getty/d' "$root/etc/inittab"
	cat >>"$root/etc/inittab" <<-'INITTAB'
		ag:2345:respawn:/usr/local/sbin/agent
		S1:2345:respawn:/sbin/getty -L ttyS1 115200 vt100
	INITTAB
fi
