// Vet runs the checks of go vet on packages that it reads as source.
//
// The go command compiles all dependencies of a package before it vets the package. For
// a system that nothing else is built for, this takes minutes. This program only checks
// types, in a tenth of the time. It reads the module of the working directory, for GOOS
// and GOARCH. Exit code 0: nothing found; 1: the packages cannot be read; 3: findings,
// which are on standard error.
package main

import (
	"golang.org/x/tools/go/analysis/multichecker"
	"golang.org/x/tools/go/analysis/suite/vet"
)

func main() { multichecker.Main(vet.Suite...) }
