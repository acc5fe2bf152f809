package hub

// DecodeRedrive reads {"ids":[…]} or {"all":true}, both perhaps with a stream. The
// error is an *Error that lists every fault.
func DecodeRedrive(body []byte) (Redrive, error) {
	var d decoder
	var r Redrive
	given, err := d.body(body, `{"ids":["1763650000000-0"]} or {"all":true}`,
		field{"stream", func(at string, value []byte) { r.Stream = d.stream(at, value) }},
		field{"ids", func(at string, value []byte) {
			for _, receipt := range d.receipts(at, value, false) {
				r.IDs = append(r.IDs, receipt.ID)
			}
		}},
		field{"all", func(at string, value []byte) {
			if string(value) != "true" {
				d.fault(at, "is not true: leave it out and give ids")
			}
		}})
	if err != nil {
		return Redrive{}, err
	}
	switch {
	case given["ids"] && given["all"]:
		d.fault("/all", "and ids are both given: want one of them")
	case !given["ids"] && !given["all"]:
		d.fault("/ids", `is missing (or give "all": true)`)
	}
	if err := d.err("nothing was redriven: "); err != nil {
		return Redrive{}, err
	}
	return r, nil
}
