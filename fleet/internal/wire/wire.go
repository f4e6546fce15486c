// SPDX-License-Identifier: BSD-2-Clause

// Package wire is what agents, server and questions agree on: names, subjects, headers, and
// the streams. It does no I/O.
package wire

import (
	"fmt"
	"hash/fnv"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Streams. A host's token is in every subject, and nothing else that hosts choose: each
// distinct subject costs memory of the server.
const (
	Events   = "UTMP"      // Prefix utmp.HOST.KIND.B: an event a message
	On       = "UTMP_ON"   // Prefix utmp_on.HOST.P: the sessions of a host, in pieces; the last message counts
	Presence = "UTMP_BEAT" // Prefix utmp_beat.HOST: a host's agent is connected; in memory
	Past     = "UTMP_PAST" // Prefix utmp_past.HOST: the sessions of a host at a time: a snapshot a message
)

// All are the names of the streams.
var All = []string{Events, On, Past, Presence}

// Prefix begins each subject. NATS lets nobody name a subject that begins so for an answer:
// else a host could have its own last event, or an acknowledgement, delivered as an event of
// another host.
const Prefix = "$JS.EVENT."

// Position is a header of an event: where reading the log goes on; without it, at the place
// that is the event's id.
const Position = "Utmp-Position"

// Bounds.
const (
	MaxEvent  = 4 << 10   // bytes of an event with its headers: a record's texts are bounded
	MaxPiece  = 64 << 10  // bytes of the sessions of a host above which they are split
	Pieces    = 16        // into so many
	MaxOn     = 512 << 10 // bytes of a piece
	Beat      = time.Minute
	Silent    = 150 * time.Second // without a beat: the host is not there
	PutsEvery = 200 * time.Millisecond

	SnapshotEvery = 24 * time.Hour              // give or take an hour
	SnapshotReach = SnapshotEvery + 2*time.Hour // an agent that is connected has sent one within it
	MaxSnapshot   = 64 << 10                    // bytes, compressed if more than MaxEvent
	MaxSessions   = 8 << 20                     // bytes of one that was compressed
	minSnapshots  = 8                           // of a host are kept, however small the store
)

const digits = "0123456789abcdef"

// Kinds are the kinds of event, those of docs/events.md.
var Kinds = append(slices.Clone(ofUsers), "boot", "shutdown", "crash", "clock", "gap")

// ofUsers are the kinds of event that have a user, and so one of 16 digits.
var ofUsers = []string{"login", "logout"}

// EventSubjects returns the subjects that events of a host can have; "*" is any host.
func EventSubjects(token string) (all []string) {
	for _, kind := range Kinds {
		if !slices.Contains(ofUsers, kind) {
			all = append(all, Subject(token, kind, ""))
			continue
		}
		for _, d := range digits {
			all = append(all, Prefix+"utmp."+token+"."+kind+"."+string(d))
		}
	}
	return all
}

// Share is the largest part of the store that one host can fill, if nobody says otherwise:
// 1/Share of it.
const Share = 8

// EachWithin returns how many events of one subject keep a host within 1/share of the store.
func EachWithin(bytes, share int64) int64 {
	return max(1, bytes/share/int64(len(EventSubjects("*")))/MaxEvent)
}

// Token returns the form of a name in a subject: bytes outside [A-Za-z0-9_-] become =XX, and
// the empty name "=".
func Token(name string) string {
	if name == "" {
		return "="
	}
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// Name is the reverse of Token. What is not a token is an error.
func Name(token string) (string, error) {
	if token == "=" {
		return "", nil
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		c := token[i]
		if c == '=' {
			if _, err := fmt.Sscanf(token[i+1:min(i+3, len(token))], "%02X", &c); err != nil {
				return "", fmt.Errorf("%q is not the name of a host", token)
			}
			i += 2
		}
		b.WriteByte(c)
	}
	if name := b.String(); Token(name) == token {
		return name, nil
	}
	return "", fmt.Errorf("%q is not the name of a host", token)
}

// Digit returns the digit of a user, so that his events are found without reading all.
func Digit(user string) string { return digit(user) }

// Piece returns the piece in which a line's session is, if a host's sessions are split.
func Piece(line string) int { return strings.Index(digits, digit(line)) }

func digit(s string) string {
	h := fnv.New32a()
	h.Write([]byte(s))
	sum := h.Sum32()
	sum ^= sum>>16 ^ sum>>8
	return string(digits[(sum^sum>>4)&15])
}

// Subject is that of an event.
func Subject(token, kind, user string) string {
	return Prefix + "utmp." + token + "." + kind + "." + Digit(user)
}

// OnSubject is that of a piece of a host's sessions.
func OnSubject(token string, piece int) string {
	return Prefix + "utmp_on." + token + "." + string(digits[piece])
}

// BeatSubject is that of a host's presence.
func BeatSubject(token string) string { return Prefix + "utmp_beat." + token }

// PastSubject is that of a host's snapshots.
func PastSubject(token string) string { return Prefix + "utmp_past." + token }

// HostEvents is the pattern of all events of a host.
func HostEvents(token string) string { return Prefix + "utmp." + token + ".>" }

// HostOf returns the token in a subject.
func HostOf(subject string) string {
	f := strings.SplitN(strings.TrimPrefix(subject, Prefix), ".", 3)
	if len(f) < 2 {
		return ""
	}
	return f[1]
}

// KindOf returns the kind of event in a subject.
func KindOf(subject string) string {
	if f := strings.Split(strings.TrimPrefix(subject, Prefix), "."); len(f) > 2 {
		return f[2]
	}
	return ""
}

// forget is after what time an id of a message is forgotten: the least that NATS takes.
const forget = 100 * time.Millisecond

// Beyond reports whether an address, or one of several with commas between them, is not on
// this machine.
func Beyond(addrs string) (beyond bool, err error) {
	for one := range strings.SplitSeq(addrs, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err != nil || u.Hostname() == "" {
			return false, fmt.Errorf("%q is not an address such as tls://utmp.example.org:4222", one)
		}
		ip := net.ParseIP(u.Hostname())
		beyond = beyond || u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
	}
	return beyond, nil
}

// Limits are how much is kept.
type Limits struct {
	Age      time.Duration
	Bytes    int64
	Each     int64 // events of a host, of one kind and one digit; see [EachWithin]
	Share    int64 // of the store, 1/Share, is what a host can fill; Each follows from it
	Replicas int
}

// pastAge is how long snapshots are kept: each until after the one that follows it, however
// short the time is for which events are kept.
func pastAge(events time.Duration) time.Duration {
	if events == 0 {
		return 0
	}
	return events + 2*SnapshotReach
}

// Streams returns the streams. Subjects are listed one by one, so that a host cannot make
// more of them than these. Roll-ups, by which a message removes others, are not allowed. Ids
// of messages, which would cost the server memory each, are forgotten as soon as NATS can.
func Streams(l Limits) []jetstream.StreamConfig {
	var on []string
	for p := range Pieces {
		on = append(on, OnSubject("*", p))
	}
	return []jetstream.StreamConfig{
		{
			Name: Events, Subjects: EventSubjects("*"), Storage: jetstream.FileStorage, Replicas: l.Replicas,
			MaxAge: l.Age, MaxBytes: l.Bytes, MaxMsgsPerSubject: l.Each, MaxMsgSize: MaxEvent,
			Discard: jetstream.DiscardOld, AllowDirect: true, DenyDelete: true, DenyPurge: true,
			Duplicates: forget,
		},
		{
			Name: On, Subjects: on, Storage: jetstream.FileStorage, Replicas: l.Replicas,
			MaxMsgsPerSubject: 1, MaxMsgSize: MaxOn, MaxBytes: l.Bytes / 4, AllowDirect: true,
			DenyPurge: true, Duplicates: forget,
		},
		{
			Name: Past, Subjects: []string{PastSubject("*")}, Storage: jetstream.FileStorage, Replicas: l.Replicas,
			MaxAge: pastAge(l.Age), MaxBytes: l.Bytes / 4, MaxMsgsPerSubject: max(minSnapshots, l.Bytes/4/Share/MaxSnapshot), MaxMsgSize: MaxSnapshot,
			Discard: jetstream.DiscardOld, AllowDirect: true, DenyDelete: true, DenyPurge: true, Duplicates: forget,
		},
		{
			Name: Presence, Subjects: []string{BeatSubject("*")}, Storage: jetstream.MemoryStorage, Replicas: l.Replicas,
			MaxMsgsPerSubject: 1, MaxAge: Silent, MaxMsgSize: 1 << 10, MaxBytes: 64 << 20, AllowDirect: true,
			DenyPurge: true, Duplicates: forget,
		},
	}
}
