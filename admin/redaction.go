package admin

import (
	"context"
	"encoding/json"
	"fmt"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
	"harken/inventory/pathtmpl"
)

// jobRedact is the kind of the job that empties what was stored before an account or a
// type was redacted.
const jobRedact = "redact"

type redactFeatureRequest struct {
	RedactPayload Bool `json:"redactPayload" api:"required"`
}

// toggleRedact sets whether live traffic is stored without its values. Switched on, what
// is stored of live traffic is emptied too, in the background: see fetchJobs. Uploads of
// HAR and Burp stay as they are.
func (a *API) toggleRedact(ctx context.Context, c *auth.Caller, in redactFeatureRequest) (none, error) {
	_, err := a.editSettings(ctx, c, func(s *inventory.Settings) { s.RedactPayload = in.RedactPayload.B })
	if err == nil && in.RedactPayload.B {
		_, err = a.jobs.Start(ctx, c.Account, jobRedact, nil)
	}
	return none{}, err
}

// runRedact empties what was stored in the clear and is redacted now: what live traffic
// told if that is, and endpoints that have values of types that are.
func (a *API) runRedact(ctx context.Context, account int32, _ json.RawMessage) error {
	// What was learned in the clear has to be stored before it can be emptied.
	if a.cfg.Learner != nil {
		if err := a.cfg.Learner.Reload(ctx, account); err != nil {
			return err
		}
	}
	st := a.cfg.Stores.Full(account)
	cols, err := st.Collections(ctx)
	if err != nil {
		return err
	}
	for i := range cols {
		if cols[i].Type == inventory.TypeGroup {
			continue
		}
		s, err := st.Settings(ctx) // it may be switched off meanwhile
		if err != nil {
			return err
		}
		m, err := a.newMasker(ctx, &auth.Caller{Account: account, Store: st}, &s, nil)
		if err != nil {
			return err
		}
		if s.RedactPayload {
			if err := st.DropRedactable(ctx, []int32{cols[i].ID}); err != nil {
				return err
			}
		}
		if m.typed != nil {
			if err := m.dropTyped(ctx, cols[i].ID); err != nil {
				return err
			}
		}
		if s.RedactPayload || m.typed != nil {
			if err := dropEvidence(ctx, st, cols[i].ID, &s); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropTyped empties the endpoints of a collection that have values of types that are
// redacted.
func (m *masker) dropTyped(ctx context.Context, collection int32) error {
	var keys, telling []inventory.EndpointKey
	if err := m.st.Keys(ctx, collection, func(k inventory.EndpointKey) error {
		keys = append(keys, k)
		return nil
	}); err != nil {
		return err
	}
	for _, k := range keys {
		tells, err := m.tells(ctx, k)
		switch {
		case isNotFound(err): // deleted meanwhile
		case err != nil:
			return err
		case tells:
			telling = append(telling, k)
		}
	}
	return m.st.DropSamplesOf(ctx, telling)
}

// redactType starts to empty what is stored of a type, if it is redacted.
func (a *API) redactType(ctx context.Context, c *auth.Caller, redacted bool) error {
	if !redacted {
		return nil
	}
	_, err := a.jobs.Start(ctx, c.Account, jobRedact, nil)
	return err
}

// dropEvidence removes the values and paths by which templates were found.
func dropEvidence(ctx context.Context, st inventory.FullStore, collection int32, s *inventory.Settings) error {
	opt := pathtmpl.Options{
		Versions: s.MergeVersions, FoldCase: s.IgnoreCase, NoExamples: true, MaxURLs: maxTemplateURLs, MaxBytes: maxTemplateBytes,
	}
	for range maxStateTries {
		state, err := st.TemplateState(ctx, collection)
		if err != nil || len(state.Data) == 0 {
			return err
		}
		set, err := pathtmpl.ParseState(state.Data, opt)
		if err != nil {
			return fmt.Errorf("template state of collection %d: %w", collection, err)
		}
		state.Data = set.AppendState(nil)
		if _, err = st.PutTemplateState(ctx, collection, state); err == nil {
			return nil
		}
		if kind, _ := fault.Of(err); kind != fault.Conflict {
			return err
		}
	}
	return fault.New(fault.Busy, "the templates of collection %d change all the time; try again later", collection)
}
