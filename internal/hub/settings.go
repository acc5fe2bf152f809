package hub

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// SinkSettings are the settings of a sink that a caller named: each by its name
// in JSON, in its one canonical form, so that two are the same when their texts
// are. Canonical are FormatDuration's durations, digits, and JSON arrays of
// strings, sorted where their order means nothing.
type SinkSettings map[string]string

// The names of a sink's settings.
const (
	SettingFrom          = "from"
	SettingTopics        = "topics"
	SettingTypes         = "types"
	SettingAck           = "ack"
	SettingAckWait       = "ack_wait"
	SettingMaxDeliveries = "max_deliveries"
	SettingBackoff       = "backoff"
	SettingOrder         = "order"
	SettingExpiresAfter  = "expires_after"
)

// SettingNames are the names of all settings, in the order to show them.
func SettingNames() []string {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.name
	}
	return names
}

// DefaultSinkConfig has the documented defaults.
func DefaultSinkConfig() SinkConfig {
	return SinkConfig{
		From:          "latest",
		Ack:           AckExplicit,
		AckWait:       30 * time.Second,
		MaxDeliveries: 10,
		Order:         OrderNone,
		ExpiresAfter:  720 * time.Hour,
	}
}

// Settings are all of c's settings; its streams are none.
func (c SinkConfig) Settings() SinkSettings {
	backoff := make([]string, len(c.Backoff))
	for i, d := range c.Backoff {
		backoff[i] = FormatDuration(d)
	}
	return SinkSettings{
		SettingFrom:          c.From,
		SettingTopics:        listText(sorted(c.Topics)),
		SettingTypes:         listText(sorted(c.Types)),
		SettingAck:           c.Ack,
		SettingAckWait:       FormatDuration(c.AckWait),
		SettingMaxDeliveries: strconv.Itoa(c.MaxDeliveries),
		SettingBackoff:       listText(backoff),
		SettingOrder:         c.Order,
		SettingExpiresAfter:  FormatDuration(c.ExpiresAfter),
	}
}

// With is c changed by the settings in s. One that cannot be read, as something
// else than a hub wrote it, leaves what c has.
func (c SinkConfig) With(s SinkSettings) SinkConfig {
	for _, setting := range settings {
		text, said := s[setting.name]
		if !said {
			continue
		}
		values, ok := []string{text}, true
		if setting.list {
			values, ok = parseList(text)
		}
		for i := 0; ok && i < len(values); i++ {
			var err error
			values[i], err = setting.read(values[i])
			ok = err == nil
		}
		if ok {
			c.set(setting.name, values)
		}
	}
	return c
}

// set changes one setting; its values are canonical.
func (c *SinkConfig) set(name string, values []string) {
	switch name {
	case SettingFrom:
		c.From = values[0]
	case SettingTopics:
		c.Topics = sorted(values)
	case SettingTypes:
		c.Types = sorted(values)
	case SettingAck:
		c.Ack = values[0]
	case SettingAckWait:
		c.AckWait = canonicalDuration(values[0])
	case SettingMaxDeliveries:
		c.MaxDeliveries, _ = strconv.Atoi(values[0])
	case SettingBackoff:
		c.Backoff = nil // shared with other copies of c
		for _, value := range values {
			c.Backoff = append(c.Backoff, canonicalDuration(value))
		}
	case SettingOrder:
		c.Order = values[0]
	case SettingExpiresAfter:
		c.ExpiresAfter = canonicalDuration(values[0])
	}
}

// SettingText shows a setting's value to people: 30s, [eu.** us.*], explicit.
func SettingText(name, canonical string) string {
	const most = 512 // two long lists should still be seen to differ
	i := slices.IndexFunc(settings, func(s setting) bool { return s.name == name })
	if i >= 0 && settings[i].list {
		if values, ok := parseList(canonical); ok {
			return clipTo(most, fmt.Sprint(values))
		}
	}
	return clipTo(most, canonical)
}

// sorted is a list whose order means nothing.
func sorted(values []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(values)))
}

func listText(values []string) string {
	text := []byte{'['}
	for i, value := range values {
		if i > 0 {
			text = append(text, ',')
		}
		text = AppendQuoted(text, value)
	}
	return string(append(text, ']'))
}

func parseList(text string) (values []string, ok bool) {
	return values, json.Unmarshal([]byte(text), &values) == nil
}

func canonicalDuration(text string) time.Duration {
	d, _ := time.ParseDuration(text) // cannot fail: it was read before
	return d
}
