package main

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// setting is one field of config as the outside world sees it.
type setting struct {
	name     string // HUB_ADDR
	field    string // Addr
	kind     string // string, integer or duration
	def      string // "" when it has none
	min, max string // "" when unbounded
	oneOf    []string
	desc     string
}

// settings lists those of config, in its order.
func settings() []setting {
	var all []setting
	for _, f := range reflect.VisibleFields(reflect.TypeFor[config]()) {
		if f.Tag.Get("env") == "-" {
			continue
		}
		s := setting{
			name: prefix + f.Tag.Get("env"), field: f.Name, kind: "string", def: f.Tag.Get("envDefault"),
			min: f.Tag.Get("min"), max: f.Tag.Get("max"), oneOf: strings.Fields(f.Tag.Get("oneof")), desc: f.Tag.Get("desc"),
		}
		switch f.Type {
		case reflect.TypeFor[int](), reflect.TypeFor[int64]():
			s.kind = "integer"
		case reflect.TypeFor[time.Duration]():
			s.kind = "duration"
		case reflect.TypeFor[bool]():
			s.kind = "boolean"
		}
		all = append(all, s)
	}
	return all
}

// bound is a min or max as the number that reflection finds in the field.
func (s setting) bound(text string) int64 {
	if s.kind == "duration" {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(err) // a wrong tag, which no test run survives
		}
		return int64(d)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// want says what the value should have been.
func (s setting) want() string {
	switch {
	case len(s.oneOf) > 0:
		return "want " + strings.Join(s.oneOf, " or ")
	case s.kind == "duration":
		return fmt.Sprintf("want a duration from %s to %s, such as %s", s.min, s.max, s.def)
	default:
		return fmt.Sprintf("want a whole number from %s to %s", s.min, s.max)
	}
}

// meaning is the description with what is allowed.
func (s setting) meaning() string {
	switch {
	case len(s.oneOf) > 0:
		return s.desc + ": " + strings.Join(s.oneOf, ", ")
	case s.max != "":
		return fmt.Sprintf("%s (%s to %s)", s.desc, s.min, s.max)
	default:
		return s.desc
	}
}

const usageHead = `Event Hub: events over HTTP and WebSocket, stored in Redis.

Usage:
  hub             start, with the settings below taken from the environment
  hub doctor      look at Redis as a hub with these settings would use it
  hub key new     make an API key, and its entry for HUB_API_KEYS_FILE
  hub token       sign a JSON Web Token for development; hub token --help says how
  hub --help      print this text
  hub --version   print the version

Settings:
`

// usageWidth is what fits a terminal of 100 columns.
const usageWidth = 100

// usage prints what hub --help shows.
func usage(w io.Writer) {
	all := settings()
	nameWidth, kindWidth, defWidth := len("NAME"), len("TYPE"), len("DEFAULT")
	for _, s := range all {
		nameWidth, kindWidth, defWidth = max(nameWidth, len(s.name)), max(kindWidth, len(s.kind)), max(defWidth, len(s.def))
	}
	row := func(name, kind, def, meaning string) {
		head := fmt.Sprintf("  %-*s  %-*s  %-*s  ", nameWidth, name, kindWidth, kind, defWidth, def)
		indent := strings.Repeat(" ", len(head))
		for _, line := range wrap(meaning, usageWidth-len(head)) {
			_, _ = fmt.Fprintf(w, "%s%s\n", head, line)
			head = indent
		}
	}
	_, _ = io.WriteString(w, usageHead)
	row("NAME", "TYPE", "DEFAULT", "MEANING")
	for _, s := range all {
		row(s.name, s.kind, s.def, s.meaning())
	}
}

// wrap breaks text between words into lines of at most width characters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = word
			continue
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	return append(lines, line)
}
