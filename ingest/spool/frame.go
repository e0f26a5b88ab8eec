package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"harken/ingest"
)

// A frame is one record in a segment, in little-endian order:
//
//	length of the payload, uint32
//	CRC-32C of the length and the payload, uint32
//	payload: version byte, form byte, flags uint16, sequence int64, seconds int64,
//	         nanoseconds uint32, collection int32, id 16 bytes,
//	         account, source, direction, host and log id, each a uvarint and bytes,
//	         the sequence at the log of that id as a uvarint unless the id is empty,
//	         and the entry's bytes up to the end
//
// The sequence number is in each frame and not counted from the segment's first,
// so that reading can go on behind a damaged frame and tell how many were lost.
const (
	frameVersion = 1
	frameHead    = 8
	fixedHead    = 44
	// maxHeader bounds the payload without the entry's bytes.
	maxHeader  = 64 << 10
	maxPayload = MaxRecordBytes + maxHeader
)

var (
	errCorrupt = errors.New("damaged frame")
	errVersion = errors.New("frame of a newer version of Harken")
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// frameSize returns the most that r's frame can need, or why the log cannot hold
// it.
func frameSize(r *ingest.Record) (int, string) {
	head := fixedHead + len(r.Account) + len(r.Source) + len(r.Direction) + len(r.Host) + len(r.Origin.Log) + 6*binary.MaxVarintLen64
	switch {
	case len(r.Data) > MaxRecordBytes:
		return 0, fmt.Sprintf("record of %d bytes; the log takes %d", len(r.Data), MaxRecordBytes)
	case head > maxHeader:
		return 0, fmt.Sprintf("record header of %d bytes; the log takes %d", head, maxHeader)
	}
	return frameHead + head + len(r.Data), ""
}

// appendFrame appends the frame of r, whose number in this log is seq.
func appendFrame(dst []byte, r *ingest.Record, seq int64, table *crc32.Table) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, frameHead)...)
	dst = append(dst, frameVersion, byte(r.Form))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(r.Flags))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(seq))                 //nolint:gosec // sequence numbers are positive
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.Time.Unix()))       //nolint:gosec // two's complement, read back as such
	dst = binary.LittleEndian.AppendUint32(dst, uint32(r.Time.Nanosecond())) //nolint:gosec // below 1e9
	dst = binary.LittleEndian.AppendUint32(dst, uint32(r.Collection))        //nolint:gosec // two's complement, read back as such
	dst = append(dst, r.ID[:]...)
	dst = appendText(dst, r.Account)
	dst = appendText(dst, r.Source)
	dst = appendText(dst, r.Direction)
	dst = appendText(dst, r.Host)
	dst = appendText(dst, r.Origin.Log)
	if r.Origin.Log != "" {
		dst = binary.AppendUvarint(dst, uint64(r.Origin.Seq)) //nolint:gosec // sequence numbers are positive
	}
	dst = append(dst, r.Data...)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-frameHead)) //nolint:gosec // at most maxPayload
	binary.LittleEndian.PutUint32(dst[start+4:], checksum(dst[start:], table))
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// checksum leaves the checksum's own place out.
func checksum(frame []byte, table *crc32.Table) uint32 {
	return crc32.Update(crc32.Update(0, table, frame[:4]), table, frame[frameHead:])
}

func payloadLength(frame []byte) int64 { return int64(binary.LittleEndian.Uint32(frame)) }

func validLength(n int64) bool { return n >= fixedHead+5 && n <= maxPayload }

func payloadSeq(payload []byte) int64 {
	return int64(binary.LittleEndian.Uint64(payload[4:])) //nolint:gosec // a negative one fails the range checks
}

// decodePayload fills r from payload, whose checksum was right. r.Data is part of
// payload; strings are taken from in.
func decodePayload(payload []byte, r *ingest.Record, logID string, in *interner) error {
	if payload[0] != frameVersion {
		return errVersion
	}
	r.Form = ingest.Form(payload[1])
	r.Flags = ingest.Flags(binary.LittleEndian.Uint16(payload[2:]))
	seq := payloadSeq(payload)
	sec := int64(binary.LittleEndian.Uint64(payload[12:])) //nolint:gosec // two's complement, written as such
	r.Time = time.Unix(sec, int64(binary.LittleEndian.Uint32(payload[20:]))).UTC()
	r.Collection = int32(binary.LittleEndian.Uint32(payload[24:])) //nolint:gosec // two's complement, written as such
	r.ID = ingest.ID(payload[28:fixedHead])
	rest := payload[fixedHead:]
	for _, s := range [...]*string{&r.Account, &r.Source, &r.Direction, &r.Host, &r.Origin.Log} {
		n, w := binary.Uvarint(rest)
		if w <= 0 || n > uint64(len(rest)-w) { //nolint:gosec // w is at most len(rest)
			return errCorrupt
		}
		end := w + int(n) //nolint:gosec // at most len(rest)
		*s = in.text(rest[w:end])
		rest = rest[end:]
	}
	if r.Origin.Log == "" {
		r.Origin = ingest.Origin{Log: logID, Seq: seq}
	} else {
		n, w := binary.Uvarint(rest)
		if w <= 0 {
			return errCorrupt
		}
		r.Origin.Seq = int64(n) //nolint:gosec // written from a positive int64
		rest = rest[w:]
	}
	r.Data = rest
	return nil
}

// An interner gives equal texts one string, so that reading a record does not
// allocate: a log has few accounts, sources and hosts, and many records.
type interner struct {
	texts map[string]string
}

// maxInterned bounds the texts that are kept; a scan of a host name's subdomains
// must not grow the map without end.
const maxInterned = 4096

func (in *interner) text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := in.texts[string(b)]; ok {
		return s
	}
	if in.texts == nil || len(in.texts) >= maxInterned {
		in.texts = make(map[string]string, 16)
	}
	s := string(b)
	in.texts[s] = s
	return s
}
