package admin

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"harken/har"
)

// appendJSON implements appender. Samples are the largest answer of the API that is
// asked for often.
func (r fetchSamplesResponse) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"sampleDataList":`...)
	dst = appendList(dst, r.SampleDataList, appendSampleData)
	dst = append(dst, `,"traffic":`...)
	dst = appendCounts(dst, r.Traffic)
	dst = append(dst, `,"trafficByStatus":`...)
	dst = appendList(dst, r.TrafficByStatus, appendStatusCount)
	dst = append(dst, `,"sensitiveSampleData":`...)
	dst = appendOther(dst, r.SensitiveSampleData)
	return append(dst, '}')
}

func appendSampleData(dst []byte, d *sampleData) []byte {
	dst = append(dst, `{"id":{"apiCollectionId":`...)
	dst = strconv.AppendInt(dst, int64(d.ID.Collection), 10)
	dst = append(dst, `,"url":`...)
	dst = appendText(dst, d.ID.URL)
	dst = append(dst, `,"method":`...)
	dst = appendText(dst, d.ID.Method)
	dst = append(dst, `,"responseCode":`...)
	dst = strconv.AppendInt(dst, int64(d.ID.ResponseCode), 10)
	dst = append(dst, `,"bucketStartEpoch":`...)
	dst = strconv.AppendInt(dst, int64(d.ID.BucketStartEpoch), 10)
	dst = append(dst, `,"bucketEndEpoch":`...)
	dst = strconv.AppendInt(dst, int64(d.ID.BucketEndEpoch), 10)
	dst = append(dst, `},"samples":`...)
	dst = appendList(dst, d.Samples, func(dst []byte, s *string) []byte { return appendText(dst, *s) })
	dst = append(dst, `,"collectionIds":`...)
	dst = appendList(dst, d.CollectionIDs, func(dst []byte, id *int32) []byte { return strconv.AppendInt(dst, int64(*id), 10) })
	return append(dst, '}')
}

func appendStatusCount(dst []byte, s *statusCount) []byte {
	dst = append(dst, `{"start":`...)
	dst = strconv.AppendInt(dst, s.Start, 10)
	dst = append(dst, `,"length":`...)
	dst = strconv.AppendInt(dst, s.Length, 10)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(s.Status), 10)
	dst = append(dst, `,"count":`...)
	dst = strconv.AppendInt(dst, s.Count, 10)
	return append(dst, '}')
}

// appendList appends a list as encoding/json does: null if it is nil.
func appendList[T any](dst []byte, list []T, one func(dst []byte, v *T) []byte) []byte {
	if list == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, &list[i])
	}
	return append(dst, ']')
}

func appendCounts(dst []byte, m map[string]int64) []byte {
	if m == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, name), ':')
		dst = strconv.AppendInt(dst, m[name], 10)
	}
	return append(dst, '}')
}

// appendText appends s as a JSON string. What encoding/json writes in another way
// than package har does is left to it.
func appendText(dst []byte, s string) []byte {
	if strings.IndexByte(s, '\b') >= 0 || strings.IndexByte(s, '\f') >= 0 || strings.Contains(s, "\u2028") || strings.Contains(s, "\u2029") || !utf8.ValidString(s) {
		return appendOther(dst, s)
	}
	return har.AppendString(dst, s)
}

// appendOther appends what has a JSON form, whatever it is.
func appendOther(dst []byte, v any) []byte {
	b, err := appendReply(dst, v)
	if err != nil {
		panic(err) // there are no values without a form in the types that this is for
	}
	return b
}
