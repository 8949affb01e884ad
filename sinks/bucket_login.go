package sinks

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"gocloud.dev/gcp"

	"b24export/sinks/address"
)

// lacksLogin reports whether the client of S3 or of Azure found no credentials. The
// machine's role is the last place where both look. A failure of the role's server does
// not count, and neither does a login that was tried.
func lacksLogin(err error) bool {
	if ofMachine(err) {
		return httpStatus(err) < http.StatusInternalServerError
	}
	var none interface {
		error
		NonRetriable()
	}
	var tried *azidentity.AuthenticationFailedError
	return errors.As(err, &none) && strings.Contains(none.Error(), "failed to acquire a token") && !errors.As(err, &tried)
}

// ofMachine reports whether err is an error of the EC2 server that knows the machine's
// role. It ignores the S3 operation that needed the credentials.
func ofMachine(err error) bool {
	for {
		var op interface {
			error
			Service() string
			Unwrap() error
		}
		if !errors.As(err, &op) {
			return false
		}
		if op.Service() == "ec2imds" {
			return true
		}
		err = op.Unwrap()
	}
}

// checkGoogleLogin returns an error if there are no credentials for Google's storage.
// Without credentials gocloud continues: it prints a warning to standard output, which
// is for results, and sends a request that fails as if the network had failed.
func checkGoogleLogin(ctx context.Context, at address.Address) error {
	emulated := emulator() != "" || os.Getenv("STORAGE_EMULATOR_HOST_GRPC") != ""
	if q := at.Query(); at.Scheme() != "gs" || emulated || q.Get("anonymous") == "true" || q.Get("access_id") == "-" {
		return nil
	}
	creds, err := gcp.DefaultCredentials(ctx)
	if err != nil {
		return fmt.Errorf("no credentials for Google Cloud: let GOOGLE_APPLICATION_CREDENTIALS name a key file, "+
			"or run gcloud auth application-default login: %w", err)
	}
	var file struct {
		Type       string `json:"type"`
		PrivateKey string `json:"private_key"`
	}
	if hasKey := json.Unmarshal(creds.JSON, &file) == nil && file.Type == "service_account"; !hasKey {
		return nil
	}
	block, _ := pem.Decode([]byte(file.PrivateKey))
	if block != nil {
		_, err8 := x509.ParsePKCS8PrivateKey(block.Bytes)
		_, err1 := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err8 == nil || err1 == nil {
			return nil
		}
	}
	// The error does not include those of the parsers, which may quote the key.
	return errors.New("the private_key in Google's key file cannot be read: download the file again")
}

// emulator returns the address of the server that replaces Google's storage, "" if
// there is none. gocloud reads the same variable, and then needs no credentials.
func emulator() string { return os.Getenv("STORAGE_EMULATOR_HOST") }
