package auth_test

import (
	"fmt"
	"strings"
	"testing"

	"harken/admin/auth"
)

func TestNote(t *testing.T) {
	var c auth.Caller
	c.Note("apiCollectionIds", make([]int64, 1000))
	c.Note("collectionName", strings.Repeat("é", 200)+"\xff")
	c.Note("newPassword", "hunter2")
	c.Note("api_key", "hunter2")
	c.Note("apiTokenId", int32(7))
	c.Note("anything", struct{ Password string }{"hunter2"})
	c.Note("names", []string{"a", strings.Repeat("b", 1000)})
	notes := c.Notes()
	if n := len(notes["apiCollectionIds"].([]int64)); n != 100 {
		t.Errorf("%d ids are kept", n)
	}
	if s := notes["collectionName"].(string); len(s) > 256 || !strings.HasPrefix(s, "é") {
		t.Errorf("name %q", s)
	}
	if s := fmt.Sprint(notes); strings.Contains(s, "hunter2") || notes["apiTokenId"] != int32(7) || len(notes["names"].([]string)[1]) != 256 {
		t.Errorf("notes %s", s)
	}
	for i := range 100 {
		c.Note(fmt.Sprint("n", i), i)
	}
	if n := len(c.Notes()); n != 32 {
		t.Errorf("%d notes are kept", n)
	}
}
