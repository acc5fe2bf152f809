package main

import (
	"context"
	"fmt"
	"io"
)

// noticedOften is how many findings there have to be: one may be luck. There are some ten
// where a hub sends again what was not answered, as often as net-replies loses the answer to
// a publish.
const noticedOften = 5

// performBroken runs hubs that are broken on purpose, each in the scenario that is to
// notice: what finds nothing wrong with them proves nothing of the hub.
func performBroken(ctx context.Context, opts options, dir string, stdout io.Writer) (int, error) {
	code := valid
	for _, s := range scenarios() {
		if !opts.only.MatchString(s.name) || !opts.on.MatchString(s.topology) {
			continue
		}
		for tag, as := range s.broken {
			var err error
			if opts.hub, err = buildHub(ctx, dir, tag); err != nil {
				return failed, err
			}
			res := perform(ctx, s, opts)
			if n := res.Counts[as]; n >= noticedOften {
				_, _ = fmt.Fprintf(stdout, "noticed   %s by %s: %d times %s\n", tag, s.name, n, as)
				continue
			}
			code = violated
			_, _ = fmt.Fprintf(stdout, "UNNOTICED %s by %s, which should have found %s at least %d times\n%s", tag, s.name, as, noticedOften, &res)
		}
	}
	return code, ctx.Err()
}
