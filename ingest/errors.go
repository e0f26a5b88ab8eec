package ingest

import "fmt"

// A RejectedError is what a Sink's Put returns when it answers for every record
// but those named here, and will never take these: trying again is of no use.
type RejectedError struct {
	Records []Rejection // by rising Index
}

// A Rejection is one record of a Put that the Sink refused for good. Index is
// the record's place in Put's arguments, from 0.
type Rejection struct {
	Index  int
	Reason string
}

// Reject returns a RejectedError of one record.
func Reject(index int, reason string) *RejectedError {
	return &RejectedError{Records: []Rejection{{index, reason}}}
}

func (e *RejectedError) Error() string {
	if len(e.Records) == 0 {
		return "records rejected"
	}
	return fmt.Sprintf("%d records rejected; record %d: %s", len(e.Records), e.Records[0].Index, e.Records[0].Reason)
}
