package deploy

import (
	"os"
	"path/filepath"
	"testing"
)

// root is the top of the repository.
var root = filepath.Join("..", "..", "..", "..")

// readFile returns a file of the repository.
func readFile(t *testing.T, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
