#!/usr/bin/env bash
# cloud.google.com/go/storage v1.67.0, google.golang.org/api v0.297.0, google.golang.org/grpc v1.85.0, Go 1.26.
# A good guess: the storage client's build tag disable_grpc_modules takes gRPC out, and a debug page that nobody registers
# costs no more than its own code.
# Behaviour: with that tag a program that lists a bucket over JSON still links grpc, which imports golang.org/x/net/trace
# for its debug pages. Their template reaches text/template's evalField, which calls a method by its name. From then on
# the linker keeps every exported method of every type that is reachable, called or not. grpc's own tag grpcnotrace cuts
# that import, and makes the program smaller by more than a fifth.
# Seen 2026-11-29: 20.4 MB with disable_grpc_modules, 15.9 MB with grpcnotrace as well, linux/amd64 with -s -w.
# With the older versions that storage's own go.mod asks for (api v0.287.1, grpc v1.82.1), the gain was 2 % only.
# Why it matters: the second tag belongs to a module that the program never calls. The client's package documentation,
# README and changes do not name it. One import of a debug page costs more than all that its own package holds.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=0
cat >go.mod <<'END'
module see

go 1.26

require (
	cloud.google.com/go/storage v1.67.0
	golang.org/x/net v0.62.0
	google.golang.org/api v0.297.0
	google.golang.org/grpc v1.85.0
)
END
cat >main.go <<'END'
// Command see prints the names of a bucket's objects.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"
)

func main() {
	ctx := context.Background()
	client, err := storage.NewClient(ctx)
	if err != nil {
		panic(err)
	}
	objects := client.Bucket(os.Args[1]).Objects(ctx, nil)
	for {
		object, err := objects.Next()
		if errors.Is(err, iterator.Done) {
			return
		}
		if err != nil {
			panic(err)
		}
		fmt.Println(object.Name)
	}
}
END
go mod tidy 2>log || { cat log >&2; exit 1; }
go list -m cloud.google.com/go/storage golang.org/x/net google.golang.org/api google.golang.org/grpc | tee saw

for tags in disable_grpc_modules disable_grpc_modules,grpcnotrace; do
	go build -tags $tags -ldflags "-s -w -dumpdep" -o see-$tags . 2>dump || { tail dump >&2; exit 1; }
	packages=$(go list -tags $tags -deps . | grep -xE 'google.golang.org/grpc|golang.org/x/net/trace' | sort | xargs)
	reached=$(grep -cE ' -> text/template\.\(\*state\)\.evalField <ReflectMethod>' dump || true)
	echo "$tags: links $packages; evalField is reached: $([ "$reached" -gt 0 ] && echo yes || echo no)"
done | tee -a saw
size() { wc -c <"see-$1"; }
percent=$(($(size disable_grpc_modules,grpcnotrace) * 100 / $(size disable_grpc_modules)))
echo "the second program has $percent % of the first one's size"
[ $percent -ge 74 ] && [ $percent -le 82 ] && echo "it is smaller by a fifth or a quarter" >>saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
cloud.google.com/go/storage v1.67.0
golang.org/x/net v0.62.0
google.golang.org/api v0.297.0
google.golang.org/grpc v1.85.0
disable_grpc_modules: links golang.org/x/net/trace google.golang.org/grpc; evalField is reached: yes
disable_grpc_modules,grpcnotrace: links google.golang.org/grpc; evalField is reached: no
it is smaller by a fifth or a quarter
END
