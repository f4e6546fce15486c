package daemon

import (
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"utmpd.dev/utmpd/internal/state"
	"utmpd.dev/utmpd/internal/table"
	"utmpd.dev/utmpd/utmpx"
)

// stored is a store with a state in it.
type stored struct {
	state.State
	err error
}

func (s stored) Load() (state.State, error) { return s.State, s.err }
func (s stored) Save(state.State) error     { return nil }

// TestRemember: the table of an earlier run counts in the same boot only.
func TestRemember(t *testing.T) {
	debt := state.Owed{Login: make([]byte, utmpx.Glibc384LE.Size()), Layout: utmpx.Glibc384LE.Name(), End: time.Unix(1e9, 0), Wait: -1}
	tests := []struct {
		name   string
		bootID string
		stored stored
		want   int // logouts owed
	}{
		{"of this boot", "b1", stored{State: state.State{BootID: "b1", Owed: []state.Owed{debt}}}, 1},
		{"of another boot", "b2", stored{State: state.State{BootID: "b1", Owed: []state.Owed{debt}}}, 0},
		{"of an unknown boot", "", stored{State: state.State{Owed: []state.Owed{debt}}}, 0},
		{"not to be read", "b1", stored{State: state.State{BootID: "b1", Owed: []state.Owed{debt}}, err: errors.New("torn")}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &daemon{
				log: logger{slog.New(slog.DiscardHandler), io.NopCloser(nil)}, bootID: tt.bootID,
				store: tt.stored, table: table.New(table.Settings{}),
			}
			d.remember()
			if got := d.table.Counts().Owed; got != tt.want {
				t.Errorf("%d logouts are owed, want %d", got, tt.want)
			}
		})
	}
}
