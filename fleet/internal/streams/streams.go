// SPDX-License-Identifier: BSD-2-Clause

// Package streams makes the streams of a fleet, in utmpfleet-server or in a cluster, and
// changes how much they keep.
package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"utmpd.dev/utmpd/fleet/internal/wire"
)

// Default is what is kept if nobody says otherwise.
var Default = wire.Limits{Age: 400 * 24 * time.Hour, Bytes: 4 << 30, Replicas: 1}

// patience is how long an answer may take.
const patience = 10 * time.Second

// Make makes the streams, or changes them. A limit that is zero stays as it is; without a
// stream yet it is that of Default. It returns the limits that hold.
func Make(ctx context.Context, nc *nats.Conn, l wire.Limits) (wire.Limits, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return l, err
	}
	is, err := limits(ctx, js)
	if err != nil {
		return l, err
	}
	l.Age, l.Bytes, l.Replicas = cmp.Or(l.Age, is.Age, Default.Age), cmp.Or(l.Bytes, is.Bytes, Default.Bytes), cmp.Or(l.Replicas, is.Replicas, Default.Replicas)
	switch {
	case l.Each > 0:
	case l.Share > 0 || is.Each == 0:
		l.Each = wire.EachWithin(l.Bytes, cmp.Or(l.Share, wire.Share))
	default: // a host's part of the store stays what it is
		l.Each = max(1, int64(float64(is.Each)*float64(l.Bytes)/float64(is.Bytes)))
	}
	for _, c := range wire.Streams(l) {
		ctx, stop := context.WithTimeout(ctx, patience)
		_, err := js.CreateOrUpdateStream(ctx, c)
		stop()
		if err != nil {
			return l, fmt.Errorf("stream %s: %w", c.Name, err)
		}
	}
	return l, nil
}

// limits returns those that hold; zero without a stream.
func limits(ctx context.Context, js jetstream.JetStream) (l wire.Limits, err error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	s, err := js.Stream(ctx, wire.Events)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("stream %s: %w", wire.Events, err)
	}
	c := s.CachedInfo().Config
	return wire.Limits{Age: c.MaxAge, Bytes: c.MaxBytes, Each: c.MaxMsgsPerSubject, Replicas: c.Replicas}, nil
}

// Use is how full a stream is.
type Use struct {
	Name     string
	Messages uint64
	Bytes    uint64
	Most     int64 // bytes
	Age      time.Duration
	Replicas int
	// Lagging are the replicas that are not there or not current.
	Lagging int
}

// Part returns how full it is, in percent.
func (u Use) Part() int {
	if u.Most <= 0 {
		return 0
	}
	return int(u.Bytes / max(1, uint64(u.Most)/100))
}

// Full is from how many percent on a stream is said to be nearly full.
const Full = 80

// Look returns how full the streams are.
func Look(ctx context.Context, js jetstream.JetStream) (all []Use, err error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	for _, c := range wire.Streams(Default) {
		s, err := js.Stream(ctx, c.Name)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", c.Name, err)
		}
		i := s.CachedInfo()
		u := Use{Name: c.Name, Messages: i.State.Msgs, Bytes: i.State.Bytes, Most: i.Config.MaxBytes, Age: i.Config.MaxAge, Replicas: i.Config.Replicas}
		if i.Cluster != nil {
			for _, r := range i.Cluster.Replicas {
				if r.Offline || !r.Current {
					u.Lagging++
				}
			}
		}
		all = append(all, u)
	}
	return all, nil
}

// ParseSize reads a size such as "500M".
func ParseSize(s string) (int64, error) {
	unit := int64(1)
	if i := strings.IndexByte("KMGT", (s + " ")[max(0, len(s)-1)]); i >= 0 {
		unit, s = 1<<(10*(i+1)), s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 || n > 1<<60/unit || n*unit < 1<<20 {
		return 0, errors.New("-max-bytes: not a size of at least 1M")
	}
	return n * unit, nil
}

// Size shows a size.
func Size(n uint64) string {
	for i, unit := range []string{"T", "G", "M", "k"} {
		if one := uint64(1) << (10 * (4 - i)); n >= one {
			return strconv.FormatFloat(float64(n)/float64(one), 'f', 1, 64) + unit
		}
	}
	return strconv.FormatUint(n, 10)
}
