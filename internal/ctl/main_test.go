package ctl

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"utmpd.dev/utmpd/utmpfile"
	"utmpd.dev/utmpd/utmpx"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"utmpctl": func() { os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

var _ = utmpfile.NewLog
var _ = utmpx.Native
