package e2e

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/procs"
	"b24export/cmd/export/e2e/internal/table"
)

// peerPayment is a payment as the vendor's SDK returns it.
type peerPayment struct {
	ID            int64       `json:"id"`
	AccountNumber string      `json:"accountNumber"`
	Paid          string      `json:"paid"`
	DatePaid      *string     `json:"datePaid"`
	EmpPaidID     *int64      `json:"empPaidId"`
	PaySystemID   *int64      `json:"paySystemId"`
	Sum           json.Number `json:"sum"`
	Currency      string      `json:"currency"`
	PaySystemName string      `json:"paySystemName"`
}

// TestPeer runs the vendor's own SDK, with its own limiter, on a portal with the limits
// of the standard plan over TLS. Our portal works with other clients, and they see the
// values that our program exports.
func TestPeer(t *testing.T) {
	portal := bitrixtest.New(bitrixtest.Options{
		Seed: 8, Payments: 1400, Plan: bitrixtest.PlanStandard, RequireHTTPS: true, AllowRegets: true,
	})
	server := httptest.NewTLSServer(portal)
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, data, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "peer.mjs")
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+ca, "B24_WEBHOOK="+portal.Webhook(server.URL))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	began := time.Now()
	exit := procs.Start(t, "peer", cmd).Wait(t, ctx)
	if exit.Code != 0 {
		t.Fatalf("exit code %d; it said:\n%s", exit.Code, exit.Stderr)
	}
	var answer struct{ Listed, Got []peerPayment }
	if err := json.Unmarshal(exit.Stdout, &answer); err != nil {
		t.Fatalf("read its output: %v\n%.2000s\n%s", err, exit.Stdout, exit.Stderr)
	}
	stats := portal.Stats()
	t.Logf("%d payments in %d requests and %v, %d of them refused", len(answer.Got), stats.Requests, time.Since(began).Round(time.Millisecond), stats.Refused)

	want := truth(portal)
	for name, payments := range map[string][]peerPayment{"listed": answer.Listed, "got": answer.Got} {
		rows := make([]table.Row, len(payments))
		for i := range payments {
			rows[i] = payments[i].row(t)
		}
		nine := make([]table.Row, len(want))
		for i, row := range want {
			copy(nine[i][:9], row[:9])
		}
		if diff := table.Diff(rows, nine); diff != "" {
			t.Errorf("payments as %s differ from the portal:\n%s", name, diff)
		}
	}
}

// row returns the nine fields of crm.item.payment.get; the others are empty.
func (p *peerPayment) row(t testing.TB) table.Row {
	t.Helper()
	id := func(n *int64) string {
		if n == nil || *n == 0 {
			return table.Null
		}
		return strconv.FormatInt(*n, 10)
	}
	datePaid := table.Null
	if p.DatePaid != nil && *p.DatePaid != "" {
		at, err := time.Parse(time.RFC3339, *p.DatePaid)
		if err != nil {
			t.Fatal(err)
		}
		datePaid = at.UTC().Format(table.TimeLayout)
	}
	sum, err := p.Sum.Float64() // as every client in JavaScript has it
	if err != nil {
		t.Fatal(err)
	}
	return table.Row{
		strconv.FormatInt(p.ID, 10), p.AccountNumber, strconv.FormatBool(p.Paid == "Y"), datePaid, id(p.EmpPaidID),
		id(p.PaySystemID), strconv.FormatFloat(sum, 'f', 4, 64), p.Currency, p.PaySystemName,
	}
}
