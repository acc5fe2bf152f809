package http

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Origins are those whose pages may use the hub beside the pages of its own host. The
// zero value has none.
type Origins struct {
	all  bool
	list []origin
}

// origin is one of a list. {"https", "app.example.com", ""} is https://app.example.com,
// {"https", ".example.com", ":8443"} is https://*.example.com:8443. All is in lower case.
type origin struct{ scheme, name, port string }

// wantOrigin is what an entry of a list should have been.
const wantOrigin = "want scheme://host or scheme://host:port and nothing behind, such as https://app.example.com, https://*.example.com for every name below that one, or * alone for all origins"

// originForm is that of one entry; names of other alphabets come as browsers send them.
var originForm = regexp.MustCompile(`^([a-z][a-z0-9+.-]*)://((?:\*\.)?[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)

// ParseOrigins reads a list with commas between its entries; the error names every
// entry that is wrong. The empty list has none.
func ParseOrigins(list string) (Origins, error) {
	var o Origins
	switch strings.TrimSpace(list) {
	case "":
		return o, nil
	case "*":
		return Origins{all: true}, nil
	}
	var faults []error
	for text := range strings.SplitSeq(list, ",") {
		one, err := parseOrigin(strings.ToLower(strings.TrimSpace(text)))
		if err != nil {
			faults = append(faults, fmt.Errorf("%q: %w", clip(text), err))
			continue
		}
		o.list = append(o.list, one)
	}
	return o, errors.Join(faults...)
}

func parseOrigin(text string) (origin, error) {
	if text == "null" {
		return origin{}, errors.New("want origins that can be told apart: null is sent by every file, sandboxed frame and redirect, whoever made it")
	}
	parts := originForm.FindStringSubmatch(text)
	if parts == nil {
		return origin{}, errors.New(wantOrigin)
	}
	one := origin{parts[1], strings.TrimPrefix(parts[2], "*"), parts[3]}
	if one.port != "" {
		if n, err := strconv.ParseUint(one.port[1:], 10, 16); err != nil || n == 0 {
			return origin{}, errors.New("want a port from 1 to 65535")
		}
	}
	if one.scheme == "https" && one.port == ":443" || one.scheme == "http" && one.port == ":80" {
		one.port = "" // as in what browsers send
	}
	return one, nil
}

// none says that the list is empty.
func (o Origins) none() bool { return !o.all && len(o.list) == 0 }

// allows says whether an Origin header has one of the list.
func (o Origins) allows(header string) bool {
	if o.all {
		return true
	}
	scheme, host, _ := strings.Cut(strings.ToLower(header), "://")
	for _, one := range o.list {
		name, ok := strings.CutSuffix(host, one.port)
		if ok && scheme == one.scheme && one.named(name) {
			return true
		}
	}
	return false
}

// named says whether the name is the origin's, or below it.
func (o origin) named(name string) bool {
	if o.name[0] != '.' {
		return name == o.name
	}
	below, ok := strings.CutSuffix(name, o.name)
	return ok && below != "" && !strings.ContainsFunc(below, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

// sameHost says whether an Origin header has the host and port that the request asks,
// whatever the scheme: what the browser speaks to may be a proxy with TLS in front.
func sameHost(header, host string) bool {
	_, own, ok := strings.Cut(header, "://")
	return ok && own != "" && strings.EqualFold(own, host)
}

// ownName says whether a hub that only its own machine reaches may be asked by this Host.
// No other site has an address for its name, nor a name that always is this machine, nor
// one that is listed. A Host that is missing is no browser's.
func (o Origins) ownName(host string) bool {
	if o.all || host == "" {
		return true
	}
	name := strings.TrimSuffix(strings.ToLower((&url.URL{Host: host}).Hostname()), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	for _, one := range o.list {
		if one.named(name) {
			return true
		}
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}
