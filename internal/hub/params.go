package hub

import (
	"net/url"
	"slices"
)

// params reads query parameters and collects what is wrong with them.
type params struct {
	faults
	query url.Values
}

func parseQuery(query string) params {
	values, err := url.ParseQuery(query)
	p := params{query: values}
	if err != nil {
		p.fault("?", "the query is malformed: %s", err)
	}
	return p
}

func (p *params) has(name string) bool { return len(p.query[name]) > 0 }

func (p *params) err() error {
	if len(p.list) > 0 && p.list[0].Pointer != "?" {
		return p.answer(shown(p.list[0].Pointer[1:]) + ": ")
	}
	return p.answer("")
}

// known makes every other parameter a fault.
func (p *params) known(names ...string) {
	others := make([]string, 0, len(p.query))
	for name := range p.query {
		if !slices.Contains(names, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	for _, name := range others {
		p.fault("?"+clip(name), "is not a known query parameter (known: %q)", names)
	}
}

func (p *params) need(name string) {
	if !p.has(name) {
		p.fault("?"+name, "is missing: name at least one %s", name)
	}
}

// single reads a parameter that may be given once.
func (p *params) single(name string, read func(string) error) {
	switch values := p.query[name]; len(values) {
	case 0:
	case 1:
		if err := read(values[0]); err != nil {
			p.refuse("?"+name, err)
		}
	default:
		p.fault("?"+name, "is given %d times", len(values))
	}
}

// whole reads a number, which stays what it is where it is not given.
func (p *params) whole(name string, n *int, least, most int) {
	p.single(name, func(value string) (err error) {
		*n, err = parseWhole(value, least, most)
		return err
	})
}

// repeated reads a parameter that may be given so often.
func (p *params) repeated(name string, most int, read func(string) (string, error)) []string {
	given := p.query[name]
	if len(given) > most {
		p.fault("?"+name, "is given %d times, at most %d are allowed", len(given), most)
		return nil
	}
	values := make([]string, len(given))
	for i, value := range given {
		var err error
		if values[i], err = read(value); err != nil {
			p.refuse("?"+name, err)
		}
	}
	return values
}

// names reads a repeated parameter of at most so many names, its own name saying
// whose; repetitions count once.
func (p *params) names(name string, most int) []string {
	var names []string
	for _, value := range p.query[name] {
		if err := CheckName(name, value); err != nil {
			if len(p.list) == 0 {
				p.code = err.Code
			}
			p.refuse("?"+name, err)
		} else if !slices.Contains(names, value) {
			names = append(names, value)
		}
	}
	if len(names) > most {
		p.fault("?"+name, "is given for %d names, at most %d are allowed at a time", len(names), most)
	}
	return names
}
