// SPDX-License-Identifier: BSD-2-Clause

//go:build system

package packages

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestMetrics checks that the real node_exporter and Prometheus get the metrics of the
// installed utmpd, that promtool finds nothing wrong with them, and that each alert rule
// and each panel of the dashboard asks Prometheus a question that it understands.
func TestMetrics(t *testing.T) {
	m := newMachine(t, debian13)
	m.sh("dpkg -i /packages/dist/utmpd_*_amd64.deb")
	m.is("the link", "readlink /var/lib/prometheus/node-exporter/utmpd.prom", "/run/utmpd/metrics")
	m.sh("cd /usr/share/doc/utmpd && promtool check rules contrib/prometheus/utmpd.rules.yml && promtool test rules contrib/prometheus/utmpd.rules.test.yml")
	m.is("the dashboard of the package", "cat /usr/share/doc/utmpd/contrib/grafana/utmpd.json", strings.TrimSpace(string(readFile(t, "../../contrib/grafana/utmpd.json"))))
	m.write("/root/prometheus.yml", []byte(prometheusConf), 0o644)
	questions := expressions(t)
	var ask strings.Builder
	for _, q := range questions {
		fmt.Fprintf(&ask, "promtool query instant http://127.0.0.1:9090 '%s' >/root/answer 2>&1 || { echo 'refused: %s'; cat /root/answer; }\n", q, q)
	}
	m.write("/root/ask.sh", []byte(ask.String()), 0o644)
	m.write("/root/monitor.sh", []byte(monitor), 0o644)
	out := m.sh("sh /root/monitor.sh")
	for _, want := range []string{
		`utmpd_up{instance="guest", job="node"} => 1 @`,
		`utmpd_sessions{instance="guest", job="node", state="watched"} => 1 @`,
		`utmpd_build_info{instance="guest", job="node", version=`,
		"UTMPD WARNING - log lines are lost: ", "\nchecked: 1", // there is no /dev/log
	} {
		if !strings.Contains(out, want) {
			t.Errorf("missing: %s", want)
		}
	}
	for _, bad := range []string{"refused:", "problem:"} {
		if strings.Contains(out, bad) {
			t.Errorf("%s", bad)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
	m.sh("dpkg -r utmpd")
	m.is("after the removal", "ls /var/lib/prometheus/node-exporter", "")
}

// TestMetricsLater checks that a node_exporter that is installed after utmpd reads the
// metrics, too, and that a file of that name which is not ours stays.
func TestMetricsLater(t *testing.T) {
	m := newMachine(t, debian12)
	m.sh(`dpkg -i /packages/dist/utmpd_*_amd64.deb
mkdir -p /root/p/DEBIAN /root/p/var/lib/prometheus/node-exporter
printf 'Package: exporter\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: a\n' >/root/p/DEBIAN/control
dpkg-deb -b /root/p /root/p.deb
dpkg -i /root/p.deb`)
	m.is("the link", "readlink /var/lib/prometheus/node-exporter/utmpd.prom", "/run/utmpd/metrics")
	m.sh("cd /var/lib/prometheus/node-exporter; rm utmpd.prom; echo mine >utmpd.prom; dpkg -i /packages/dist/utmpd_*_amd64.deb; dpkg -P utmpd")
	m.is("another file", "cat /var/lib/prometheus/node-exporter/utmpd.prom", "mine")
}

// variables are Grafana's, with what it puts for them where all hosts are shown.
var variables = strings.NewReplacer("$instance", ".*", "$__interval", "15m")

// expressions returns what the dashboard asks Prometheus, for all hosts.
func expressions(t *testing.T) (all []string) {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(readFile(t, "../../contrib/grafana/utmpd.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			all = append(all, variables.Replace(target.Expr))
		}
	}
	if len(all) < 10 {
		t.Fatalf("the dashboard has %d expressions", len(all))
	}
	return all
}

const prometheusConf = `
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [/usr/share/doc/utmpd/contrib/prometheus/utmpd.rules.yml]
scrape_configs:
  - job_name: node
    static_configs: [{targets: ['127.0.0.1:9100'], labels: {instance: guest}}]
`

// monitor runs utmpd, node_exporter and Prometheus until the last has the metrics. The
// session is a sleep that a record names.
const monitor = `set -eu
python3 -c 'import fcntl,socket,struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh22x", b"lo", 0x41))' # SIOCSIFFLAGS: up
sleep 1000 &
touch /run/utmp /var/log/wtmp; chgrp utmp /run/utmp; chmod 664 /run/utmp
printf '{"type":"USER_PROCESS","pid":%d,"line":"pts/7","id":"ts/7","user":"root","time":"2026-11-01T00:00:00Z"}\n' $! | utmpctl undump >/run/utmp
utmpd
/usr/bin/prometheus-node-exporter --web.listen-address=127.0.0.1:9100 --collector.disable-defaults --collector.textfile \
	--collector.textfile.directory=/var/lib/prometheus/node-exporter >/root/exporter.log 2>&1 &
/usr/bin/prometheus --config.file=/root/prometheus.yml --storage.tsdb.path=/root/tsdb --web.listen-address=127.0.0.1:9090 >/root/prometheus.log 2>&1 &
for i in $(seq 300); do
	promtool query instant http://127.0.0.1:9090 'utmpd_up' 2>/dev/null | grep -q utmpd_up && break
	sleep 0.2
done
promtool query instant http://127.0.0.1:9090 '{__name__=~"utmpd.*"}' || { tail -20 /root/*.log; cat /run/utmpd/metrics; }
promtool query instant http://127.0.0.1:9090 'ALERTS' | sed 's/^/alert: /'
utmpctl metrics -full | sed 's/^utmpd_build_info.*//' | promtool check metrics 2>&1 | sed 's/^/problem: /'
sh /root/ask.sh
utmpctl status -check || echo "checked: $?"
`
