package main

import "log/slog"

// spareDescriptors are those that clients never get, of the files and connections that
// this process may have open: without one left a hub does not reach Redis again.
const spareDescriptors = 256

// roomFor is how many clients may connect: as many as are allowed, but no more than
// there is room for.
func roomFor(allowed, descriptors int, log *slog.Logger) int {
	spare := min(spareDescriptors, descriptors/2)
	if room := descriptors - spare; descriptors > 0 && allowed > room {
		log.Info("this process may not open as many files as HUB_MAX_CONNECTIONS needs, so fewer clients may connect: raise its limit (ulimit -n, LimitNOFILE), or lower the setting",
			slog.Int("allowed", allowed), slog.Int("limit", descriptors), slog.Int("connections", room))
		return room
	}
	return allowed
}
