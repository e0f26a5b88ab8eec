package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"harken/har"
	"harken/internal/flagenv"
)

// problemsShown bounds what is printed about one file.
const problemsShown = 20

// harCommand validates and summarizes files. One that was cut while it was
// written is repaired first. Status 1 says that a file has problems.
func harCommand(files []string) (int, error) {
	if len(files) == 0 || files[0] == "-h" || files[0] == "-help" || files[0] == "--help" {
		fmt.Println("Usage: harken-proxy har FILE...\n\nValidates HAR 1.2 files and says what is in them. A file of Harken whose last\nentry was cut is repaired.")
		if len(files) == 0 {
			return 2, errShown
		}
		return 0, errShown
	}
	status := 0
	for _, name := range files {
		if name[0] == '-' {
			return 0, &flagenv.Error{Flag: name[1:], Unknown: true, Accepted: "har takes files only"}
		}
		ok, err := summarize(name)
		if err != nil {
			return 0, err
		}
		if !ok {
			status = 1
		}
	}
	return status, nil
}

// summarize prints what one file holds, and tells whether it is valid.
func summarize(path string) (bool, error) {
	repaired, err := har.Repair(path)
	switch {
	case err != nil:
		// Not a file that Harken wrote, or one that it may not change: what is in it
		// can still be said.
	case repaired.Changed:
		fmt.Printf("%s: repaired: %d whole entries kept, %d bytes of a cut one removed\n", path, repaired.Entries, repaired.Cut)
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	sum, problems, err := har.Summarize(f)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	fmt.Printf("%s: %d entries\n", path, sum.Entries)
	if sum.Entries > 0 {
		fmt.Printf("  time     %s to %s\n  hosts    %s\n  methods  %s\n  statuses %s\n  bodies   %d bytes up, %d bytes down\n",
			sum.First.Format(time.RFC3339), sum.Last.Format(time.RFC3339), counts(sum.Hosts), counts(sum.Methods), counts(sum.Statuses),
			sum.RequestBytes, sum.ResponseBytes)
	}
	if len(sum.Flags) > 0 {
		fmt.Printf("  flags    %s\n", counts(sum.Flags))
	}
	for i, p := range problems {
		if i == problemsShown {
			fmt.Printf("  and %d problems more\n", len(problems)-i)
			break
		}
		fmt.Printf("  %s\n", p)
	}
	return len(problems) == 0, nil
}

// shownCounts bounds how many different hosts, say, one line names.
const shownCounts = 12

func counts[K int | string](m map[K]int) string {
	var b strings.Builder
	for i, k := range har.SortedKeys(m) {
		if i == shownCounts {
			fmt.Fprintf(&b, " and %d more", len(m)-i)
			break
		}
		fmt.Fprintf(&b, " %v (%d)", k, m[k])
	}
	return strings.TrimSpace(b.String())
}
