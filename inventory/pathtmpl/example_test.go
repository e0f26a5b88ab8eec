package pathtmpl_test

import (
	"fmt"

	"harken/inventory/pathtmpl"
)

// A learner resolves every request, and calls Merge some seconds after new URLs
// came. What Merge absorbs it rewrites in its store.
func ExampleSet_Merge() {
	set := pathtmpl.NewSet(pathtmpl.Options{})
	for _, vendor := range []string{"zxqv", "kplm", "qztw", "wjxk", "vbnq", "hgfz", "tqpl", "mzrk", "dxvw", "jqkn", "pwzt"} {
		url, _, isNew := set.Resolve("GET", "https://api.example/vendors/"+vendor+"/stats?page=1")
		_, _ = url, isNew // Recorded under url, and made an endpoint when new.
	}
	absorbed := set.Merge(pathtmpl.MergeOptions{Shape: func(method, url string) (pathtmpl.Shape, bool) {
		// From the parameters of the endpoint in the store.
		return pathtmpl.NewShape([]string{"page"}, map[int][]string{200: {"name", "total"}}), true
	}})
	for _, a := range absorbed {
		fmt.Println(a.Method, a.Template, a.Rule, len(a.URLs))
	}
	url, _, isNew := set.Resolve("GET", "/vendors/ghkl/stats")
	fmt.Println(url, isNew)
	// Output:
	// GET /vendors/STRING/stats body-similar 11
	// /vendors/STRING/stats false
}

func ExampleFromBraces() {
	fmt.Println(pathtmpl.FromBraces("/pets/{petId}/photos/{n:int}"))
	// Output: /pets/STRING/photos/INTEGER
}
