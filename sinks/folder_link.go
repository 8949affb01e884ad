package sinks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// Link implements Store. dst becomes a second name of src's file: a hard link under a
// temporary name, a rename, and a sync of the folder. On a file system without hard
// links it is a copy.
func (f *Folder) Link(ctx context.Context, dst, src string) error {
	root, err := f.begin(ctx, "link", dst, false)
	if err != nil {
		return err
	}
	if err := checkKey(src); err != nil {
		return fmt.Errorf("link: %w", err)
	}
	dir, name := path.Split(dst)
	tmp := dir + "." + name + "." + rand.Text()[:12] + tempSuffix
	// A delete in another process may remove folders that have become empty, between
	// any two steps here. The link also has the age of src, so a sweep beside this run, as
	// of a backfill, may delete it before the rename. A few rounds are enough to succeed.
	for try := 0; ; try++ {
		if _, err := root.Stat(src); err != nil {
			return fmt.Errorf("link %s to %s: %w", dst, src, plain(err))
		}
		if err = f.makeParents(root, path.Dir(dst)); err == nil {
			err = root.Link(src, tmp)
		}
		if linksUnsupported(err) {
			return f.Copy(ctx, dst, src)
		}
		if err == nil {
			// If the program dies before the rename, the temporary name stays until a
			// sweep. If it dies after the rename, dst is complete.
			err = root.Rename(tmp, dst)
			// A rename of one name of a file to another name of it leaves both names.
			if rerr := root.Remove(tmp); err == nil && rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
				err = rerr
			}
		}
		if !errors.Is(err, fs.ErrNotExist) || try == 100 {
			break
		}
		f.forget(".")
	}
	if err == nil {
		err = syncFolder(root, path.Dir(dst))
	}
	if err != nil {
		return fmt.Errorf("link %s to %s: %w", dst, src, plain(err))
	}
	return nil
}
