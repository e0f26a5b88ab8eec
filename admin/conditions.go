package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"harken/admin/auth"
	"harken/inventory"
)

// Conditions are the conditions of a group: a list of {type, operator, data}, or, as
// replies have them, with the members of data beside type and operator.
type Conditions []condition

// A condition is one as it came. What it lists is not looked up yet.
type condition struct {
	inventory.Condition
	apis APIs
}

type conditionIn struct {
	Type     *string         `json:"type"`
	Operator *string         `json:"operator"`
	Data     json.RawMessage `json:"data"`
}

type conditionData struct {
	APIList     APIs    `json:"apiList"`
	APIsList    APIs    `json:"apisList"`
	Method      *string `json:"method"`
	Regex       *string `json:"regex"`
	HostRegex   *string `json:"host_regex"`
	Query       *string `json:"query"`
	AuthTypes   Strings `json:"authTypes"`
	AccessTypes Strings `json:"apiAccessTypes"`
}

var errConditions = errors.New("must be a list of objects that have type, operator and data")

// UnmarshalJSON implements json.Unmarshaler.
func (v *Conditions) UnmarshalJSON(b []byte) error {
	var list []json.RawMessage
	if b[0] != '[' || json.Unmarshal(b, &list) != nil {
		return errConditions
	}
	*v = make(Conditions, len(list))
	for i, raw := range list {
		if err := (*v)[i].parse(raw); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

func (v *Conditions) setText(s string) error {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	if !json.Valid([]byte(s)) {
		return errConditions
	}
	return v.UnmarshalJSON([]byte(strings.TrimSpace(s)))
}

var _ lenient = (*Conditions)(nil)

func (c *condition) parse(raw json.RawMessage) error {
	var in conditionIn
	if raw[0] != '{' || json.Unmarshal(raw, &in) != nil {
		return errors.New("must be an object that has the strings type and operator")
	}
	if in.Type == nil {
		return errors.New("type is required")
	}
	c.Type, c.Operator = enum(*in.Type), inventory.Or
	if in.Operator != nil && strings.TrimSpace(*in.Operator) != "" {
		c.Operator = enum(*in.Operator)
	}
	if len(in.Data) == 0 || bytes.Equal(in.Data, []byte("null")) {
		in.Data = raw
	}
	var d conditionData
	if in.Data[0] != '{' {
		return errors.New("data must be an object")
	}
	if err := json.Unmarshal(in.Data, &d); err != nil {
		if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return fmt.Errorf("%s is of the wrong kind", t.Field)
		}
		return fmt.Errorf("data: %w", err) // of a type that reads itself
	}
	return c.take(&d)
}

func enum(s string) string { return strings.ToUpper(strings.TrimSpace(s)) }

// take keeps the member that belongs to the type.
func (c *condition) take(d *conditionData) error {
	text := func(of ...*string) string {
		for _, s := range of {
			if s != nil {
				return *s
			}
		}
		return ""
	}
	switch c.Type {
	case inventory.ByList:
		if c.apis = d.APIList; c.apis == nil {
			c.apis = d.APIsList
		}
		if c.apis == nil {
			return errors.New("apiList is required")
		}
	case inventory.ByMethod:
		c.Method = enum(text(d.Method))
	case inventory.ByRegex:
		c.Regex = text(d.Regex)
	case inventory.ByHostRegex:
		c.HostRegex = text(d.HostRegex, d.Regex)
	case inventory.ByTags, inventory.ByAPITags:
		c.Query = text(d.Query)
	case inventory.ByAuthType:
		for _, t := range d.AuthTypes {
			c.AuthTypes = append(c.AuthTypes, strings.TrimSpace(t))
		}
	case inventory.ByAccessType:
		for _, t := range d.AccessTypes {
			c.AccessTypes = append(c.AccessTypes, enum(t))
		}
	}
	return nil
}

// resolve looks up what is listed and checks all: what is wrong is told with its
// index.
func (v Conditions) resolve(ctx context.Context, c *auth.Caller) ([]inventory.Condition, error) {
	if v == nil {
		return nil, nil
	}
	out := make([]inventory.Condition, len(v))
	f := newFinder(c)
	for i := range v {
		out[i] = v[i].Condition
		if len(v[i].apis) == 0 {
			continue
		}
		keys, err := f.list(ctx, fmt.Sprintf("conditions: element %d: apiList", i), v[i].apis)
		if err != nil {
			return nil, err
		}
		out[i].APIs = listed(nil, keys)[0].APIs
	}
	if _, err := inventory.NewSelector(out, nil); err != nil {
		return nil, err
	}
	return out, nil
}
