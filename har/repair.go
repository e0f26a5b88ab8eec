package har

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// A RepairReport is what Repair found and did.
type RepairReport struct {
	Entries int   // whole entries in the file
	Cut     int64 // bytes behind the last whole entry that were taken away
	Changed bool  // the file was written to

	end int64
}

// Repair makes the HAR file at path whole again after its writer was killed: the
// one entry that was being written is cut, and the trailer put behind the entries
// before it. It reads the file once, in constant memory.
//
// It touches only files that this package wrote, and of those only the end: a
// file that is damaged before its last entry is refused, because cutting there
// would destroy entries that are whole.
func Repair(path string) (RepairReport, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return RepairReport{}, err
	}
	rep, err := repairLocked(f)
	if err != nil {
		return RepairReport{}, errors.Join(fmt.Errorf("repair %s: %w", path, err), f.Close())
	}
	return rep, f.Close()
}

func repairLocked(f *os.File) (RepairReport, error) {
	if err := lock(f); err != nil {
		return RepairReport{}, err
	}
	info, err := f.Stat()
	if err != nil {
		return RepairReport{}, err
	}
	if !info.Mode().IsRegular() {
		return RepairReport{}, errors.New("not a regular file")
	}
	if info.Size() == 0 {
		return RepairReport{}, errors.New("it is empty")
	}
	return repair(f, info.Size(), Head{})
}

func repair(f *os.File, size int64, h Head) (RepairReport, error) {
	if whole, err := partOfHead(f, size); err != nil {
		return RepairReport{}, err
	} else if !whole {
		return rewrite(f, 0, size, h.append(nil), RepairReport{})
	}
	r := NewReader(io.NewSectionReader(f, 0, size))
	r.skimming = true
	rep, complete, err := lastWhole(r)
	if err != nil {
		return rep, err
	}
	rest := size - rep.end
	if rest <= maxMember {
		b := make([]byte, rest)
		if _, err := f.ReadAt(b, rep.end); err != nil {
			return rep, err
		}
		if string(b) == trailer {
			return rep, nil
		}
		if compact := bytes.Join(bytes.Fields(b), nil); string(compact) == "]}}" {
			return rewrite(f, rep.end, size, nil, rep)
		}
	}
	if complete {
		return rep, errors.New("it has members behind its entries, so it is left as it is")
	}
	if err := oneTornEntry(f, rep.end, size); err != nil {
		return rep, err
	}
	rep.Cut = rest
	return rewrite(f, rep.end, size, nil, rep)
}

// partOfHead reports whether the head is whole; a file cut inside the head, or
// with nothing in it, has nothing to lose.
func partOfHead(f *os.File, size int64) (whole bool, err error) {
	b := make([]byte, min(size, maxMember))
	if _, err := f.ReadAt(b, 0); err != nil {
		return false, err
	}
	n := min(len(b), len(headStart))
	if string(b[:n]) != headStart[:n] {
		return false, errNotOurs
	}
	if bytes.Contains(b, []byte(headEnd)) {
		return true, nil
	}
	if size > maxMember || bytes.IndexByte(b, '\n') >= 0 {
		return false, errNotOurs
	}
	return false, nil
}

var errNotOurs = errors.New("not a HAR file that Harken wrote, so it is left as it is; choose another file")

// lastWhole finds the end of the last entry that is whole, and reports whether
// the document is complete.
func lastWhole(r *Reader) (rep RepairReport, complete bool, err error) {
	for {
		_, err = r.Next()
		switch {
		case err == nil && !r.odd && r.end-r.start > int64(len("{}")):
			// Bytes that never reached the disk are zeros, a line feed means that
			// brackets of other entries made up for a missing one, and "{}" is what
			// the first bytes of an entry make with the rest of an old trailer.
			rep.Entries, rep.end = r.index, r.end
			continue
		case err == nil, errors.Is(err, io.EOF):
		default:
			if _, ok := errors.AsType[*DocumentError](err); !ok {
				return rep, false, err
			}
		}
		if !r.entries {
			return rep, false, errNotOurs
		}
		if rep.Entries == 0 {
			rep.end = r.head
		}
		return rep, errors.Is(err, io.EOF), nil
	}
}

// oneTornEntry checks that what stands behind the last whole entry is no more
// than one entry, without its end, and bytes of the trailer that it overwrote.
// Entries have no line feeds, so a second line would be an entry that is whole.
func oneTornEntry(f *os.File, end, size int64) error {
	r := io.NewSectionReader(f, end, size-end)
	buf := make([]byte, readSize)
	skip := len(",\n")
	at := end
	for {
		n, err := r.Read(buf)
		b := buf[:n]
		from := min(skip, n)
		skip -= from
		if i := bytes.IndexByte(b[from:], '\n'); i >= 0 {
			if behind := size - (at + int64(from+i)); behind > int64(len(trailer)) {
				return fmt.Errorf("damaged at byte %d, with %d bytes of later entries behind it, so it is left as it is", end, behind)
			}
			return nil
		}
		at += int64(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// rewrite puts head, if any, and the trailer at offset end, and cuts the file
// behind them.
func rewrite(f *os.File, end, size int64, head []byte, rep RepairReport) (RepairReport, error) {
	b := append(bytes.Clone(head), trailer...)
	if _, err := f.WriteAt(b, end); err != nil {
		return rep, err
	}
	if now := end + int64(len(b)); now < size {
		if err := f.Truncate(now); err != nil {
			return rep, err
		}
	}
	rep.end = end + int64(len(head))
	rep.Changed = true
	return rep, nil
}
