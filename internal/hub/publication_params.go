package hub

// keyHeader is where the idempotency key of a whole request stands.
const keyHeader = "header Idempotency-Key"

// ParsePublication reads what a request says of all that it publishes: the raw
// query parameters if_exists and durability, and the values of its header Idempotency-Key. The
// error is an *Error that lists every fault.
func ParsePublication(query string, keys []string) (Publication, error) {
	if query == "" && len(keys) == 0 {
		return Publication{}, nil
	}
	p := parseQuery(query)
	p.known("if_exists", "durability")
	publication := p.publication(keys)
	return publication, p.refusal()
}

// ParseRaw is ParsePublication for a request whose body is the payload of one
// event: the query parameters type, topic and key are the event's.
func ParseRaw(query string, keys []string) (Publication, error) {
	p := parseQuery(query)
	p.known("type", "topic", "key", "if_exists", "durability")
	publication := p.publication(keys)
	var e Event
	p.label("type", &e.Type)
	p.label("topic", &e.Topic)
	p.label("key", &e.Key)
	publication.Events = []Event{e}
	return publication, p.refusal()
}

// ParseBroadcast makes sure that a broadcast has no parameters, and no idempotency
// key.
func ParseBroadcast(query string, keys []string) error {
	p := parseQuery(query)
	p.known()
	if len(keys) > 0 {
		p.fault(keyHeader, noKeyReason)
	}
	return p.refusal()
}

// ParsePrune reads the raw query parameters of a look at a stream's retention.
func ParsePrune(query string) (dry bool, err error) {
	p := parseQuery(query)
	p.known("dry_run")
	p.flag("dry_run", &dry)
	return dry, p.err()
}

func (p *params) publication(keys []string) (publication Publication) {
	p.flag("if_exists", &publication.IfExists)
	p.single("durability", func(value string) error {
		publication.Durability = Durability(value)
		if publication.Durability != Fast && publication.Durability != Replicated {
			return Errorf(CodeInvalidRequest, "%q: want %s or %s", clip(value), Fast, Replicated)
		}
		return nil
	})
	switch {
	case len(keys) == 0:
	case len(keys) > 1:
		p.fault(keyHeader, "is given %d times", len(keys))
	case keys[0] == "":
		p.fault(keyHeader, emptyKeyReason)
	default:
		publication.Key = keys[0]
		if reason := checkLabel(keys[0]); reason != "" {
			p.fault(keyHeader, "%s", reason)
		}
	}
	return publication
}

// refusal is every fault of a publish.
func (p *params) refusal() error {
	d := decoder{faults: p.faults}
	return d.err(nothingStored)
}

// flag reads a parameter that is true or false, and stays what it is where it is
// not given.
func (p *params) flag(name string, flag *bool) {
	p.single(name, func(value string) error {
		if *flag = value == "true"; !*flag && value != "false" {
			return Errorf(CodeInvalidRequest, "%q is neither true nor false", clip(value))
		}
		return nil
	})
}

func (p *params) label(name string, label *string) {
	p.single(name, func(value string) error {
		*label = value
		if reason := checkLabel(value); reason != "" {
			return Errorf(CodeInvalidRequest, "%s", reason)
		}
		return nil
	})
}
