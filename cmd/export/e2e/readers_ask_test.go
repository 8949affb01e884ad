package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"b24export/cmd/export/e2e/internal/procs"
	"b24export/cmd/export/e2e/internal/table"
)

func askNode(word string) func(testing.TB, *question) answer {
	return func(t testing.TB, q *question) (a answer) {
		t.Helper()
		askProcess(t, exec.Command("node", "readers.mjs", word), q, &a)
		return a
	}
}

// askStream returns a function that sends the Arrow streams of cat to a reader of
// streams.
func askStream(word string) func(testing.TB, *question) answer {
	return func(t testing.TB, q *question) answer {
		t.Helper()
		stream := *q
		stream.Tables = slices.Clone(q.Tables)
		for i := range stream.Tables {
			path := catFile(t, stream.Tables[i].Path, "arrow")
			if stream.Odd == stream.Tables[i].Path {
				stream.Odd = path
			}
			stream.Tables[i].Path = path
		}
		return askNode(word)(t, &stream)
	}
}

// catFile writes a file's rows in a format with the program, and returns the path.
func catFile(t testing.TB, path, format string) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "rows."+format))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.CommandContext(t.Context(), bin, "cat", path, "--format", format)
	cmd.Env, cmd.Stdout = []string{"HOME=" + t.TempDir()}, out
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("cat %s: %v\n%s", path, err, said.Bytes())
	}
	return out.Name()
}

// buildGo builds the readers in Go that cannot be linked together with the program's.
var buildGo = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp(filepath.Dir(bin), "goreaders-")
	if err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-C", "goreaders", "-o", dir, "./...").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the readers: %w\n%s", err, out)
	}
	return dir, nil
})

func askGo(name string) func(testing.TB, *question) answer {
	return func(t testing.TB, q *question) (a answer) {
		t.Helper()
		dir, err := buildGo()
		if err != nil {
			t.Fatal(err)
		}
		askProcess(t, exec.Command(filepath.Join(dir, name)), q, &a)
		return a
	}
}

func askProcess(t testing.TB, cmd *exec.Cmd, q *question, a *answer) {
	t.Helper()
	input, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = bytes.NewReader(input)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	exit := procs.Start(t, "reader", cmd).Wait(t, ctx)
	if exit.Code != 0 {
		t.Fatalf("exit code %d; it said:\n%.2000s", exit.Code, exit.Stderr)
	}
	if err := json.Unmarshal(exit.Stdout, a); err != nil {
		t.Fatalf("read its output: %v\n%.2000s", err, exit.Stdout)
	}
}

func askDuckDB(t testing.TB, q *question) (a answer) {
	t.Helper()
	duck := table.OpenDuckDB(t)
	sums := map[string]string{
		kindNumber: "sum(%s::HUGEINT)", kindDecimal: "sum((%s::DECIMAL(38,4) * 10000)::HUGEINT)", kindInstant: "sum(epoch_us(%s)::HUGEINT)",
		kindFlag: "sum(%s::INT)", kindText: "sum(length(%s))",
	}
	for _, m := range q.Tables {
		columns := []string{"count(*)"}
		for _, c := range m.Columns {
			columns = append(columns, fmt.Sprintf(`count("%s")`, c.Name), fmt.Sprintf("coalesce("+sums[c.Kind]+", 0)::VARCHAR", `"`+c.Name+`"`))
		}
		a.Lines = append(a.Lines, duck.Query(t, "SELECT "+strings.Join(columns, ", ")+" FROM read_parquet("+table.Quote(m.Path)+")", len(columns))[0])
	}
	for _, p := range q.Predicates {
		rows := duck.Query(t, "SELECT count(*) FROM read_parquet("+table.Quote(p.Path)+") WHERE "+p.SQL, 1)
		a.Counts = append(a.Counts, int(number(t, rows[0][0])))
	}
	return a
}

// askArrow reads with Arrow's own bridge to records.
func askArrow(t testing.TB, q *question) (a answer) {
	t.Helper()
	for _, m := range q.Tables {
		in, err := file.OpenParquetFile(m.Path, false)
		if err != nil {
			t.Fatal(err)
		}
		reader, err := pqarrow.NewFileReader(in, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		all, err := reader.ReadTable(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		line := []string{strconv.FormatInt(all.NumRows(), 10)}
		for i := range m.Columns {
			count, sum := 0, new(big.Int)
			add := func(n int64) {
				count++
				sum.Add(sum, big.NewInt(n))
			}
			for _, chunk := range all.Column(i).Data().Chunks() {
				for j := range chunk.Len() {
					if chunk.IsNull(j) {
						continue
					}
					switch values := chunk.(type) {
					case *array.Int64:
						add(values.Value(j))
					case *array.Timestamp:
						add(int64(values.Value(j)))
					case *array.Decimal128:
						add(int64(values.Value(j).LowBits()))
					case *array.Boolean:
						if add(0); values.Value(j) {
							sum.Add(sum, big.NewInt(1))
						}
					case *array.String:
						add(int64(len([]rune(values.Value(j)))))
					default:
						t.Fatalf("column %d is a %T", i, chunk)
					}
				}
			}
			line = append(line, strconv.Itoa(count), sum.String())
		}
		a.Lines = append(a.Lines, line)
		all.Release()
		in.Close()
	}
	return a
}

func npmVersion(name string) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join("node_modules", filepath.FromSlash(name), "package.json"))
		if err != nil {
			t.Fatal(err)
		}
		var p struct {
			Version string `json:"version"`
		}
		if err := json.Unmarshal(data, &p); err != nil {
			t.Fatal(err)
		}
		return p.Version
	}
}

func goVersion(module string) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		info, ok := debug.ReadBuildInfo()
		if ok {
			for _, dep := range info.Deps {
				if dep.Path == module {
					return strings.TrimPrefix(dep.Version, "v")
				}
			}
		}
		return fileVersion(t, "go.mod", module)
	}
}

func moduleVersion(module string) func(testing.TB) string {
	return func(t testing.TB) string {
		t.Helper()
		return fileVersion(t, "goreaders/go.mod", module)
	}
}

func fileVersion(t testing.TB, path, module string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(regexp.QuoteMeta(module) + ` v(\S+)`).FindSubmatch(data)
	if found == nil {
		t.Fatalf("%s has no version of %s", path, module)
	}
	return string(found[1])
}

func duckDBVersion(t testing.TB) string {
	t.Helper()
	return strings.TrimPrefix(table.OpenDuckDB(t).Query(t, "SELECT version()", 1)[0][0], "v")
}
