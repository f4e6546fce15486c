// SPDX-License-Identifier: BSD-2-Clause

package house

import (
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// public are the packages that other programs import, and what each may be made of.
var public = map[string][]string{
	"utmpx":    nil,
	"utmpfile": {"utmpx", "internal/boots", "internal/grid", "internal/logs", "internal/notify", "internal/recfile", "internal/snapshot", "internal/sysfile"},
}

func TestPublicPackagesKnowNoDaemon(t *testing.T) {
	for name, may := range public {
		for _, p := range list(t, "-deps", "./"+name) {
			if dep, ours := strings.CutPrefix(p.ImportPath, module); ours && dep != name && !slices.Contains(may, dep) {
				t.Errorf("%s depends on %s", name, dep)
			}
		}
	}
}

// The rooms use what utmpfile is made of, and not utmpfile.
func TestRoomsUseNoUtmpfile(t *testing.T) {
	for _, p := range list(t, "./internal/...", "./cmd/...") {
		if slices.Contains(p.Imports, module+"utmpfile") {
			t.Errorf("%s imports utmpfile", p.ImportPath)
		}
	}
}

// TestPublicNamesNoInternalType: a user can name every type that the API has.
func TestPublicNamesNoInternalType(t *testing.T) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "./utmpx", "./utmpfile")
	cmd.Dir, cmd.Stderr = "../..", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
	for name := range public {
		pkg, err := imp.Import(module + name)
		if err != nil {
			t.Fatal(err)
		}
		api := surface{t: t, pkg: pkg, seen: make(map[types.Type]bool)}
		for _, object := range pkg.Scope().Names() {
			if o := pkg.Scope().Lookup(object); o.Exported() {
				api.object(name+"."+object, o)
			}
		}
		if len(api.seen) < 5 {
			t.Errorf("%s: only %d types looked at", name, len(api.seen))
		}
	}
}

// surface walks through the types that a package shows.
type surface struct {
	t    *testing.T
	pkg  *types.Package
	seen map[types.Type]bool
}

func (s surface) object(where string, o types.Object) {
	s.walk(where, o.Type())
	if _, ok := o.(*types.TypeName); !ok {
		return
	}
	if alias, ok := o.Type().(*types.Alias); ok {
		s.walk(where, alias.Rhs())
	}
	methods := types.NewMethodSet(types.NewPointer(o.Type()))
	for i := range methods.Len() {
		if m := methods.At(i).Obj(); m.Exported() {
			s.walk(where+"."+m.Name(), m.Type())
		}
	}
}

func (s surface) walk(where string, typ types.Type) {
	if s.seen[typ] {
		return
	}
	s.seen[typ] = true
	switch typ := typ.(type) {
	case *types.Named:
		s.named(where, typ)
	case *types.Alias:
		s.walk(where, types.Unalias(typ))
	case *types.Struct:
		for f := range typ.Fields() {
			if f.Exported() {
				s.walk(where+"."+f.Name(), f.Type())
			}
		}
	case *types.Signature:
		s.walk(where, typ.Params())
		s.walk(where, typ.Results())
	case *types.Tuple:
		for v := range typ.Variables() {
			s.walk(where, v.Type())
		}
	case *types.Map:
		s.walk(where, typ.Key())
		s.walk(where, typ.Elem())
	case interface{ Elem() types.Type }: // array, channel, pointer, slice
		s.walk(where, typ.Elem())
	}
}

func (s surface) named(where string, typ *types.Named) {
	if p := typ.Obj().Pkg(); p != nil && strings.Contains(p.Path(), "/internal/") {
		s.t.Errorf("%s shows %s", where, typ)
	}
	for arg := range typ.TypeArgs().Types() {
		s.walk(where, arg)
	}
	if typ.Obj().Pkg() == s.pkg {
		s.walk(where, typ.Underlying())
	}
}

// TestPublicDoc: the manual that go doc prints speaks of no package that its reader
// cannot import.
func TestPublicDoc(t *testing.T) {
	for name := range public {
		cmd := exec.Command("go", "doc", "-all", "./"+name)
		cmd.Dir = "../.."
		cmd.Stderr = os.Stderr
		doc, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"internal/", "recfile", "sysfile", "snapshot.", "logs.", "utmpd("} {
			if strings.Contains(string(doc), word) {
				t.Errorf("go doc %s mentions %s", name, word)
			}
		}
	}
}
