package sqlite

import (
	"context"
	"database/sql"
)

func createAuth(context.Context, *sql.Tx) error { return nil }
