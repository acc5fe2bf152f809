package main

import "runtime/debug"

// release is set by the linker where the build has no version control at hand.
var release string

// version is the release's, or the module's as the Go tool knows it.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
