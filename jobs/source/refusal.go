package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"b24export/bitrix"
)

// refusals are the error codes for a method that this user may not call.
var refusals = []string{
	bitrix.CodeInsufficientScope, bitrix.CodeSaleAdminOnly, bitrix.CodeMethodNotFound, bitrix.CodeManifest,
	bitrix.CodeAccessDenied, bitrix.CodeWrongLicense,
}

// RefusalOf returns the portal's error if err means that this user may not call a
// method, and not that the user may call none.
func RefusalOf(err error) (*bitrix.Error, bool) {
	e, ok := errors.AsType[*bitrix.Error](err)
	if !ok || errors.Is(err, bitrix.ErrPatience) {
		return e, false
	}
	planless := strings.EqualFold(e.Code, bitrix.CodeAccessDenied) && e.Class() == bitrix.Stop
	return e, !planless && slices.ContainsFunc(refusals, func(code string) bool { return strings.EqualFold(code, e.Code) })
}

// Reason describes a refusal in a few words, for the manifest.
func Reason(refusal *bitrix.Error) string {
	return fmt.Sprintf("%s is refused (%s)", refusal.Method, refusal.Code)
}

// probe checks whether a list method may be called. refusal is the portal's refusal;
// err is any other error.
func probe(ctx context.Context, client *bitrix.Client, method, idField string) (refusal *bitrix.Error, err error) {
	_, err = client.Call(ctx, method, bitrix.Params{
		"select": []string{idField},
		"order":  bitrix.Params{idField: "asc"},
		"filter": bitrix.Params{"=" + idField: 1},
		"start":  0,
	})
	if e, refused := RefusalOf(err); refused {
		return e, nil
	}
	return nil, err
}
