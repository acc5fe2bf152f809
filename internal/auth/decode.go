package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// maxNesting bounds YAML: a file of keys has 5 levels.
const maxNesting = 50

// decodeStrict reads one JSON value that has no fields but those of v. Its errors show
// nothing of the text but names of fields.
func decodeStrict(text []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(v)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		return errors.New("want one JSON value, there is more behind it")
	}
	var kind *json.UnmarshalTypeError
	switch name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); {
	case unknown && len(name) > 40:
		return errors.New("it has a field that there is not")
	case unknown:
		return fmt.Errorf("it has the field %s, which there is not", name)
	case errors.As(err, &kind):
		return fmt.Errorf("%s: want %s, this is a JSON %s", kind.Field, kind.Type, strings.Fields(kind.Value + " value")[0])
	}
	return errors.New("it cannot be read as JSON")
}

// toJSON turns YAML into JSON; what is a JSON object already stays. Its errors show
// nothing of the text. Anchors, aliases, tags and directives are refused: a few lines of
// them may stand for more than fits into memory.
func toJSON(text []byte) ([]byte, error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed) {
		return trimmed, onceEach(json.NewDecoder(bytes.NewReader(trimmed)))
	}
	if err := plainYAML(text); err != nil {
		return nil, err
	}
	var value any
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&value); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it is empty")
		}
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			return nil, fmt.Errorf("it cannot be read as YAML: line %d, column %d", at.GetToken().Position.Line, at.GetToken().Position.Column)
		}
		return nil, errors.New("it cannot be read as YAML")
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one YAML document")
	}
	converted, err := json.Marshal(value)
	if err != nil {
		return nil, errors.New("it has a value that JSON has not")
	}
	return converted, nil
}

// onceEach refuses a field that is there twice in one object of valid JSON, as YAML does:
// encoding/json would take the last one, and somebody may have meant the first.
func onceEach(decoder *json.Decoder) error {
	opening, _ := decoder.Token()
	if opening != json.Delim('{') && opening != json.Delim('[') {
		return nil
	}
	seen := map[string]bool{}
	for decoder.More() {
		if opening == json.Delim('{') {
			token, _ := decoder.Token()
			name := strings.ToLower(fmt.Sprint(token)) // encoding/json takes either case
			if seen[name] {
				return fmt.Errorf("it has a field twice, the second time before byte %d", decoder.InputOffset())
			}
			seen[name] = true
		}
		if err := onceEach(decoder); err != nil {
			return err
		}
	}
	_, _ = decoder.Token() // the end
	return nil
}

func plainYAML(text []byte) error {
	depth, dashes, line := 0, 0, 0
	for _, t := range lexer.Tokenize(string(text)) {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.TagType, token.DirectiveType, token.MergeKeyType:
			return fmt.Errorf("line %d: anchors, aliases, merges, tags and directives are not read", t.Position.Line)
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType: // "- - -" nests in one line
			if t.Position.Line != line {
				dashes, line = 0, t.Position.Line
			}
			dashes++
		}
		if depth > maxNesting || dashes > maxNesting || t.Position.Column > 1000 && t.Type == token.SequenceEntryType {
			return fmt.Errorf("line %d: it has more than %d levels", t.Position.Line, maxNesting)
		}
	}
	return nil
}
