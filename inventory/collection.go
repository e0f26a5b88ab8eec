package inventory

// DefaultAccount is the first account ever made.
const DefaultAccount int32 = 1000000

// A Collection is a set of endpoints: a host's live traffic, or what a person
// put together.
type Collection struct {
	ID                       int32
	Name                     string // "" for host collections without a name
	HostName                 string // "" unless the collection is of live traffic
	VxlanID                  int32
	Description              string
	StartTS                  int64 // Unix seconds
	Redact                   bool
	SampleCollectionsDropped bool
	Deactivated              bool
	OutOfTestingScope        bool
	Automated                bool
	Type                     string // "" or API_GROUP
	Tags                     []Tag
	AccessType               string // "", Internal, Third party or Unknown
	URLsCount                int    // computed on reading
}

// A Tag is a label of a collection; the environment is the one with KeyName
// "envType".
type Tag struct {
	LastUpdatedTS int64  `json:"lastUpdatedTs"`
	KeyName       string `json:"keyName"`
	Value         string `json:"value"`
	Source        string `json:"source"`
}

// DisplayName is the name that people see: host, name, or both.
func (c *Collection) DisplayName() string {
	switch {
	case c.HostName == "":
		return c.Name
	case c.Name == "":
		return c.HostName
	}
	return c.HostName + " - " + c.Name
}
