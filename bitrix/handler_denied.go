package bitrix

import (
	"context"
	"net/http"
	"strings"
)

// explainDenied is the layer that finds out what an ACCESS_DENIED for a whole call
// means. Portals answer so where REST needs another plan, and also where one method
// is not for this user: event.bind to somebody who is no administrator, for one. If
// the method scope still answers, it is the method.
func explainDenied(next handler) handler {
	return func(ctx context.Context, x *exchange) (*answer, error) {
		a, err := next(ctx, x)
		e := errorOf(ctx, err)
		if e == nil || e.where != inCall || x.method == MethodScope || !strings.EqualFold(e.Code, CodeAccessDenied) ||
			e.Status != http.StatusForbidden && e.Status != http.StatusUnauthorized {
			return a, err
		}
		probe := &exchange{method: MethodScope, body: []byte("{}"), needs: []need{{MethodScope, 1}}, where: inCall}
		if _, scopeErr := next(ctx, probe); scopeErr == nil {
			e.right = true
		}
		return a, err
	}
}
