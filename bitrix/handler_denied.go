package bitrix

import (
	"context"
	"net/http"
	"strings"
)

// explainDenied is the layer that finds out what an ACCESS_DENIED for a whole call
// means. Portals return it if REST needs another plan, and also if this user may not
// call one method, such as event.bind for a user who is not an administrator. If the
// method scope still answers, the refusal is about the method.
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
