package admin

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"
	"sync"

	"harken/admin/auth"
	"harken/admin/ui"
)

// apiTexts are the words of the document: what the sources say of rows and
// fields in comments, and the example of each row's script.
type apiTexts struct {
	Endpoints map[string]endpointText `json:"endpoints"` // by path
	Fields    map[string]string       `json:"fields"`    // by type and field, as in admin.loginRequest.Username
}

type endpointText struct {
	Group   string          `json:"group"`
	Text    string          `json:"text"`
	Example json.RawMessage `json:"example,omitempty"`
}

// summary is the first sentence.
func (t *endpointText) summary() string {
	first, _, _ := strings.Cut(t.Text, ". ")
	return strings.TrimSuffix(first, ".")
}

// apiText is made from the sources by go test ./admin -update.
//
//go:embed apitext.json
var apiText []byte

func loadTexts() *apiTexts {
	var t apiTexts
	if err := json.Unmarshal(apiText, &t); err != nil {
		panic("admin: apitext.json: " + err.Error()) // part of the binary, and tested
	}
	return &t
}

// A document is the API in the form of OpenAPI 3.1.
type document struct {
	OpenAPI    string                `json:"openapi"`
	Info       docInfo               `json:"info"`
	Servers    []members             `json:"servers"`
	Security   []map[string][]string `json:"security"`
	Tags       []members             `json:"tags"`
	Paths      members               `json:"paths"` // name to map of verb to *operation
	Components docComponents         `json:"components"`
}

type docInfo struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

type docComponents struct {
	Schemas         members `json:"schemas"`
	Responses       members `json:"responses"`
	Parameters      members `json:"parameters"`
	SecuritySchemes members `json:"securitySchemes"`
}

type operation struct {
	OperationID string                 `json:"operationId"`
	Tags        []string               `json:"tags"`
	Summary     string                 `json:"summary"`
	Description string                 `json:"description,omitempty"`
	Permission  *docPermission         `json:"x-harken-permission,omitempty"`
	Parameters  []*parameter           `json:"parameters,omitempty"`
	Body        *requestBody           `json:"requestBody,omitempty"`
	Responses   members                `json:"responses"`
	Security    *[]map[string][]string `json:"security,omitempty"` // empty: open
}

// docPermission is what the caller's role must have.
type docPermission struct {
	Feature auth.Feature `json:"feature"`
	Access  string       `json:"access"`
	Roles   []auth.Role  `json:"roles"` // the built-in ones that have it
}

type parameter struct {
	Ref         string  `json:"$ref,omitempty"`
	Name        string  `json:"name,omitempty"`
	In          string  `json:"in,omitempty"`
	Description string  `json:"description,omitempty"`
	Required    bool    `json:"required,omitempty"`
	Schema      *schema `json:"schema,omitempty"`
}

type requestBody struct {
	Description string  `json:"description,omitempty"`
	Required    bool    `json:"required,omitempty"`
	Content     members `json:"content"`
}

type mediaType struct {
	Schema  *schema         `json:"schema"`
	Example json.RawMessage `json:"example,omitempty"`
}

type response struct {
	Ref         string  `json:"$ref,omitempty"`
	Description string  `json:"description,omitempty"`
	Headers     members `json:"headers,omitempty"`
	Content     members `json:"content,omitempty"`
}

const aboutAPI = "The control API of Harken: the inventory that it learned, what it learned from, and who may see it.\n\n" +
	"Send the API key as `X-API-KEY`, or sign in; with the session cookie a call must come from the same origin. " +
	"Requests are JSON objects, or forms with the same field names, also compressed with gzip. Fields that are not listed are ignored, and of equal names the last counts. " +
	"Integers may be decimal strings, booleans `\"true\"` or `1`, lists of integers one value or a string with commas, " +
	"and a document the JSON itself or a string that holds it. Collections are named by their id, times are Unix seconds.\n\n" +
	"Errors are `{\"actionErrors\": [\"...\"]}`. A reply may gain fields."

// specOf makes the document when it is first asked for.
func specOf(version string) func() (*ui.Asset, error) {
	return sync.OnceValues(func() (*ui.Asset, error) {
		b, err := json.Marshal(newDocument(routes, loadTexts(), version))
		if err != nil {
			return nil, err
		}
		return ui.NewAsset("application/json; charset=utf-8", b)
	})
}

// newDocument describes a table of routes. It is the same each time.
func newDocument(table []route, texts *apiTexts, version string) *document {
	g := newReflector(texts)
	if version == "" {
		version = "dev"
	}
	d := &document{
		OpenAPI: "3.1.0", Info: docInfo{"Harken control API", version, aboutAPI},
		Servers:  []members{{{"url", "/"}}},
		Security: []map[string][]string{{"apiKey": {}}, {"accessToken": {}}, {"session": {}}},
	}
	g.reply(reflect.TypeFor[errorBody]())
	groups := map[string]bool{}
	for i := range table {
		r := &table[i]
		t := texts.Endpoints[r.path]
		if t.Group == "" {
			t.Group = "Other"
		}
		if !groups[t.Group] {
			groups[t.Group] = true
			d.Tags = append(d.Tags, members{{"name", t.Group}})
		}
		d.Paths = append(d.Paths, member{r.url(), members{{strings.ToLower(r.verb), describe(g, r, &t)}}})
	}
	d.Components = docComponents{
		Schemas: g.components, Responses: errorResponses(), Parameters: headerParameters(),
		SecuritySchemes: members{
			{"apiKey", members{{"type", "apiKey"}, {"in", "header"}, {"name", "X-API-KEY"}}},
			{"accessToken", members{{"type", "apiKey"}, {"in", "header"}, {"name", "access-token"}, {"description", "The token that a sign-in answers with."}}},
			{"session", members{{"type", "apiKey"}, {"in", "cookie"}, {"name", sessionCookie}, {"description", "The cookie of a sign-in; only from the same origin."}}},
		},
	}
	return d
}

// name is the name of a route in the document and on the client's command line.
func (r *route) name() string { return path.Base(r.path) }

func describe(g *reflector, r *route, t *endpointText) *operation {
	op := &operation{
		OperationID: r.name(), Tags: []string{t.Group}, Summary: t.summary(),
		Description: t.Text, Permission: docPermissionOf(r.needs),
	}
	if op.Summary+"." == op.Description {
		op.Description = ""
	}
	if r.needs.Feature == auth.Open {
		op.Security = &[]map[string][]string{}
	} else {
		op.Parameters = []*parameter{{Ref: "#/components/parameters/account"}, {Ref: "#/components/parameters/context"}}
	}
	op.Parameters = append(op.Parameters, queryOf(g, r)...)
	if r.verb != http.MethodGet {
		op.Body = bodyOf(g, r, t)
	}
	op.Responses = responsesOf(g, r)
	return op
}

// queryOf lists what an endpoint takes in the query: all, or some of one with a body.
func queryOf(g *reflector, r *route) []*parameter {
	some := inQuery(r.in)
	if r.verb != http.MethodGet && len(some) == 0 {
		return nil
	}
	var list []*parameter
	form := g.fields(r.in, g.text)
	for _, p := range form.Properties {
		if r.verb != http.MethodGet && !slices.Contains(some, p.name) {
			continue
		}
		s := p.value.(*schema) //nolint:forcetypeassert // fields makes nothing else
		q := &parameter{Name: p.name, In: "query", Description: s.Description, Schema: s}
		q.Required = slices.Contains(form.Required, p.name)
		s.Description = ""
		list = append(list, q)
	}
	return list
}

func docPermissionOf(p auth.Permission) *docPermission {
	if p.Feature == auth.Open || p.Feature == auth.SignedIn {
		return nil
	}
	d := &docPermission{Feature: p.Feature, Access: p.Access.String()}
	for _, r := range []auth.Role{auth.Admin, auth.Member, auth.Developer, auth.Guest, auth.ThreatEngineer, auth.ThreatViewer} {
		if r.Check(p) == nil {
			d.Roles = append(d.Roles, r)
		}
	}
	return d
}

func bodyOf(g *reflector, r *route, t *endpointText) *requestBody {
	b := &requestBody{Description: "Up to 1 MiB."}
	if r.uploads {
		b.Description = "Up to -max-upload, 200 MiB by default."
	}
	if r.in.NumField() == 0 {
		b.Content = members{{"application/json", mediaType{Schema: &schema{Type: "object"}}}}
		return b
	}
	json := g.request(r.in)
	form := mediaType{Schema: g.form(r.in)}
	b.Content = members{
		{"application/json", mediaType{json, t.Example}},
		{"multipart/form-data", form},
		{"application/x-www-form-urlencoded", form},
	}
	for f := range r.in.Fields() {
		b.Required = b.Required || f.Tag.Get("api") == "required"
	}
	return b
}

func responsesOf(g *reflector, r *route) members {
	ok := response{Description: "Done."}
	switch {
	case r.out == reflect.TypeFor[file]():
		ok.Description = "The file."
		ok.Content = members{{"application/json", mediaType{Schema: &schema{Type: "object"}}}}
	default:
		s := g.reply(r.out)
		if s.AdditionalProperties != nil && r.out.Elem().Kind() == reflect.Slice {
			// A map that is the whole reply has no tag to say it with.
			s.AdditionalProperties = s.AdditionalProperties.orNull()
		}
		ok.Content = members{{"application/json", mediaType{Schema: s}}}
	}
	if r.needs.Feature == auth.Open && r.verb == http.MethodPost {
		ok.Headers = members{
			{"Set-Cookie", members{{"description", "The session, of a call that begins one."}, {"schema", &schema{Type: "string"}}}},
			{"access-token", members{{"description", "The access token, of a call that begins or renews a session."}, {"schema", &schema{Type: "string"}}}},
		}
	}
	list := members{{"200", ok}}
	if r.cached {
		list = append(list, member{"304", response{Description: "Not changed since the version that If-None-Match names."}})
	}
	for _, e := range errorStatuses {
		switch {
		case e.status == "403" && r.needs.Feature == auth.Open && r.verb == http.MethodGet,
			e.status == "413" && r.verb == http.MethodGet,
			e.status == "422" && r.in.NumField() == 0 && r.verb == http.MethodGet:
		default:
			list = append(list, member{e.status, response{Ref: "#/components/responses/" + e.name}})
		}
	}
	return list
}

var errorStatuses = []struct{ status, name, text, header, says string }{
	{"400", "Malformed", "The request cannot be read.", "", ""},
	{"401", "Unauthorized", "What signs in is wrong.", "", ""},
	{"403", "Denied", "The credential is missing or unknown, or its role may not do this.", "X-No-Access-Error", "true when the role is NO_ACCESS."},
	{"405", "NotAllowed", "The path is known, with another verb.", "Allow", "The verbs."},
	{"413", "TooLarge", "The body is larger than allowed.", "", ""},
	{"422", "Invalid", "A field is missing or wrong, or names nothing that the caller can see.", "", ""},
	{"429", "Busy", "Too many tries, or too much at once.", "Retry-After", "Seconds until a new try makes sense."},
}

func errorResponses() members {
	var m members
	for _, e := range errorStatuses {
		r := response{Description: e.text, Content: members{{"application/json", mediaType{Schema: &schema{Ref: "#/components/schemas/errorBody"}}}}}
		if e.header != "" {
			r.Headers = members{{e.header, members{{"description", e.says}, {"schema", &schema{Type: "string"}}}}}
		}
		m = append(m, member{e.name, r})
	}
	return m
}

func headerParameters() members {
	return members{
		{"account", parameter{
			Name: "account", In: "header", Schema: &schema{Type: "string"},
			Description: "The account to work in, one of the user's, when the credential names none.",
		}},
		{"context", parameter{
			Name: "x-context-source", In: "header", Schema: &schema{Type: "string", Examples: []string{"API", "MCP", "GEN_AI", "AGENTIC", "DAST", "ENDPOINT"}},
			Description: "The product scope whose role counts; API when it is absent or unknown.",
		}},
	}
}
