package main

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// A password of any characters reaches the command's clients as it is.
func TestEnvironAuth(t *testing.T) {
	env := trustFiles{node: "n.cjs"}.environ([]string{"A=b", "HTTP_PROXY=old"}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}, "jo:p@ss/w:rd#1")
	i := slices.IndexFunc(env, func(e string) bool { return strings.HasPrefix(e, "HTTP_PROXY=") })
	u, err := url.Parse(strings.TrimPrefix(env[i], "HTTP_PROXY="))
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := u.User.Password(); p != "p@ss/w:rd#1" || u.User.Username() != "jo" || u.Host != "127.0.0.1:8080" {
		t.Errorf("HTTP_PROXY is %s: password %q", env[i], p)
	}
	if !slices.Contains(env, "A=b") || slices.Contains(env, "HTTP_PROXY=old") {
		t.Errorf("environment %v", env)
	}
}
