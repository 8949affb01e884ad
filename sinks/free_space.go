package sinks

// FreeSpace returns how many bytes may still be written to the disk of a store that
// is a local folder; false for a bucket, and where the system does not report it.
func FreeSpace(s Store) (int64, bool) {
	f, ok := s.(*Folder)
	if !ok {
		return 0, false
	}
	free, err := freeSpace(f.path)
	return free, err == nil
}
