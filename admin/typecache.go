package admin

import (
	"context"
	"encoding/json"
	"sync"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/datatype"
)

// maxCachedAccounts bounds the accounts whose compiled types are kept.
const maxCachedAccounts = 100

// A typeCache keeps the compiled types of accounts until their configuration
// changes. It is safe for concurrent use.
type typeCache struct {
	mu       sync.Mutex
	accounts map[int32]cachedTypes
}

type cachedTypes struct {
	version int64
	types   *datatype.Detector
}

// types returns the types of the caller's account: the built-in ones as people
// changed them, and those that people made.
func (a *API) types(ctx context.Context, c *auth.Caller) (*datatype.Detector, error) {
	version, err := c.Store.ConfigVersion(ctx)
	if err != nil {
		return nil, err
	}
	a.compiled.mu.Lock()
	kept, ok := a.compiled.accounts[c.Account]
	a.compiled.mu.Unlock()
	if ok && kept.version == version {
		return kept.types, nil
	}
	defs, err := definitions(ctx, c)
	if err != nil {
		return nil, err
	}
	// A definition that is refused is left out, as the learner does.
	types, _ := datatype.Compile(defs)
	a.compiled.mu.Lock()
	defer a.compiled.mu.Unlock()
	if len(a.compiled.accounts) >= maxCachedAccounts {
		clear(a.compiled.accounts)
	}
	a.compiled.accounts[c.Account] = cachedTypes{version, types}
	return types, nil
}

// definitions reads what people changed of the types of the caller's account.
// Documents that cannot be read are left out.
func definitions(ctx context.Context, c *auth.Caller) (datatype.Definitions, error) {
	var out datatype.Definitions
	custom, err := c.Store.Definitions(ctx, inventory.CustomDataTypes)
	if err != nil {
		return out, err
	}
	for _, d := range custom {
		var t datatype.CustomType
		if json.Unmarshal(d.Doc, &t) == nil {
			out.Custom = append(out.Custom, t)
		}
	}
	overrides, err := c.Store.Definitions(ctx, inventory.DataTypeOverrides)
	for _, d := range overrides {
		var o datatype.Override
		if json.Unmarshal(d.Doc, &o) == nil {
			out.Builtins = append(out.Builtins, o)
		}
	}
	return out, err
}

// A sensitivity says which parameters are sensitive: by their type, or by the
// word of people on one of them.
type sensitivity struct {
	types *datatype.Detector
	marks map[mark]bool
}

// A mark names a parameter, whatever its type.
type mark struct {
	inventory.EndpointKey
	code   int
	header bool
	param  string
}

// sensitivity returns what is sensitive in collections; nil is all.
func (a *API) sensitivity(ctx context.Context, c *auth.Caller, collections []int32) (*sensitivity, error) {
	types, err := a.types(ctx, c)
	if err != nil {
		return nil, err
	}
	marks, err := c.Store.SensitiveOverrides(ctx, collections)
	s := &sensitivity{types: types, marks: make(map[mark]bool, len(marks))}
	for i := range marks {
		m := &marks[i]
		s.marks[mark{m.EndpointKey, m.ResponseCode, m.Header, m.Param}] = m.Sensitive
	}
	return s, err
}

// sensitivityOf is sensitivity for some endpoints, which may be visible although
// their collections are not.
func (a *API) sensitivityOf(ctx context.Context, c *auth.Caller, es []inventory.Endpoint) (*sensitivity, error) {
	ids := []int32{}
	for i := range es {
		if !c.Sees(es[i].Collection) {
			return a.sensitivity(ctx, c, nil)
		}
		ids = append(ids, es[i].Collection)
	}
	return a.sensitivity(ctx, c, ids)
}

func (s *sensitivity) of(k inventory.EndpointKey, p *inventory.Param) bool {
	if marked, ok := s.mark(k, p); ok {
		return marked
	}
	return s.types.Sensitive(p.Type, position(p))
}

func (s *sensitivity) mark(k inventory.EndpointKey, p *inventory.Param) (sensitive, ok bool) {
	if len(s.marks) == 0 {
		return false, false
	}
	sensitive, ok = s.marks[mark{k, p.ResponseCode, p.Header, p.Name}]
	return sensitive, ok
}

// names are the types that are sensitive anywhere.
func (s *sensitivity) names() []string {
	var names []string
	for _, t := range s.types.Types() {
		if t.SensitiveAlways || len(t.SensitivePositions) > 0 {
			names = append(names, t.Name)
		}
	}
	return names
}

func position(p *inventory.Param) datatype.Position {
	switch {
	case p.ResponseCode == -1 && p.Header:
		return datatype.RequestHeader
	case p.ResponseCode == -1:
		return datatype.RequestPayload
	case p.Header:
		return datatype.ResponseHeader
	default:
		return datatype.ResponsePayload
	}
}
