package broker

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// SilenceDriver keeps go-redis from writing lines of its own beside the hub's
// log, which tells of every failure already. go-redis has one logger for the
// whole process, so this belongs into main, before anything else.
func SilenceDriver() { redis.SetLogger(silence{}) }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}
