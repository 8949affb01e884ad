package sinks

import (
	"context"
	"path"
	"slices"
	"strings"
)

// Portals returns the names of the portals that a store has something of for the
// dataset called name, sorted.
func Portals(ctx context.Context, s Store, name string) ([]string, error) {
	var portals []string
	for _, place := range []string{"_runs", "_state"} {
		prefix := path.Join(place, name) + "/portal="
		for e, err := range s.List(ctx, prefix) {
			if err != nil {
				return nil, err
			}
			portal, _, ok := strings.Cut(strings.TrimPrefix(e.Key, prefix), "/")
			if ok && !slices.Contains(portals, portal) {
				portals = append(portals, portal)
			}
		}
	}
	slices.Sort(portals)
	return portals, nil
}
