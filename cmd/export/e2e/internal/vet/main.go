// Vet runs go vet's own checks on packages that it reads as source.
//
// The go command compiles everything that a package depends on before it vets it:
// for a system that nothing else is built for, that takes minutes. This program only
// checks types, in a tenth of the time. It reads the module of the folder that it is
// started in, for GOOS and GOARCH. Exit code 0: nothing found; 1: the packages cannot
// be read; 3: findings, which are on standard error.
package main

import (
	"golang.org/x/tools/go/analysis/multichecker"
	"golang.org/x/tools/go/analysis/suite/vet"
)

func main() { multichecker.Main(vet.Suite...) }
