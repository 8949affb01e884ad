package source

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"b24export/bitrix"
)

// roundTrip is a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestTypesWithoutAnEnd: a portal that names a next page of smart processes whatever is
// asked for, and always returns the first one, does not keep the listing from ending.
func TestTypesWithoutAnEnd(t *testing.T) {
	requests := 0
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		var ask struct{ Start int64 }
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			return nil, err
		}
		next := fmt.Sprintf(`,"next":%d`, ask.Start+50)
		if requests++; requests > 100 {
			next = ""
		}
		body := `{"result":{"types":[{"id":1,"entityTypeId":128,"isPaymentsEnabled":"Y"}]},"total":1` + next + `}`
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
	})
	access, err := bitrix.ParseWebhook("https://acme.bitrix24.com/rest/1/secret/")
	if err != nil {
		t.Fatal(err)
	}
	client := bitrix.New(access, &bitrix.Options{Transport: transport})
	defer client.Close()
	types, err := paymentTypes(t.Context(), client)
	if err != nil || !slices.Equal(types, []int64{2, 31, 128}) || requests > 4 {
		t.Errorf("types %v, error %v, after %d requests", types, err, requests)
	}
}
