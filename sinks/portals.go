package sinks

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Portals returns the names of the portals for which a store has objects of the dataset
// called name, sorted.
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

// Datasets returns the names of the datasets of which a store has manifests or private
// objects, sorted.
func Datasets(ctx context.Context, s Store) ([]string, error) {
	var names []string
	for _, place := range []string{"_runs/", "_state/"} {
		for e, err := range s.List(ctx, place) {
			if err != nil {
				return nil, err
			}
			name, rest, _ := strings.Cut(strings.TrimPrefix(e.Key, place), "/")
			if strings.HasPrefix(rest, "portal=") && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

// CheckPortalName returns an error if a portal cannot have this name.
func CheckPortalName(name string) error {
	if !validPortal.MatchString(name) || name == "null" {
		return fmt.Errorf("portal name %q: must be of a-z, 0-9 and -, and not null", name)
	}
	return nil
}
