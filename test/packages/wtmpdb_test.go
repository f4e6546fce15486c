// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"strings"
	"testing"
)

// TestWtmpdb: utmpctl reads the database of the real wtmpdb. What it has in common with the
// log is shown once.
func TestWtmpdb(t *testing.T) {
	m := newMachine(t, people13)
	m.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
	line := func(typ, user, line, when string) string {
		pid := "900"
		if typ == "BOOT_TIME" {
			pid = "0"
		}
		return `{"type":"` + typ + `","pid":` + pid + `,"line":"` + line + `","id":"` + line[:1] + `","user":"` + user + `","host":"desk","time":"2026-07-01T` + when + `Z"}` + "\n"
	}
	boot := line("BOOT_TIME", "reboot", "~", "08:00:00")
	both := line("USER_PROCESS", "alice", "pts/0", "09:00:00") + line("DEAD_PROCESS", "", "pts/0", "10:00:00")
	alone := line("USER_PROCESS", "bob", "tty1", "11:00:00.25") + line("DEAD_PROCESS", "", "tty1", "11:30:10.5")
	m.write("/root/log", []byte(boot+both), 0o644)
	m.write("/root/database", []byte(boot+both+alone), 0o644)
	m.sh(`TZ=UTC; export TZ
mkdir -p /var/log /var/lib/wtmpdb
utmpctl undump -to native /root/log >/var/log/wtmp
utmpctl undump -to native /root/database >/root/wtmp
wtmpdb import -f /var/lib/wtmpdb/wtmp.db /root/wtmp`)
	out := m.sh("utmpctl last -json 2>/dev/null")
	if strings.Count(out, `"user":`) != 2 || strings.Count(out, `"user":"alice"`) != 1 {
		t.Errorf("last:\n%s", out)
	}
	for _, want := range []string{`"user":"bob","line":"tty1"`, `"from":"2026-07-01T11:00:00Z","to":"2026-07-01T11:30:10Z"`, `"known_from":"wtmpdb"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if who := m.sh("utmpctl who -at '2026-07-01T11:15:00Z' 2>/dev/null"); !strings.Contains(who, "bob") {
		t.Errorf("who -at:\n%s", who)
	}
	// Without the database, the log alone.
	m.sh("rm /var/lib/wtmpdb/wtmp.db")
	if out := m.sh("utmpctl last -json 2>/dev/null"); strings.Count(out, `"user":`) != 1 {
		t.Errorf("last:\n%s", out)
	}
}
