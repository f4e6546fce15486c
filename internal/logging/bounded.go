// SPDX-License-Identifier: BSD-2-Clause

package logging

import (
	"context"
	"log/slog"
)

// Bounded returns a logger for rooms whose warnings may come and go. A message of level Warn
// or above is a key of l, whatever its attributes: so many lines of it are logged in a
// period, and at its end how many were suppressed. Lower levels are not limited.
func (l *Limiter) Bounded() *slog.Logger { return slog.New(bounding{l.log.Handler(), l}) }

// bounding is a handler that asks a Limiter first.
type bounding struct {
	slog.Handler
	limiter *Limiter
}

func (h bounding) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn && !h.limiter.allow(r.Level, r.Message, r.Message) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h bounding) WithAttrs(attrs []slog.Attr) slog.Handler {
	return bounding{h.Handler.WithAttrs(attrs), h.limiter}
}

func (h bounding) WithGroup(name string) slog.Handler {
	return bounding{h.Handler.WithGroup(name), h.limiter}
}
