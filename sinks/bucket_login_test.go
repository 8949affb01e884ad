package sinks

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"golang.org/x/oauth2"
)

// A login that Google refuses will be refused again: it is not waited for. One
// that its servers could not answer is.
func TestRefusedLogin(t *testing.T) {
	for _, tt := range []struct {
		status    int
		temporary bool
	}{
		{http.StatusBadRequest, false}, // invalid_grant: the key was deleted
		{http.StatusUnauthorized, false},
		{http.StatusTooManyRequests, true},
		{http.StatusInternalServerError, true},
	} {
		err := fmt.Errorf("list: %w", &url.Error{Op: "Get", URL: "https://storage.googleapis.com/", Err: &oauth2.RetrieveError{
			Response: &http.Response{StatusCode: tt.status, Status: http.StatusText(tt.status)}, ErrorCode: "invalid_grant",
		}})
		if got := temporary(t.Context(), err); got != tt.temporary {
			t.Errorf("%d: temporary %v, want %v", tt.status, got, tt.temporary)
		}
	}
}
