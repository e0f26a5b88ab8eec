package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"harken/inventory"
	"harken/inventory/fault"
)

// Endpoint returns one endpoint with its params.
func (s *store) Endpoint(ctx context.Context, k inventory.EndpointKey) (inventory.Endpoint, error) {
	e := inventory.Endpoint{EndpointKey: k}
	var facts, params, traffic []byte
	var groups sql.NullString
	err := s.db.stmts.endpoint.QueryRowContext(context.WithoutCancel(ctx), s.account, k.Collection, k.URL, k.Method).Scan(&facts, &params, &traffic, &groups)
	if errors.Is(err, sql.ErrNoRows) {
		return e, noEndpoint(k)
	}
	if err != nil {
		return e, err
	}
	e.Groups = parseGroups(groups.String)
	return e, unpackAll(facts, params, traffic, &e)
}

func noEndpoint(k inventory.EndpointKey) error {
	return fault.New(fault.NotFound, "%s %s does not exist in collection %d", k.Method, k.URL, k.Collection)
}

func unpackAll(facts, params, traffic []byte, e *inventory.Endpoint) (err error) {
	if err = unpack(facts, params, e); err != nil {
		return err
	}
	if e.Traffic, err = inventory.ParseTraffic(traffic); err != nil {
		return fmt.Errorf("traffic of %s %s: %w", e.Method, e.URL, err)
	}
	return nil
}

// unpackFacts is unpackAll without the params.
func unpackFacts(facts, traffic []byte, e *inventory.Endpoint) (err error) {
	if err = inventory.ParseFacts(facts, e); err != nil {
		return fmt.Errorf("facts of %s %s: %w", e.Method, e.URL, err)
	}
	if e.Traffic, err = inventory.ParseTraffic(traffic); err != nil {
		return fmt.Errorf("traffic of %s %s: %w", e.Method, e.URL, err)
	}
	return nil
}

func unpack(facts, params []byte, e *inventory.Endpoint) error {
	if err := inventory.ParseFacts(facts, e); err != nil {
		return fmt.Errorf("facts of %s %s: %w", e.Method, e.URL, err)
	}
	if err := inventory.ParseParams(params, e); err != nil {
		return fmt.Errorf("params of %s %s: %w", e.Method, e.URL, err)
	}
	return nil
}

// Endpoints returns a page of a collection, without params.
func (s *store) Endpoints(ctx context.Context, collection int32, skip, limit int) ([]inventory.Endpoint, error) {
	list := s.db.stmts.endpoints
	if group, err := s.isGroup(ctx, collection); err != nil {
		return nil, fmt.Errorf("list endpoints: %w", err)
	} else if group {
		list = s.db.stmts.members
	}
	rows, err := list.QueryContext(ctx, s.account, collection, max(0, limit), max(0, skip))
	if err != nil {
		return nil, fmt.Errorf("list endpoints: %w", err)
	}
	defer rows.Close()
	var all []inventory.Endpoint
	var facts sql.RawBytes
	var groups sql.NullString
	for rows.Next() {
		var e inventory.Endpoint
		if err := rows.Scan(&e.Collection, &e.URL, &e.Method, &facts, &groups); err != nil {
			return nil, fmt.Errorf("list endpoints: %w", err)
		}
		e.Groups = parseGroups(groups.String)
		if err := inventory.ParseFacts(facts, &e); err != nil {
			return nil, fmt.Errorf("facts of %s %s: %w", e.Method, e.URL, err)
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// Keys calls yield for the key of every endpoint of a collection. Only the index
// is read.
func (s *store) Keys(ctx context.Context, collection int32, yield func(inventory.EndpointKey) error) error {
	read := s.db.stmts.keys
	if group, err := s.isGroup(ctx, collection); err != nil {
		return fmt.Errorf("list keys: %w", err)
	} else if group {
		read = s.db.stmts.memberKeys
	}
	// It looks at ctx itself: a query that may be canceled costs two goroutines.
	rows, err := read.QueryContext(context.WithoutCancel(ctx), s.account, collection)
	if err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list keys: %w", err)
		}
		var k inventory.EndpointKey
		if err := rows.Scan(&k.Collection, &k.URL, &k.Method); err != nil {
			return fmt.Errorf("list keys: %w", err)
		}
		if err := yield(k); err != nil {
			return err
		}
	}
	return rows.Err()
}

// WithTypes calls yield for every endpoint that has a param of one of types. It
// reads the index of types, unless one of them is too common to be in it.
func (s *store) WithTypes(ctx context.Context, collections []int32, types []string, yield func(*inventory.Endpoint) error) error {
	query, args := `SELECT collection, url, method, facts, params, `+groupsOf+` FROM endpoints e WHERE account = ?`, []any{s.account}
	if !slices.ContainsFunc(types, plainType) {
		query += ` AND id IN (SELECT endpoint FROM param_types WHERE account = ? AND type IN (SELECT value FROM json_each(?)))`
		args = append(args, s.account, jsonList(types))
	}
	among, args, err := s.among(ctx, collections, args)
	if err != nil {
		return fmt.Errorf("look for types: %w", err)
	}
	query += among //nolint:gosec // one of two constants
	rows, err := s.db.r.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("look for types: %w", err)
	}
	defer rows.Close()
	var facts, params sql.RawBytes
	var groups sql.NullString
	for rows.Next() {
		var e inventory.Endpoint
		if err := rows.Scan(&e.Collection, &e.URL, &e.Method, &facts, &params, &groups); err != nil {
			return fmt.Errorf("look for types: %w", err)
		}
		e.Groups = parseGroups(groups.String)
		if err := unpack(facts, params, &e); err != nil {
			return err
		}
		has := func(p inventory.Param) bool { return slices.Contains(types, p.Type) }
		if !slices.ContainsFunc(e.Params, has) {
			continue
		}
		if err := yield(&e); err != nil {
			return err
		}
	}
	return rows.Err()
}

func jsonList[T any](list []T) string {
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // strings and numbers have a JSON form
	}
	return string(b)
}

// Samples returns the newest samples of an endpoint, oldest first.
func (s *store) Samples(ctx context.Context, k inventory.EndpointKey) ([]inventory.Sample, error) {
	_, all, err := s.readSamples(ctx, s.db.points.samples, &inventory.Endpoint{EndpointKey: k})
	if err != nil {
		return nil, fmt.Errorf("list samples: %w", err)
	}
	return all, nil
}

// Sampled returns an endpoint without params, and its samples.
func (s *store) Sampled(ctx context.Context, k inventory.EndpointKey) (inventory.Endpoint, []inventory.Sample, error) {
	e := inventory.Endpoint{EndpointKey: k}
	found, all, err := s.readSamples(ctx, s.db.points.sampled, &e)
	switch {
	case err != nil:
		return e, nil, fmt.Errorf("list samples: %w", err)
	case !found:
		return e, nil, noEndpoint(k)
	}
	return e, all, nil
}

// readSamples reads what stmt gives of e: samples, and it itself if it reports
// that. Samples are put in order here: SQLite would copy each, with its data, to
// sort them.
func (s *store) readSamples(ctx context.Context, stmt *sql.Stmt, e *inventory.Endpoint) (bool, []inventory.Sample, error) {
	rows, err := stmt.QueryContext(context.WithoutCancel(ctx), s.account, e.Collection, e.URL, e.Method)
	if err != nil {
		return false, nil, err
	}
	defer rows.Close()
	var all []inventory.Sample
	var order []int64
	found := false
	one := inventory.Sample{Endpoint: e.EndpointKey, Account: s.account}
	var seq int64
	var id, source, data sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&seq, &one.Time, &id, &source, &data); err != nil {
			return false, nil, err
		}
		if seq < 0 {
			found, e.Groups = true, parseGroups(string(source))
			if err := unpackFacts(id, data, e); err != nil {
				return false, nil, err
			}
			continue
		}
		copy(one.ID[:], id)
		if one.Source != string(source) { // most are of one
			one.Source = string(source)
		}
		if one.Data, err = unpacked(data); err != nil {
			return false, nil, err
		}
		if all == nil {
			all, order = make([]inventory.Sample, 0, inventory.MaxSamples), make([]int64, 0, inventory.MaxSamples)
		}
		at, _ := slices.BinarySearch(order, seq)
		all, order = slices.Insert(all, at, one), slices.Insert(order, at, seq)
	}
	return found, all, rows.Err()
}
