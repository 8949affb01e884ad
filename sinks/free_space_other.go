//go:build !unix

package sinks

import "errors"

// freeSpace is not available on this system.
func freeSpace(string) (int64, error) { return 0, errors.ErrUnsupported }
