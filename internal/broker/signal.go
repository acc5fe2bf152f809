package broker

// signal tells who takes that there may be something to take.
type signal struct {
	c    chan struct{} // one slot
	call func()        // in place of c, where it is set
}

func newSignal(call func()) signal {
	if call != nil {
		return signal{call: call}
	}
	return signal{c: make(chan struct{}, 1)}
}

// give does not block.
func (s signal) give() {
	if s.call != nil {
		s.call()
	} else {
		wake(s.c)
	}
}
