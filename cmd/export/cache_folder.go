package main

import (
	"path/filepath"
	"runtime"
)

// cacheFolder returns the folder for files that this program can work without: the
// folder b24export in the user's cache folder, as os.UserCacheDir defines it. It
// returns "" if the environment names none.
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
