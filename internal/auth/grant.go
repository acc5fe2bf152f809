package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"eventhub/internal/hub"
)

// Bounds of what is granted to one principal.
const (
	maxPermissions = 64  // a bit of a word for each
	maxPatterns    = 100 // in each list of a permission
)

// Grant is what a principal may do, and how much of it: in an entry of the file of keys,
// or as the claim "hub" of a token.
type Grant struct {
	Permissions []Permission `json:"permissions"`
	Limits      Limits       `json:"limits,omitzero"`
}

// Permission allows verbs on whatever is named by one of the patterns, which are
// written as a sink's topics are. A kind without patterns is not meant.
//
// Consuming needs one permission that names the sink and each stream that is read
// through it.
type Permission struct {
	Allow    []string `json:"allow"` // verbs
	Streams  []string `json:"streams,omitempty"`
	Sinks    []string `json:"sinks,omitempty"`
	Channels []string `json:"channels,omitempty"`
	// Topics bounds what is published, read, consumed or subscribed to, whatever the
	// client asks for; without the field: all topics.
	Topics Topics `json:"topics,omitempty"`
}

// Topics are patterns. An empty list, or null, is no good: who computes one and comes to
// nothing does not mean all topics, which to leave it out says.
type Topics []string

// UnmarshalJSON implements json.Unmarshaler, so that null is not taken for absent.
func (t *Topics) UnmarshalJSON(text []byte) error {
	*t = Topics{}
	if string(text) == "null" {
		return nil
	}
	return json.Unmarshal(text, (*[]string)(t))
}

// Limits are a principal's own; where one is 0 the hub's default counts.
type Limits struct {
	Requests    float64 `json:"requests_per_second,omitempty"`
	Events      float64 `json:"events_per_second,omitempty"` // published
	Tickets     float64 `json:"tickets_per_second,omitempty"`
	Connections int     `json:"connections,omitempty"`
}

// ParseGrant reads what is granted, as JSON, and checks it. Fields that there are not are
// faults: what somebody meant by them may be a bound.
func ParseGrant(text []byte) (Grant, error) {
	g, _, err := parseGrant(text)
	return g, err
}

func parseGrant(text []byte) (g Grant, rules []rule, err error) {
	if err := decodeStrict(text, &g); err != nil {
		return g, nil, err
	}
	rules, err = g.compile()
	return g, rules, err
}

// rule is a permission, compiled.
type rule struct {
	verbs  Verb
	names  [Channel + 1]*hub.Filter // by Kind; nil: none
	topics []string
	all    bool // everything of every kind
}

func (r *rule) has(verbs Verb, kind Kind, name string) bool {
	return r.verbs&verbs != 0 && r.names[kind] != nil && r.names[kind].Match(name, "")
}

// compile fails with what is wrong with the grant, in words for who wrote it.
func (g *Grant) compile() ([]rule, error) {
	if len(g.Permissions) > maxPermissions {
		return nil, fmt.Errorf("permissions: there are %d, at most %d are allowed", len(g.Permissions), maxPermissions)
	}
	if g.Limits.Requests < 0 || g.Limits.Events < 0 || g.Limits.Tickets < 0 || g.Limits.Connections < 0 {
		return nil, errors.New("limits: want numbers that are not negative")
	}
	rules := make([]rule, len(g.Permissions))
	for i := range g.Permissions {
		var err error
		if rules[i], err = g.Permissions[i].compile(); err != nil {
			return nil, fmt.Errorf("permissions/%d: %w", i, err)
		}
	}
	return rules, nil
}

func (p *Permission) compile() (r rule, err error) {
	if len(p.Allow) == 0 {
		return r, errors.New("allow: want at least one of publish, read, consume, subscribe, manage")
	}
	for _, name := range p.Allow {
		verb := verbOf(name)
		if verb == 0 {
			return r, fmt.Errorf("allow: %q: want publish, read, consume, subscribe or manage", name)
		}
		r.verbs |= verb
	}
	lists := [...][]string{Stream: p.Streams, Sink: p.Sinks, Channel: p.Channels}
	r.all = len(p.Topics) == 0
	for kind, patterns := range lists {
		if r.names[kind], err = compileNames(patterns); err != nil {
			return r, fmt.Errorf("%ss: %w", Kind(kind), err)
		}
		r.all = r.all && slices.Contains(patterns, "**")
	}
	if len(p.Streams)+len(p.Sinks)+len(p.Channels) == 0 {
		return r, errors.New("it names nothing: want patterns in streams, sinks or channels, ** for all of them")
	}
	if p.Topics != nil && len(p.Topics) == 0 {
		return r, errors.New("topics: want at least one pattern, or none of the field for all topics")
	}
	if _, err := compileNames(p.Topics); err != nil {
		return r, fmt.Errorf("topics: %w", err)
	}
	if !slices.Contains(p.Topics, "**") {
		r.topics = p.Topics
	}
	return r, nil
}

func verbOf(name string) Verb {
	for _, one := range verbs {
		if one.name == name {
			return one.verb
		}
	}
	return 0
}

// compileNames is nil for no patterns: they match nothing.
func compileNames(patterns []string) (*hub.Filter, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	if len(patterns) > maxPatterns {
		return nil, fmt.Errorf("there are %d patterns, at most %d are allowed", len(patterns), maxPatterns)
	}
	for _, pattern := range patterns {
		if err := hub.CheckPattern(pattern); err != nil {
			return nil, fmt.Errorf("%q %w", pattern, err)
		}
	}
	return hub.NewFilter(patterns, nil)
}
