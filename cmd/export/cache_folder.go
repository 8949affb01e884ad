package main

import (
	"path/filepath"
	"runtime"
)

// cacheFolder returns the folder in which this program may keep what it can do
// without, "" if the environment names none: b24export in the user's folder for
// caches, as os.UserCacheDir has it.
func (p *program) cacheFolder() string {
	folder := func(variable string, below ...string) string {
		dir, ok := p.lookup(variable)
		if !ok || !filepath.IsAbs(dir) {
			return ""
		}
		return filepath.Join(append(append([]string{dir}, below...), "b24export")...)
	}
	switch runtime.GOOS {
	case "windows":
		return folder("LocalAppData")
	case "darwin":
		return folder("HOME", "Library", "Caches")
	}
	if dir := folder("XDG_CACHE_HOME"); dir != "" {
		return dir
	}
	return folder("HOME", ".cache")
}
