package admin

import (
	"net/http"
	"reflect"

	"harken/admin/ui"
)

// cached is an endpoint that answers all callers alike. Clients keep the answer
// and ask each time whether it has changed.
func cached(f func(*API) (*ui.Asset, error)) endpoint {
	return endpoint{
		verb: http.MethodGet, in: reflect.TypeFor[none](), out: reflect.TypeFor[file](), cached: true,
		serve: func(a *API, c *call) error {
			s, err := f(a)
			if err != nil {
				return err
			}
			s.ServeHTTP(c.w, c.r)
			return nil
		},
	}
}

// openAPI gives this description of the API, as an OpenAPI 3.1 document. It is
// made of the same table that answers, and is answered compressed when asked.
func (a *API) openAPI() (*ui.Asset, error) { return a.spec() }
