package bitrixtest

import (
	"strconv"
)

// apiError is an error as the portal reports it.
type apiError struct {
	status int
	code   string
	number bool // the code is sent as a number
	text   string
}

// The portal's errors with fixed texts.
var (
	errTooMany      = &apiError{503, "QUERY_LIMIT_EXCEEDED", false, "Too many requests"}
	errOperating    = &apiError{429, "OPERATION_TIME_LIMIT", false, "Method is blocked due to operation time limit."}
	errNotInBatch   = &apiError{405, "ERROR_BATCH_METHOD_NOT_ALLOWED", false, "Method is not allowed for batch usage"}
	errBatchLength  = &apiError{400, "ERROR_BATCH_LENGTH_EXCEEDED", false, "Max batch length exceeded"}
	errNoAuth       = &apiError{401, "NO_AUTH_FOUND", false, "Wrong authorization data"}
	errTokenExpired = &apiError{401, "expired_token", false, "The access token provided has expired."}
	errTokenUnknown = &apiError{401, "invalid_token", false, "Unable to get application by token"}
	errHTTPS        = &apiError{400, "INVALID_REQUEST", false, "Https required."}
	errOverload     = &apiError{503, "OVERLOAD_LIMIT", false, "REST API is blocked due to overload."}
	errNoPlan       = &apiError{403, "ACCESS_DENIED", false, "REST is available only on commercial plans."}
	errNoRight      = &apiError{403, "INVALID_CREDENTIALS", false, "Invalid request credentials"}
	errDeleted      = &apiError{401, "INVALID_CREDENTIALS", false, "Invalid request credentials"}
	errDismissed    = &apiError{401, "authorization_error", false, "Unable to authorize user"}
	errLapsed       = &apiError{401, "ACCESS_DENIED", false, "REST is available only on commercial plans."}
	errRemoved      = &apiError{401, "APPLICATION_NOT_FOUND", false, "Application not found"}
	errNoServer     = &apiError{401, "CONNECTION_ERROR", false, "Error connecting to authorization server"}
	errNoUser       = &apiError{403, "user_access_error", false, "The user does not have access to the application."}
	errNoScope      = &apiError{403, "insufficient_scope", false, "The request requires higher privileges than provided by the access token"}
	errNoMethod     = &apiError{404, "ERROR_METHOD_NOT_FOUND", false, "Method not found!"}
	errClosed       = &apiError{500, "PORTAL_DELETED", false, "Portal was deleted"}
	errSaleAccess   = &apiError{400, "200040300010", false, "Access Denied"}
	errNotFound     = &apiError{400, "0", true, "Payment has not been found"}
	errDenied       = &apiError{400, "0", true, "Access denied"}
	errDeniedCode   = &apiError{400, "ACCESS_DENIED", false, "Access denied"}
	errAppOnly      = &apiError{400, "ACCESS_DENIED", false, "Access denied! Application context required"}
	errAuthType     = &apiError{403, "WRONG_AUTH_TYPE", false, "Current authorization type is denied for this method Application context required"}
	errAdminOnly    = &apiError{403, "ACCESS_DENIED", false, "Access denied! Administrator rights required"}
	errNoItem       = &apiError{400, "NOT_FOUND", false, "Item not found"}
	errNoType       = &apiError{400, "NOT_FOUND", false, "Smart process not found"}
	errEncoding     = &apiError{200, "WRONG_ENCODING", false, "Wrong request encoding"}
	errEvent        = &apiError{400, "ERROR_EVENT_NOT_FOUND", false, "Event not found"}
)

func errMissing(param string) *apiError {
	return &apiError{400, "100", false, "Could not find value for parameter {" + param + "}"}
}

func errArgument(what string) *apiError {
	return &apiError{400, "INVALID_ARG_VALUE", false, what}
}

// statuses maps each error code that a fault may send to its HTTP status.
var statuses = map[string]int{
	"INTERNAL_SERVER_ERROR":           500,
	"ERROR_UNEXPECTED_ANSWER":         500,
	"QUERY_LIMIT_EXCEEDED":            503,
	"OPERATION_TIME_LIMIT":            429,
	"ERROR_BATCH_METHOD_NOT_ALLOWED":  405,
	"ERROR_BATCH_LENGTH_EXCEEDED":     400,
	"expired_token":                   401,
	"NO_AUTH_FOUND":                   401,
	"invalid_token":                   401,
	"INVALID_REQUEST":                 400,
	"OVERLOAD_LIMIT":                  503,
	"ACCESS_DENIED":                   403,
	"INVALID_CREDENTIALS":             403,
	"insufficient_scope":              403,
	"user_access_error":               403,
	"ERROR_METHOD_NOT_FOUND":          404,
	"ERROR_MANIFEST_IS_NOT_AVAILABLE": 404,
	"PORTAL_DELETED":                  500,
	"100":                             400,
	"200040300010":                    400,
	"invalid_grant":                   400,
	"invalid_client":                  401,
	"PAYMENT_REQUIRED":                402,
}

func (e *apiError) appendTo(b []byte) []byte {
	b = append(b, `{"error":`...)
	if e.number {
		b = append(b, e.code...)
	} else {
		b = appendString(b, e.code)
	}
	b = append(b, `,"error_description":`...)
	b = appendString(b, e.text)
	return append(b, '}')
}

// isNumber reports whether a fault's code must be sent as a number.
func isNumber(code string) bool {
	_, err := strconv.ParseInt(code, 10, 32)
	return err == nil
}
