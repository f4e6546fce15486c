// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import "testing"

// TestPolicies compiles the AppArmor profile and the SELinux module of contrib, and links the
// module with Debian's policy, which has the types that it names. No kernel loads them.
func TestPolicies(t *testing.T) {
	m := newMachine(t, policies)
	for _, name := range []string{"apparmor/usr.sbin.utmpd", "selinux/utmpd.te", "selinux/utmpd.fc"} {
		m.write("/root/"+name, readFile(t, "../../contrib/"+name), 0o644)
	}
	m.sh("apparmor_parser --skip-kernel-load --skip-cache /root/apparmor/usr.sbin.utmpd")
	m.is("the module", `cd /root/selinux
checkmodule -M -m -o utmpd.mod utmpd.te >&2
semodule_package -o utmpd.pp -m utmpd.mod -f utmpd.fc
semodule --noreload -s default -i utmpd.pp 2>/dev/null
semodule -s default -l | grep utmpd`, "utmpd")
}
