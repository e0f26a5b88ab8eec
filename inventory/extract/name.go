package extract

// maxNames and maxNameBytes bound the table of names. Endpoints have the same
// few names in every exchange; a service that makes names up empties the table
// now and then.
const (
	maxNames     = 16 << 10
	maxNameBytes = 1 << 20
)

// A name is the text of a parameter's name, and the body in which it was last
// counted as distinct.
type name struct {
	text string
	body uint64
}

// names gives equal names the same string, so that a known name costs nothing.
type names struct {
	table map[string]*name
	bytes int
	body  uint64 // the number of the body at hand
}

// begin starts the count of distinct names for another body.
func (n *names) begin() { n.body++ }

func (n *names) seen(m *name) bool { return m.body == n.body }
func (n *names) mark(m *name)      { m.body = n.body }

// trim empties the table when it is full. It is called between entries: within
// a body the count of distinct names needs the table.
func (n *names) trim() {
	if len(n.table) > maxNames || n.bytes > maxNameBytes {
		n.table, n.bytes = nil, 0
	}
}

// find gives the name if it is known, nil if not.
func (n *names) find(b []byte) *name { return n.table[string(b)] }

// get finds or makes the name.
func (n *names) get(b []byte) *name {
	if m := n.table[string(b)]; m != nil {
		return m
	}
	m := &name{text: string(b)}
	if n.table == nil {
		n.table = map[string]*name{}
	}
	n.table[m.text] = m
	n.bytes += len(b)
	return m
}
