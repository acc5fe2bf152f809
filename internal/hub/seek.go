package hub

// DecodeSeek reads {"stream","to"}; text is the position as it was written. The
// error is an *Error that lists every fault.
func DecodeSeek(body []byte) (stream string, to Position, text string, err error) {
	var d decoder
	given, err := d.body(body, `{"stream":"orders","to":"oldest"}`,
		field{"stream", func(at string, value []byte) { stream = d.stream(at, value) }},
		field{"to", func(at string, value []byte) {
			if text = parse(&d, at, value, readFrom); text != "" {
				to, _ = ParsePosition(text) // cannot fail: readFrom read it
			}
		}})
	if err != nil {
		return "", Position{}, "", err
	}
	d.need("", given, "stream", "to")
	if err := d.err("nothing was moved: "); err != nil {
		return "", Position{}, "", err
	}
	return stream, to, text, nil
}
