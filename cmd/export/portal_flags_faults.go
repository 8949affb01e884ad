package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"b24export/bitrix/bitrixtest"
)

// parseFault parses a fault as a flag has it: its kind, then conditions and details, as
// in html,every=20,times=3.
func parseFault(text string) (bitrixtest.Fault, error) {
	kind, rest, _ := strings.Cut(text, ",")
	f := bitrixtest.Fault{Kind: bitrixtest.FaultKind(kind)}
	for pair := range strings.SplitSeq(rest, ",") {
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		if err := setFault(&f, key, value); err != nil {
			return f, err
		}
	}
	return f, nil
}

func setFault(f *bitrixtest.Fault, key, value string) (err error) {
	whole := func(to *int) {
		if *to, err = strconv.Atoi(value); err != nil {
			err = fmt.Errorf("%s: %q: must be a whole number", key, value)
		}
	}
	switch key {
	case "at":
		n := 0
		whole(&n)
		f.At = append(f.At, n)
	case "from":
		whole(&f.From)
	case "to":
		whole(&f.To)
	case "every":
		whole(&f.Every)
	case "times":
		whole(&f.Times)
	case "size":
		whole(&f.Size)
	case "status":
		whole(&f.Status)
	case "share":
		if f.Share, err = strconv.ParseFloat(value, 64); err != nil {
			err = fmt.Errorf("share: %q: must be a number from 0 to 1", value)
		}
	case "delay":
		if f.Delay, err = time.ParseDuration(value); err != nil {
			err = fmt.Errorf("delay: %q: must be a duration such as 2s", value)
		}
	case "method":
		f.Method = value
	case "code":
		f.Code = value
	case "description":
		f.Description = value
	case "result":
		f.Result = value
	default:
		err = fmt.Errorf("%s: unknown; there are at, from, to, every, share, times, method, status, code, description, delay, result, size", key)
	}
	return err
}
