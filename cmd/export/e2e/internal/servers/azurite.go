package servers

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"b24export/cmd/export/e2e/internal/procs"
)

// Azure is a running emulator of Azure Blob Storage: azurite.
type Azure struct {
	// Addr is its address, host and port.
	Addr   string
	client *azblob.Client
}

// The emulator's only account, as its documentation has it.
const (
	azureAccount = "devstoreaccount1"
	azureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// StartAzure starts an emulator that keeps its blobs in memory.
func StartAzure(t testing.TB) *Azure {
	t.Helper()
	script := filepath.Join(moduleDir(t), "node_modules", "azurite", "dist", "src", "blob", "main.js")
	a := &Azure{}
	a.Addr = listenOn(t, "azurite", func(addr string) *procs.Process {
		host, port, _ := strings.Cut(addr, ":")
		cmd := exec.Command("node", script, "--silent", "--inMemoryPersistence", "--skipApiVersionCheck",
			"--disableTelemetry", "--blobHost", host, "--blobPort", port)
		cmd.Dir = t.TempDir() // it writes its settings where it is started
		return procs.Start(t, "azurite", cmd)
	})
	cred, err := azblob.NewSharedKeyCredential(azureAccount, azureKey)
	if err != nil {
		t.Fatal(err)
	}
	a.client, err = azblob.NewClientWithSharedKeyCredential("http://"+a.Addr+"/"+azureAccount, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Bucket creates a container and returns its URL.
func (a *Azure) Bucket(t testing.TB, name string) string {
	t.Helper()
	if _, err := a.client.CreateContainer(t.Context(), name, nil); err != nil {
		t.Fatalf("make container: %v", err)
	}
	return "azblob://" + name + "?protocol=http&localemu=true&domain=" + a.Addr
}

// Env returns the variables of the account for a child process.
func (a *Azure) Env() []string {
	return []string{"AZURE_STORAGE_ACCOUNT=" + azureAccount, "AZURE_STORAGE_KEY=" + azureKey}
}
