package sinks

// FreeSpace returns how many bytes can still be written to the disk of a store that is
// a local folder. It returns false for a bucket, and if the system does not report it.
func FreeSpace(s Store) (int64, bool) {
	f, ok := s.(*Folder)
	if !ok {
		return 0, false
	}
	free, err := freeSpace(f.path)
	return free, err == nil
}
