# SPDX-License-Identifier: BSD-2-Clause
# mmdebstrap.sh is read by the scripts that build root file systems.
#
# get_mmdebstrap DIR leaves the script in DIR/mmdebstrap, unpacked and not
# installed. It needs $mirror, $keyring and die. apt keeps its state in DIR.
get_mmdebstrap() {
	apt=$1/apt
	mkdir -p "$apt/etc/apt.conf.d" "$apt/etc/preferences.d" "$apt/state/lists/partial" "$apt/cache/archives/partial"
	: >"$apt/state/status"
	echo "deb [signed-by=$keyring] $mirror bookworm main" >"$apt/etc/sources.list"
	cat >"$apt/apt.conf" <<-CONF
		Dir::State "$apt/state";
		Dir::State::status "$apt/state/status";
		Dir::Cache "$apt/cache";
		Dir::Etc "$apt/etc";
		Dir::Log "$apt";
		Acquire::Languages "none";
		APT::Sandbox::User "root";
		APT::Update::Error-Mode "any";
	CONF
	APT_CONFIG=$apt/apt.conf apt-get -qq update ||
		die "cannot read $mirror (no network? DEBIAN_MIRROR names another mirror)"
	(cd "$apt" && APT_CONFIG=$apt/apt.conf apt-get -qq download mmdebstrap) ||
		die "cannot fetch the package mmdebstrap from $mirror"
	dpkg-deb -x "$apt"/mmdebstrap_*.deb "$1/unpacked"
	mv "$1/unpacked/usr/bin/mmdebstrap" "$1/mmdebstrap"
}
