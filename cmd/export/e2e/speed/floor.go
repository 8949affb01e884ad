package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"
)

// Two programs are compared with b24export. Both make the requests of a first run with
// enrich: get, 16 at once: chains of 50 pages, and batches of 49 gets with a command
// for the owners. They check nothing, resume nothing and know no limits.
//
//   - floor decodes each answer once into structs and writes one Parquet file: the least
//     that an export does.
//   - naive has only the standard library: net/http decompresses its answers, and
//     encoding/json decodes them into maps. It writes nothing. This is what a script does.
var peers = map[string]func() peer{
	"floor": func() peer { return &floor{} },
	"naive": func() peer { return &naive{} },
}

// peer is what a program does with answers. take is called by several goroutines.
type peer interface {
	// ids returns the payments in a chain's pages with their orders, in the order of
	// the commands.
	ids(body []byte, pages int) (ids, orders []int64, err error)
	take(body []byte) error
	// read returns the body of an answer.
	read(*http.Response) ([]byte, error)
	close(path string) error
}

const (
	commands = 50
	pageSize = 50
	atOnce   = 16
)

// runPeer exports a portal with a peer into path. fields are what it lists.
func runPeer(ctx context.Context, p peer, fields []string, hook, path string) error {
	_, script := p.(*naive) // net/http decompresses its answers
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce, DisableCompression: !script}
	client := &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	batch := func(cmd map[string]string) ([]byte, error) {
		body, err := json.Marshal(map[string]any{"halt": 0, "cmd": cmd})
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook+"batch", bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		if transport.DisableCompression {
			req.Header.Set("Accept-Encoding", "gzip")
		}
		req.Header.Set("User-Agent", "b24export-speed/1")
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the portal answers %s", resp.Status)
		}
		return p.read(resp)
	}
	var group sync.WaitGroup
	var once sync.Once
	var failed error
	fail := func(err error) { once.Do(func() { failed = err }) }
	chunks := make(chan [2][]int64, atOnce)
	for range atOnce {
		group.Go(func() {
			for chunk := range chunks {
				body, err := batch(gets(chunk[0], chunk[1]))
				if err == nil {
					err = p.take(body)
				}
				if err != nil {
					fail(err)
				}
			}
		})
	}
	var ids, orders []int64
	for after, more := int64(0), true; more; {
		body, err := batch(chain(after, fields))
		if err != nil {
			fail(err)
			break
		}
		some, theirs, err := p.ids(body, commands)
		if err != nil {
			fail(err)
			break
		}
		if more = len(some) == commands*pageSize; len(some) > 0 {
			after = some[len(some)-1]
		}
		ids, orders = append(ids, some...), append(orders, theirs...)
		for len(ids) >= commands-1 || !more && len(ids) > 0 {
			n := min(len(ids), commands-1)
			chunks <- [2][]int64{ids[:n:n], orders[:n:n]}
			ids, orders = ids[n:], orders[n:]
		}
	}
	close(chunks)
	group.Wait()
	if failed != nil {
		return failed
	}
	return p.close(path)
}

// chain returns the commands for 50 pages of fields after an id.
func chain(after int64, fields []string) map[string]string {
	cmd := map[string]string{}
	for i := range commands {
		cursor := strconv.FormatInt(after, 10)
		if i > 0 {
			cursor = fmt.Sprintf("$result[c%02d][payments][%d][id]", i-1, pageSize-1)
		}
		q := url.Values{"order[id]": {"ASC"}, "start": {"-1"}, "filter[>id]": {cursor}}
		for j, field := range fields {
			q.Set(fmt.Sprintf("select[%d]", j), field)
		}
		cmd[fmt.Sprintf("c%02d", i)] = "sale.payment.list?" + q.Encode()
	}
	return cmd
}

// gets returns the commands for payments and the owners of their orders.
func gets(ids, orders []int64) map[string]string {
	cmd := map[string]string{}
	for _, id := range ids {
		cmd["p"+strconv.FormatInt(id, 10)] = "crm.item.payment.get?id=" + strconv.FormatInt(id, 10)
	}
	q := url.Values{"order[orderId]": {"asc"}, "start": {"-1"}}
	distinct := slices.Compact(slices.Sorted(slices.Values(orders)))
	for i, order := range distinct {
		q.Set(fmt.Sprintf("filter[@orderId][%d]", i), strconv.FormatInt(order, 10))
	}
	cmd["o"] = "crm.orderentity.list?" + q.Encode()
	return cmd
}

// row is a payment in floor's file.
type row struct {
	ID            int64   `json:"id" parquet:"id,delta"`
	AccountNumber string  `json:"accountNumber" parquet:"account_number,delta"`
	Paid          string  `json:"paid" parquet:"paid,dict"`
	DatePaid      *string `json:"datePaid" parquet:"date_paid"`
	Sum           float64 `json:"sum" parquet:"sum"`
	Currency      string  `json:"currency" parquet:"currency,dict"`
	PaySystemName string  `json:"paySystemName" parquet:"pay_system_name,dict"`
}

type floor struct {
	mu   sync.Mutex
	rows []row
}

// unpacker is memory for one answer of floor.
type unpacker struct {
	packed bytes.Buffer
	zip    gzip.Reader
}

var unpackers = sync.Pool{New: func() any { return new(unpacker) }}

func (*floor) read(resp *http.Response) ([]byte, error) {
	if resp.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(resp.Body)
	}
	u := unpackers.Get().(*unpacker)
	defer unpackers.Put(u)
	u.packed.Reset()
	if _, err := u.packed.ReadFrom(resp.Body); err != nil {
		return nil, err
	}
	tail := u.packed.Bytes()[max(0, u.packed.Len()-4):]
	if len(tail) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	size := binary.LittleEndian.Uint32(tail) // RFC 1952, ISIZE
	if err := u.zip.Reset(&u.packed); err != nil {
		return nil, err
	}
	body := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err := body.ReadFrom(&u.zip)
	return body.Bytes(), err
}

func (*floor) ids(body []byte, pages int) (ids, orders []int64, err error) {
	var answer struct {
		Result struct {
			Result map[string]struct {
				Payments []struct {
					ID      int64 `json:"id"`
					OrderID int64 `json:"orderId"`
				} `json:"payments"`
			} `json:"result"`
		} `json:"result"`
	}
	if err := jsonv2.Unmarshal(body, &answer); err != nil {
		return nil, nil, err
	}
	for i := range pages {
		page := answer.Result.Result[fmt.Sprintf("c%02d", i)].Payments
		for _, p := range page {
			ids, orders = append(ids, p.ID), append(orders, p.OrderID)
		}
		if len(page) < pageSize {
			break
		}
	}
	return ids, orders, nil
}

func (f *floor) take(body []byte) error {
	var answer struct {
		Result struct {
			Result map[string]row `json:"result"`
		} `json:"result"`
	}
	if err := jsonv2.Unmarshal(body, &answer); err != nil {
		return err
	}
	rows := make([]row, 0, commands)
	for key, r := range answer.Result.Result {
		if strings.HasPrefix(key, "p") {
			rows = append(rows, r)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rows = append(f.rows, rows...)
	return nil
}

func (f *floor) close(path string) error {
	slices.SortFunc(f.rows, func(a, b row) int { return int(a.ID - b.ID) })
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	w := parquet.NewGenericWriter[row](out, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(122_880))
	for part := range slices.Chunk(f.rows, 8192) {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.Close()
}

type naive struct{}

func (*naive) read(resp *http.Response) ([]byte, error) { return io.ReadAll(resp.Body) }

func (*naive) ids(body []byte, pages int) (ids, orders []int64, err error) {
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, nil, err
	}
	results, _ := answer["result"].(map[string]any)
	results, _ = results["result"].(map[string]any)
	for i := range pages {
		page, _ := results[fmt.Sprintf("c%02d", i)].(map[string]any)
		payments, _ := page["payments"].([]any)
		for _, p := range payments {
			fields, _ := p.(map[string]any)
			ids, orders = append(ids, whole(fields["id"])), append(orders, whole(fields["orderId"]))
		}
		if len(payments) < pageSize {
			break
		}
	}
	return ids, orders, nil
}

// whole returns the whole number of a value, 0 if it has none.
func whole(v any) int64 {
	n, _ := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if f, ok := v.(float64); ok {
		n = int64(f)
	}
	return n
}

func (*naive) take(body []byte) error {
	var answer map[string]any
	return json.Unmarshal(body, &answer)
}

func (*naive) close(string) error { return nil }
