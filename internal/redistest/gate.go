package redistest

// A gate is a channel that is closed while traffic may flow, so that whoever
// holds traffic back can select on it. A gate once open is never shut: another
// takes its place.

func openGate() chan struct{} {
	g := make(chan struct{})
	close(g)
	return g
}

func isOpen(gate chan struct{}) bool {
	select {
	case <-gate:
		return true
	default:
		return false
	}
}
