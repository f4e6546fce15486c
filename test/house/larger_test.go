// SPDX-License-Identifier: BSD-2-Clause

package house

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// larger is a layout of 1016 bytes: glibc's of 400, after 616 more.
const larger = `
var larger = func() *Layout {
	l := glibc400("larger-1016-le", le)
	l.size = 1016
	for _, off := range []*int{
		&l.line.off, &l.id.off, &l.user.off, &l.host.off, &l.typ, &l.pid, &l.exit, &l.session.off, &l.sec.off, &l.usec.off, &l.addr,
	} {
		*off += 616
	}
	return l
}()
`

// TestLargerLayout builds the packages with one more layout, whose records are larger
// than MaxSize is now, and runs their tests that go through all Layouts. Only
// utmpx.MaxSize and the list of layouts are changed: a buffer that has a size of its own
// fails these tests.
func TestLargerLayout(t *testing.T) {
	source, err := filepath.Abs("../../utmpx/layout.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for _, c := range [][2]string{
		{"const MaxSize = 400\n", "const MaxSize = 1016\n" + larger},
		{"Illumos372LE, Illumos372BE,\n}", "Illumos372LE, Illumos372BE, larger,\n}"},
	} {
		if strings.Count(changed, c[0]) != 1 {
			t.Fatalf("utmpx/layout.go does not contain %q once", c[0])
		}
		changed = strings.Replace(changed, c[0], c[1], 1)
	}
	dir := t.TempDir()
	replaced, overlay := filepath.Join(dir, "layout.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {source: replaced}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{replaced: []byte(changed), overlay: list} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-v", "-overlay", overlay, "-run", "Layout|Detect|Identity|Append|Snapshot|Every|MaxSize",
		"./utmpx", "./utmpfile", "./internal/snapshot", "./internal/recfile")
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	if n := strings.Count(string(out), "larger-1016-le"); n < 5 {
		t.Errorf("only %d tests used it", n)
	}
	if err != nil {
		t.Errorf("with a layout of 1016 bytes: %v\n%s", err, out)
	}
}
