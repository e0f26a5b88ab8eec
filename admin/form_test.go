package admin

import (
	"net/url"
	"slices"
	"testing"
)

// A list is one field with commas, or a field that is repeated: no value of it is
// dropped.
func TestFormLists(t *testing.T) {
	var in struct {
		Ints    Ints    `json:"ints"`
		Refs    Refs    `json:"refs"`
		Objects Refs    `json:"objects"`
		Strings Strings `json:"strings"`
		Text    string  `json:"text"`
	}
	q, err := url.ParseQuery("ints=1&ints=2,3&refs=4&refs=5&objects=%5B%7B%22id%22:6%7D%5D&strings=a&strings=b,c&text=x&text=y")
	if err != nil {
		t.Fatal(err)
	}
	if err := texts(q).decode(&in); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(in.Ints, Ints{1, 2, 3}) || !slices.Equal(in.Refs, Refs{4, 5}) || !slices.Equal(in.Objects, Refs{6}) ||
		!slices.Equal(in.Strings, Strings{"a", "b", "c"}) || in.Text != "y" {
		t.Errorf("decoded %+v", in)
	}
}
