package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"harken/admin/auth"
	"harken/inventory"
	"harken/inventory/fault"
)

const selectRoles = `SELECT account, name, base, collections, restricted, features, default_invite, threats FROM auth_roles WHERE account = ?`

func scanRole(row scanner) (auth.CustomRole, error) {
	var r auth.CustomRole
	var collections, features string
	if err := row.Scan(&r.Account, &r.Name, &r.Base, &collections, &r.Restricted, &features, &r.DefaultInvite, &r.Threats); err != nil {
		return r, err
	}
	return r, errors.Join(readList(collections, &r.Collections), readList(features, &r.Features))
}

// readStanding returns a grant and the custom roles that it names.
func readStanding(ctx context.Context, q querier, user, account int32) (auth.Grant, []auth.CustomRole, error) {
	g, err := readGrant(ctx, q, user, account)
	if kind, _ := fault.Of(err); err != nil && kind != fault.NotFound {
		return g, nil, err
	}
	names := g.CustomNames()
	if len(names) == 0 {
		return g, nil, nil
	}
	roles, err := list(ctx, q, scanRole, selectRoles+" AND name IN (SELECT value FROM json_each(?))", account, jsonList(names))
	return g, roles, err
}

// snapshot runs f in a transaction that reads: all it sees is of one moment.
func (db *DB) snapshot(ctx context.Context, what string, f func(*sql.Tx) error) error {
	tx, err := db.r.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	err = f(tx)
	if err := errors.Join(err, tx.Rollback()); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Team returns the team of an account.
func (db *DB) Team(ctx context.Context, account int32) (*auth.Team, error) {
	var t *auth.Team
	err := db.snapshot(ctx, "read team", func(tx *sql.Tx) error {
		var err error
		t, err = readTeam(ctx, tx, account)
		return err
	})
	return t, err
}

func readTeam(ctx context.Context, q querier, account int32) (*auth.Team, error) {
	t := &auth.Team{Account: account}
	var err error
	t.Members, err = list(ctx, q, scanTeammate, `SELECT u.id, u.email, u.name, m.account, coalesce(g.role, ''), coalesce(g.scopes, 'null'),
		coalesce(g.collections, '[]'), coalesce(g.restricted, 0) FROM auth_members m JOIN auth_users u ON u.id = m.user
		LEFT JOIN auth_grants g ON g.user = m.user AND g.account = m.account WHERE m.account = ? ORDER BY u.id`, account)
	if err != nil {
		return nil, err
	}
	if t.Roles, err = list(ctx, q, scanRole, selectRoles+" ORDER BY name", account); err != nil {
		return nil, err
	}
	t.Invitations, err = invitations(ctx, q, account)
	return t, err
}

func scanTeammate(row scanner) (auth.Teammate, error) {
	var m auth.Teammate
	var scopes, collections string
	if err := row.Scan(&m.ID, &m.Email, &m.Name, &m.Grant.Account, &m.Grant.Role, &scopes, &collections, &m.Grant.Restricted); err != nil {
		return m, err
	}
	m.Grant.User = m.ID
	return m, errors.Join(json.Unmarshal([]byte(scopes), &m.Grant.Scopes), readList(collections, &m.Grant.Collections))
}

// EditTeam has edit change a team in one transaction of the only writer.
func (db *DB) EditTeam(ctx context.Context, account int32, edit func(*auth.Team) error) error {
	return db.authTx(ctx, "edit team", func(tx *sql.Tx) error {
		// Read twice: edit may change what it is given in any depth.
		was, err := readTeam(ctx, tx, account)
		if err != nil {
			return err
		}
		next, err := readTeam(ctx, tx, account)
		if err != nil {
			return err
		}
		if err := edit(next); err != nil {
			return err
		}
		if err := saveMembers(ctx, tx, was, next); err != nil {
			return err
		}
		if err := saveRoles(ctx, tx, was, next); err != nil {
			return err
		}
		return saveInvitations(ctx, tx, was, next)
	})
}

func saveMembers(ctx context.Context, tx *sql.Tx, was, next *auth.Team) error {
	grants := map[int32]*auth.Grant{}
	for i := range next.Members {
		grants[next.Members[i].ID] = &next.Members[i].Grant
	}
	for i := range was.Members {
		id := was.Members[i].ID
		g, stays := grants[id]
		delete(grants, id)
		switch {
		case !stays:
			if err := removeMember(ctx, tx, id, was.Account); err != nil {
				return err
			}
		case !reflect.DeepEqual(*g, was.Members[i].Grant):
			g.User, g.Account = id, was.Account
			if err := putGrant(ctx, tx, g); err != nil {
				return err
			}
		}
	}
	if len(grants) > 0 {
		return errors.New("a member was added")
	}
	return nil
}

// removeMember ends all that a user has in an account.
func removeMember(ctx context.Context, tx *sql.Tx, user, account int32) error {
	for _, q := range []string{
		"DELETE FROM auth_members WHERE user = ? AND account = ?",
		"DELETE FROM auth_grants WHERE user = ? AND account = ?",
		"DELETE FROM auth_sessions WHERE user = ? AND account = ?",
		"DELETE FROM auth_keys WHERE owner = ? AND account = ?",
		"DELETE FROM auth_invitations WHERE issuer = ? AND account = ?",
	} {
		if _, err := tx.ExecContext(ctx, q, user, account); err != nil {
			return err
		}
	}
	return nil
}

func saveRoles(ctx context.Context, tx *sql.Tx, was, next *auth.Team) error {
	old := map[string]*auth.CustomRole{}
	for i := range was.Roles {
		old[was.Roles[i].Name] = &was.Roles[i]
	}
	for i := range next.Roles {
		r := &next.Roles[i]
		o, there := old[r.Name]
		delete(old, r.Name)
		r.Account = was.Account
		if there && reflect.DeepEqual(*o, *r) {
			continue
		}
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO auth_roles (account, name, base, collections, restricted, features, default_invite, threats)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			r.Account, r.Name, r.Base, jsonList(r.Collections), r.Restricted, jsonList(r.Features), r.DefaultInvite, r.Threats); err != nil {
			return err
		}
	}
	for name := range old {
		if _, err := tx.ExecContext(ctx, "DELETE FROM auth_roles WHERE account = ? AND name = ?", was.Account, name); err != nil {
			return err
		}
	}
	return nil
}

func saveInvitations(ctx context.Context, tx *sql.Tx, was, next *auth.Team) error {
	old := map[string]*auth.Invitation{}
	for i := range was.Invitations {
		old[was.Invitations[i].ID] = &was.Invitations[i]
	}
	var fresh []*auth.Invitation
	for i := range next.Invitations {
		n := &next.Invitations[i]
		if o, there := old[n.ID]; !there || !reflect.DeepEqual(*o, *n) {
			fresh = append(fresh, n)
		} else {
			delete(old, n.ID)
		}
	}
	for id := range old { // first, for the places that they hold
		if _, err := tx.ExecContext(ctx, "DELETE FROM auth_invitations WHERE id = ?", id); err != nil {
			return err
		}
	}
	for _, i := range fresh {
		i.Account = was.Account
		if err := addInvitation(ctx, tx, i); err != nil {
			return err
		}
	}
	return nil
}

// AddOwnCollection adds a collection and, if the user sees some only, lets them
// see this one.
func (db *DB) AddOwnCollection(ctx context.Context, user, account int32, scope string, c inventory.Collection) (inventory.Collection, error) {
	s := &store{db: db, account: account}
	if err := s.seed(ctx); err != nil {
		return inventory.Collection{}, err
	}
	err := db.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		g, roles, err := readStanding(ctx, tx, user, account)
		if err != nil {
			return err
		}
		if err := s.add(ctx, tx, &c); err != nil {
			return err
		}
		// What is known here is fresher than what the request was let in with.
		t := auth.Team{Roles: roles}
		if _, restricted := t.Sees(&auth.Teammate{Grant: g}, scope); !restricted {
			return nil
		}
		g.Collections = append(g.Collections, c.ID)
		return putGrant(ctx, tx, &g)
	})
	if err != nil {
		return inventory.Collection{}, err
	}
	return c, nil
}

// forgetCollection takes a collection that goes away out of all lists. One that
// restricts goes on to do so when nothing is left in it: else those who were let
// see the least would see everything.
func forgetCollection(ctx context.Context, tx *sql.Tx, account, id int32) error {
	const rest = ` SET restricted = 1, collections = (SELECT json_group_array(value) FROM json_each(collections) WHERE value <> ?1)
		WHERE account = ?2 AND EXISTS (SELECT 1 FROM json_each(collections) WHERE value = ?1)`
	for _, q := range []string{"UPDATE auth_grants" + rest, "UPDATE auth_roles" + rest, "UPDATE auth_invitations" + rest} {
		if _, err := tx.ExecContext(ctx, q, id, account); err != nil {
			return fmt.Errorf("forget collection: %w", err)
		}
	}
	return nil
}
