package bitrix

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
)

// TestNoPageCanBeEncoded: a portal that cannot encode any answer, not even ids, ends the
// listing.
func TestNoPageCanBeEncoded(t *testing.T) {
	garbled := windowed
	garbled.Garbled = true
	for name, list := range map[string]Listing{
		"ids alone": garbled, "whole elements": windowed,
		"all at once": {Method: "crm.orderentity.list", Items: "orderEntity", IDField: "orderId", Repeats: true, MayBeWhole: true},
	} {
		for _, never := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, never batched %v", name, never), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					requests := 0
					c := clientOf(t, portal(func(*http.Request) (*http.Response, error) {
						if requests++; requests > 100 {
							return reply(`500 {"error":"PORTAL_DELETED"}`), nil
						}
						return reply(`500 {"error":"WRONG_ENCODING"}`), nil
					}), Options{BatchNever: never})
					var last error
					for _, err := range c.Pages(t.Context(), list, 0) {
						last = err
					}
					e, ok := errors.AsType[*Error](last)
					if !ok || !e.BadEncoding() || requests > 20 {
						t.Errorf("error %v after %d requests", last, requests)
					}
				})
			})
		}
	}
}
