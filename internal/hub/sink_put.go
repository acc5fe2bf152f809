package hub

import "slices"

// maxPutStreams bounds the streams that a PUT names.
const maxPutStreams = 1000

// DecodeSinkPut reads the body of a PUT of a sink: all settings and streams are
// optional. The error is an *Error that lists every fault.
func DecodeSinkPut(body []byte) (SinkPut, error) {
	var d decoder
	put := SinkPut{Settings: SinkSettings{}}
	fields := []field{{"streams", func(at string, value []byte) { put.Streams = d.streams(at, value) }}}
	for _, s := range settings {
		fields = append(fields, field{s.name, func(at string, value []byte) {
			put.Settings[s.name] = d.setting(s, at, value)
		}})
	}
	if _, err := d.body(body, `{"streams":["orders"],"ack_wait":"30s"}`, fields...); err != nil {
		return SinkPut{}, err
	}
	if err := d.err("nothing was changed: "); err != nil {
		return SinkPut{}, err
	}
	return put, nil
}

func (d *decoder) streams(at string, value []byte) []string {
	var streams []string
	n := d.array(at, value, maxPutStreams, CodeInvalidRequest, func(at string, element []byte) {
		if stream := d.stream(at, element); !slices.Contains(streams, stream) {
			streams = append(streams, stream)
		}
	})
	if n == 0 {
		d.fault(at, "is empty: name at least one stream")
	}
	return streams
}

func (d *decoder) setting(s setting, at string, value []byte) string {
	switch {
	case s.list:
		var values []string
		d.array(at, value, s.most, CodeInvalidRequest, func(at string, element []byte) {
			values = append(values, parse(d, at, element, s.read))
		})
		return s.canonical(values)
	case s.number:
		text, err := s.read(string(value))
		if err != nil {
			d.refuse(at, err)
		}
		return text
	}
	return parse(d, at, value, s.read)
}
