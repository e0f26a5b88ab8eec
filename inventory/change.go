package inventory

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Changes returns the changes that e tells, whole and with its params, newest
// first: at most MaxChanges. They follow from what is stored alone: what came
// after the endpoint itself. A parameter that is found with a second type is not a
// new one.
func (e *Endpoint) Changes() []Change {
	all := []Change{e.change(e.Discovered, NewEndpoint, "")}
	for i := 0; i < len(e.Params); {
		end := i + 1
		for end < len(e.Params) && e.Params[i].samePlace(&e.Params[end].ParamKey) {
			end++
		}
		all = e.paramChanges(all, e.Params[i:end])
		i = end
	}
	for i, code := range e.ResponseCodes {
		if i < len(e.CodeSeen) && e.CodeSeen[i] > e.Discovered {
			all = append(all, e.change(e.CodeSeen[i], NewStatus, strconv.Itoa(code)))
		}
	}
	for i, set := range e.AuthTypes {
		if i < len(e.AuthSeen) && e.AuthSeen[i] > e.Discovered {
			all = append(all, e.change(e.AuthSeen[i], NewAuth, strings.Join(set, "+")))
		}
	}
	slices.SortFunc(all, func(a, b Change) int {
		return cmp.Or(cmp.Compare(b.Time, a.Time), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Detail, b.Detail))
	})
	return all[:min(len(all), MaxChanges)]
}

// paramChanges appends the changes of one parameter, which may have many types.
func (e *Endpoint) paramChanges(all []Change, ps []Param) []Change {
	first := ps[0].FirstSeen
	for i := range ps {
		first = min(first, ps[i].FirstSeen)
	}
	named := false
	for i := range ps {
		p := &ps[i]
		switch {
		case p.FirstSeen > first:
			all = append(all, e.change(p.FirstSeen, NewType, p.where()+" "+p.Type))
		case p.FirstSeen > e.Discovered && !named:
			all = append(all, e.change(p.FirstSeen, NewParam, p.where()))
			named = true
		}
	}
	return all
}

func (e *Endpoint) change(at int64, kind, detail string) Change {
	return Change{EndpointKey: e.EndpointKey, Time: at, Kind: kind, Detail: detail}
}

func (k *ParamKey) samePlace(o *ParamKey) bool {
	return k.ResponseCode == o.ResponseCode && k.place() == o.place() && k.Name == o.Name
}

// where tells the place of a parameter: "request query limit", "200 body id".
func (k *ParamKey) where() string {
	side := "request"
	if k.ResponseCode != -1 {
		side = strconv.Itoa(k.ResponseCode)
	}
	return side + " " + [...]string{"header", "path", "query", "body"}[k.place()] + " " + k.Name
}
