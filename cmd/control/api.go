package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"harken/admin"
	"harken/internal/flagenv"
	"harken/internal/wire"
)

const aboutAPI = `Usage: harken-control api [flags]
       harken-control api [flags] NAME [key=value...]
       harken-control api [flags] NAME -
       harken-control api NAME -h

Calls an endpoint of a running control plane and prints its answer; without a
name it lists the endpoints. A value is text, which the API reads as a number,
a boolean or a list with commas where it wants one. key=@FILE is the content of
a file as text, key:=JSON and key:=@FILE are JSON, a key given twice is a list,
and - is the whole body from standard input. The exit status is 1 when the API
refuses, with its words on standard error, and 2 for a mistake here.

Without a key the one in first-run.json in -data is used, for a control plane on
this machine.`

// defaultURL is where a control plane listens when nobody says otherwise.
const defaultURL = "http://127.0.0.1:8081"

// An apiClient is harken-control api.
type apiClient struct {
	url, key, data string
	in             io.Reader
	out            io.Writer
	env            func(string) (string, bool)
}

func (c *apiClient) define(s *flagenv.Set) {
	s.About(aboutAPI)
	s.Group("Which control plane")
	s.String(&c.url, "url", "", "its address; "+defaultURL+" by default", flagenv.Opt{Value: "URL"})
	s.Secret(&c.key, "api-key", "API key")
	s.String(&c.data, "data", "harken-data", "directory of its data, where first-run.json is", flagenv.Opt{Value: "DIR"})
}

func (c *apiClient) run(ctx context.Context, args []string) error {
	set := flagenv.New(name+" api", c.env)
	c.define(set)
	err := set.Parse(args)
	switch {
	case errors.Is(err, flagenv.ErrHelp):
		return set.Usage(c.out, errors.Is(err, flagenv.ErrHelpAll))
	case err != nil:
		return err
	}
	all := admin.Operations()
	if len(set.Args()) == 0 {
		return c.list(all)
	}
	op, err := find(all, set.Args()[0])
	if err != nil {
		return err
	}
	rest := set.Args()[1:]
	if len(rest) == 1 && (rest[0] == "-h" || rest[0] == "--help") {
		return c.explain(op)
	}
	body, err := c.body(op, rest)
	if err != nil {
		return err
	}
	if err := c.locate(); err != nil {
		return err
	}
	return c.call(ctx, op, body)
}

// list prints a line for each endpoint, by groups.
func (c *apiClient) list(all []admin.Operation) error {
	var b strings.Builder
	group := ""
	for i := range all {
		if all[i].Group != group {
			group = all[i].Group
			fmt.Fprintf(&b, "%s%s\n", map[bool]string{true: "\n"}[b.Len() > 0], group)
		}
		fmt.Fprintf(&b, "  %-33s %s\n", all[i].Name, all[i].Summary)
	}
	_, err := io.WriteString(c.out, b.String())
	return err
}

// explain prints what an endpoint is and takes.
func (c *apiClient) explain(op *admin.Operation) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n%s.\n", op.Verb, op.Path, op.Summary)
	for _, f := range op.Fields() {
		fmt.Fprintf(&b, "  %-25s %s\n", f.Name, strings.TrimSpace(map[bool]string{true: "required "}[f.Required]+f.Description))
	}
	_, err := io.WriteString(c.out, b.String())
	return err
}

// find is the endpoint of a name; the error lists those that may be meant.
func find(all []admin.Operation, want string) (*admin.Operation, error) {
	short := strings.ToLower(strings.TrimPrefix(want, "/api/"))
	var near []string
	for i := range all {
		low := strings.ToLower(all[i].Name)
		if low == short || all[i].Path == want {
			return &all[i], nil
		}
		limit := len(short)/3 + 2
		if len(short) > 2 && strings.Contains(low, short) || flagenv.EditDistance(low, short, limit) < limit {
			near = append(near, all[i].Name)
		}
	}
	hint := name + " api lists all"
	if len(near) > 0 {
		hint = "did you mean " + strings.Join(near[:min(len(near), 6)], ", ") + "? " + hint
	}
	return nil, wire.MisuseError(fmt.Sprintf("no endpoint is called %q; %s", want, hint))
}

// body makes the members of the request; nil with raw bytes is not used.
func (c *apiClient) body(op *admin.Operation, args []string) (*apiBody, error) {
	b := &apiBody{members: map[string]any{}}
	if len(args) == 1 && args[0] == "-" {
		if op.Verb == http.MethodGet {
			return nil, wire.MisuseError(op.Name + " takes no body, only key=value")
		}
		var err error
		b.raw, err = io.ReadAll(c.in)
		return b, err
	}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		key, isJSON := strings.CutSuffix(key, ":")
		if !ok || key == "" {
			return nil, wire.MisuseError(fmt.Sprintf("%q is not key=value, key:=JSON or key=@FILE; %s api -h says more", arg, name))
		}
		if !slices.ContainsFunc(op.Fields(), func(f admin.Field) bool { return f.Name == key }) {
			return nil, wire.MisuseError(fmt.Sprintf("%s has no field %q; %s api %s -h lists them", op.Name, key, name, op.Name))
		}
		if file, ok := strings.CutPrefix(value, "@"); ok {
			text, err := os.ReadFile(filepath.Clean(file))
			if err != nil {
				return nil, wire.MisuseError(fmt.Sprintf("%s: %v", key, err))
			}
			value = string(text)
		}
		isJSON = isJSON || !op.TakesText(key) && json.Valid([]byte(value))
		if isJSON && !json.Valid([]byte(value)) {
			return nil, wire.MisuseError(fmt.Sprintf("%s: what follows := is not JSON", key))
		}
		b.add(key, value, isJSON)
	}
	return b, nil
}

// An apiBody is a request before it is written.
type apiBody struct {
	raw     []byte
	members map[string]any
	query   url.Values
}

func (b *apiBody) add(key, value string, isJSON bool) {
	var v any = value
	if isJSON {
		v = json.RawMessage(value)
	}
	if b.query == nil {
		b.query = url.Values{}
	}
	b.query.Add(key, value)
	switch before := b.members[key].(type) {
	case nil:
		b.members[key] = v
	case []any:
		b.members[key] = append(before, v)
	default:
		b.members[key] = []any{before, v}
	}
}

// locate finds address and key where they were not given. The key of first-run.json
// belongs to the control plane that wrote it, so it is sent to this machine only.
func (c *apiClient) locate() error {
	var said firstRun
	if b, err := os.ReadFile(filepath.Join(c.data, firstRunFile)); err == nil {
		_ = json.Unmarshal(b, &said) // a torn file is as good as none
	}
	if c.url == "" {
		c.url = defaultURL
	}
	u, err := url.Parse(c.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return wire.Bad("url", c.url, "an address such as "+defaultURL, nil)
	}
	ip := net.ParseIP(u.Hostname())
	if c.key == "" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		c.key = said.APIKey
	}
	return nil
}

func (c *apiClient) call(ctx context.Context, op *admin.Operation, b *apiBody) error {
	target := strings.TrimSuffix(c.url, "/") + op.Path
	var body []byte
	if op.Verb == http.MethodGet {
		if len(b.query) > 0 {
			target += "?" + b.query.Encode()
		}
	} else if body = b.raw; body == nil {
		var err error
		if body, err = json.Marshal(b.members); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, op.Verb, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("X-API-KEY", c.key)
	}
	// A redirect would take the key to wherever it leads.
	hc := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := hc.Do(req)
	if err != nil {
		return err
	}
	err = c.print(op, res)
	return errors.Join(err, res.Body.Close())
}

// print writes the answer, or makes an error of one that refuses.
func (c *apiClient) print(op *admin.Operation, res *http.Response) error {
	if res.StatusCode == http.StatusOK && op.File {
		_, err := io.Copy(c.out, res.Body)
		return err
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", op.Name, err)
	}
	if res.StatusCode != http.StatusOK {
		var refusal struct {
			ActionErrors []string `json:"actionErrors"`
		}
		if json.Unmarshal(b, &refusal) != nil || len(refusal.ActionErrors) == 0 {
			return fmt.Errorf("%s: status %d from what may be no control plane", op.Name, res.StatusCode)
		}
		return fmt.Errorf("%s: %s (status %d)", op.Name, strings.Join(refusal.ActionErrors, "\n"), res.StatusCode)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return fmt.Errorf("%s: the answer is not JSON: %w", op.Name, err)
	}
	out.WriteByte('\n')
	_, err = c.out.Write(out.Bytes())
	return err
}
