package bitrix

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const testSecret = "s3cr3tc0de"

// TestSecretsDoNotPrint prints everything that contains the secret in every possible
// way.
func TestSecretsDoNotPrint(t *testing.T) {
	hook := mustParse(t, "https://acme.bitrix24.com/rest/1/"+testSecret+"/")
	client := New(hook, nil)
	defer client.Close()
	holder := struct {
		Hook   Webhook
		Secret Secret
		hidden Webhook
		client *Client
	}{hook, Secret(testSecret), hook, client}
	for name, v := range map[string]any{
		"secret": Secret(testSecret), "webhook": hook, "pointer": &hook, "client": client, "holder": holder, "exchange": &exchange{method: "a.b"},
		"endpoint": newEndpoint(hook, new(Secret(testSecret))), "list": []any{hook, Secret(testSecret)}, "map": map[string]Secret{"a": testSecret},
	} {
		var b bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			fmt.Fprintf(&b, verb+"\n", v)
		}
		slog.New(slog.NewTextHandler(&b, nil)).Info("text", "v", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Info("json", "v", v)
		if name == "secret" || name == "webhook" || name == "list" || name == "map" {
			j, err := json.Marshal(v)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			b.Write(j)
		}
		if out := b.String(); strings.Contains(out, testSecret) || strings.Contains(out, fmt.Sprintf("%x", testSecret)) {
			t.Errorf("%s shows its secret: %s", name, out)
		}
	}
	secret := Secret(testSecret)
	if got := secret.Reveal(); got != testSecret {
		t.Errorf("Reveal gives %q", got)
	}
	if secret.String() != hidden || secret.GoString() != hidden {
		t.Errorf("String gives %q, GoString %q", secret.String(), secret.GoString())
	}
	if got := Secret("").redact("nothing to hide"); got != "nothing to hide" {
		t.Errorf("without a secret: %q", got)
	}
}

func mustParse(t testing.TB, s string) Webhook {
	t.Helper()
	hook, err := ParseWebhook(s)
	if err != nil {
		t.Fatal(err)
	}
	return hook
}

// TestSecretsInPanics panics with secrets, in a separate process: neither the value nor
// the stack shows them.
func TestSecretsInPanics(t *testing.T) {
	const asked = "B24EXPORT_TEST_PANIC"
	hook := mustParse(t, "https://acme.bitrix24.com/rest/1/"+testSecret+"/")
	switch os.Getenv(asked) {
	case "secret":
		panic(Secret(testSecret))
	case "error":
		panic(fmt.Errorf("with %v and %v", hook, Secret(testSecret)))
	case "webhook":
		panic(hook)
	}
	for _, what := range []string{"secret", "error", "webhook"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSecretsInPanics$")
		cmd.Env = append(os.Environ(), asked+"="+what, "GOTRACEBACK=all")
		out, err := cmd.CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("panic: ")) {
			t.Errorf("%s: it does not panic: %v\n%s", what, err, out)
		}
		if bytes.Contains(out, []byte(testSecret)) {
			t.Errorf("%s: it shows its secret:\n%s", what, out)
		}
	}
}
