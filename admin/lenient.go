package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"harken/inventory"
)

// Refs are ids of collections: a list of objects that have one, other members
// being ignored, or what Ints takes.
type Refs []int64

// UnmarshalJSON implements json.Unmarshaler.
func (v *Refs) UnmarshalJSON(b []byte) error {
	var list []struct {
		ID Int `json:"id"`
	}
	if b[0] == '[' && json.Unmarshal(b, &list) == nil {
		*v = make(Refs, 0, len(list))
		for i := range list {
			if !list[i].ID.Set {
				return fmt.Errorf("id of element %d: is required", i)
			}
			*v = append(*v, list[i].ID.N)
		}
		return nil
	}
	var ids Ints
	if err := ids.UnmarshalJSON(b); err != nil {
		return errors.New("must be a list of objects that have an integer id")
	}
	*v = Refs(ids)
	return nil
}

func (v *Refs) setText(s string) error {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil
	}
	if s[0] == '[' && json.Valid([]byte(s)) {
		return v.UnmarshalJSON([]byte(s))
	}
	return (*Ints)(v).setText(s)
}

// Strings is a list of strings, or one string with commas.
type Strings []string

// UnmarshalJSON implements json.Unmarshaler.
func (v *Strings) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		return textTo(b, v.setText)
	}
	var list []*string
	if json.Unmarshal(b, &list) != nil {
		return errors.New("must be a list of strings")
	}
	*v = make(Strings, 0, len(list))
	for i, s := range list {
		if s == nil {
			return fmt.Errorf("element %d: must be a string", i)
		}
		*v = append(*v, *s)
	}
	return nil
}

func (v *Strings) setText(s string) error {
	if *v = nil; strings.TrimSpace(s) == "" {
		return nil // absent, as in Ints
	}
	*v = Strings{}
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*v = append(*v, part)
		}
	}
	return nil
}

// A Text is a string that may be empty, and knows whether it was given.
type Text struct {
	S   string
	Set bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Text) UnmarshalJSON(b []byte) error { return textTo(b, v.setText) }

func (v *Text) setText(s string) error {
	*v = Text{s, true}
	return nil
}

// Tags are labels: a list of {keyName, value}, one of them, or a string, which is
// the environment.
type Tags []inventory.Tag

type tagIn struct {
	KeyName *string `json:"keyName"`
	Value   *string `json:"value"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Tags) UnmarshalJSON(b []byte) error {
	var list []tagIn
	switch b[0] {
	case '"':
		return textTo(b, v.setText)
	case '{':
		list = make([]tagIn, 1)
		if json.Unmarshal(b, &list[0]) != nil {
			return errors.New("must have the strings keyName and value")
		}
	default:
		if json.Unmarshal(b, &list) != nil {
			return errors.New("must be a list of objects that have the strings keyName and value")
		}
	}
	*v = make(Tags, 0, len(list))
	for i, t := range list {
		if t.KeyName == nil || t.Value == nil {
			return fmt.Errorf("element %d: keyName and value are required", i)
		}
		*v = append(*v, inventory.Tag{KeyName: *t.KeyName, Value: *t.Value})
	}
	return nil
}

func (v *Tags) setText(s string) error {
	s = strings.TrimSpace(s)
	if s != "" && (s[0] == '[' || s[0] == '{') && json.Valid([]byte(s)) {
		return v.UnmarshalJSON([]byte(s))
	}
	*v = Tags{}
	if s != "" {
		*v = Tags{{KeyName: inventory.KeyEnvType, Value: s}}
	}
	return nil
}

// endpointName is one element of a list of endpoints.
type endpointName struct {
	APICollectionID Int    `json:"apiCollectionId"`
	URL             string `json:"url"`
	Method          string `json:"method"`
}

// APIs is a list of {apiCollectionId, url, method}.
type APIs []endpointName

// UnmarshalJSON implements json.Unmarshaler.
func (v *APIs) UnmarshalJSON(b []byte) error {
	var list []endpointName
	if b[0] != '[' || json.Unmarshal(b, &list) != nil {
		return errors.New("must be a list of objects that have apiCollectionId, url and method")
	}
	for i := range list {
		if !list[i].APICollectionID.Set || list[i].URL == "" || list[i].Method == "" {
			return fmt.Errorf("element %d: apiCollectionId, url and method are required", i)
		}
	}
	*v = list
	return nil
}

// collections are the ids of collections in the list, each once.
func (v *APIs) collections() []int64 {
	ids := make([]int64, len(*v))
	for i := range *v {
		ids[i] = (*v)[i].APICollectionID.N
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (v *APIs) setText(s string) error {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	return v.UnmarshalJSON([]byte(strings.TrimSpace(s)))
}

var (
	_ lenient = (*Refs)(nil)
	_ lenient = (*Strings)(nil)
	_ lenient = (*Text)(nil)
	_ lenient = (*Tags)(nil)
	_ lenient = (*APIs)(nil)
)
