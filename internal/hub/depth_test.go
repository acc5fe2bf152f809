package hub_test

import (
	"strings"
	"testing"

	"eventhub/internal/hub"
)

// nested is a value of so many arrays in one another.
func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// TestWhatIsPublishedIsNestedAsDeepAsAllowed has values of exactly the depth that each form
// has room for, beside what is around them, and of one more.
func TestWhatIsPublishedIsNestedAsDeepAsAllowed(t *testing.T) {
	t.Parallel()
	attributes := `{"specversion":"1.0","id":"1","source":"/x","type":"t","data":`
	for what, form := range map[string]struct {
		around int
		decode func(data string, lim hub.Limits) error
	}{
		"an event": {1, func(data string, lim hub.Limits) error {
			_, _, err := hub.ToStream.Decode([]byte(`{"data":`+data+`}`), lim)
			return err
		}},
		"an array": {2, func(data string, lim hub.Limits) error {
			_, _, err := hub.ToChannel.Decode([]byte(`[{"data":"[[["},{"data":`+data+`}]`), lim)
			return err
		}},
		"a line": {1, func(data string, lim hub.Limits) error {
			_, err := hub.ToStream.DecodeLines([]byte("{\"data\":1}\n{\"data\":"+data+"}"), lim)
			return err
		}},
		"a payload": {0, func(data string, lim hub.Limits) error {
			return hub.DecodeRaw(&hub.Event{}, "application/json", []byte(data), lim)
		}},
		"a CloudEvent": {1, func(data string, lim hub.Limits) error {
			_, err := hub.DecodeCloudEvent([]byte(attributes+data+`}`), lim)
			return err
		}},
		"CloudEvents": {2, func(data string, lim hub.Limits) error {
			_, err := hub.DecodeCloudEvents([]byte(`[`+attributes+data+`}]`), lim)
			return err
		}},
		"a CloudEvent by headers": {0, func(data string, lim hub.Limits) error {
			_, err := hub.DecodeBinaryCloudEvent(map[string][]string{"Ce-Specversion": {"1.0"}, "Ce-Id": {"1"}, "Ce-Source": {"/x"}, "Ce-Type": {"t"}}, []byte(data), lim)
			return err
		}},
	} {
		for _, depth := range []int{0, 5, 100, 101, 3000} {
			lim := hub.DefaultLimits
			if lim.JSONDepth = depth; depth == 0 {
				depth = 100 // by default
			}
			if err := form.decode(nested(depth-form.around), lim); err != nil {
				t.Errorf("%s of the depth %d is refused: %v", what, depth, err)
			}
			err := form.decode(nested(depth-form.around+1), lim)
			if e := hub.AsError(err); err == nil || e.Code != hub.CodeInvalidRequest || !strings.Contains(e.Detail, "HUB_MAX_JSON_DEPTH") {
				t.Errorf("%s beyond the depth %d is answered %v", what, depth, err)
			}
		}
	}
}
