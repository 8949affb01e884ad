package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// airflowStub has the parts of Airflow that the DAG uses.
const airflowStub = `
import sys, types

class AirflowException(Exception): pass
class AirflowFailException(AirflowException): pass

def dag(**settings):
    assert settings["default_args"]["retries"] > 0 and settings["max_active_runs"] == 1
    def make(function):
        return function
    return make

def task(function):
    return function

airflow, sdk, exceptions = types.ModuleType("airflow"), types.ModuleType("airflow.sdk"), types.ModuleType("airflow.exceptions")
sdk.dag, sdk.task = dag, task
exceptions.AirflowException, exceptions.AirflowFailException = AirflowException, AirflowFailException
sys.modules.update({"airflow": airflow, "airflow.sdk": sdk, "airflow.exceptions": exceptions})
try:
    exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"))
except AirflowFailException as e:
    sys.exit("fails: %s" % e)
except AirflowException as e:
    sys.exit("tries again: %s" % e)
print("success")
`

// runAirflow runs the DAG's task with a stand-in for the program.
func runAirflow(t *testing.T, code int) (output, calls string) {
	t.Helper()
	dir, callFile := standIn(t, "b24export", code)
	cmd := exec.CommandContext(t.Context(), "python3", "-c", airflowStub, filepath.Join(root, "deploy", "airflow.py"))
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if (err == nil) != strings.HasPrefix(string(out), "success") {
		t.Errorf("airflow.py: %v\n%s", err, out)
	}
	data, err := os.ReadFile(callFile)
	if err != nil {
		t.Fatalf("airflow.py: the program was not called: %v\n%s", err, out)
	}
	return string(out), string(data)
}

// airflowAfter returns what Airflow does after the program exits with code. It never
// tries again after an AirflowFailException, and does after any other exception.
func airflowAfter(t *testing.T, code int) verdict {
	t.Helper()
	out, _ := runAirflow(t, code)
	verdicts := []verdict{succeeds, triesAgain, fails}
	for _, v := range verdicts {
		if strings.HasPrefix(out, string(v)) {
			return v
		}
	}
	t.Errorf("airflow.py: %s", out)
	return ""
}

func airflowCommand(t *testing.T) []string {
	t.Helper()
	_, calls := runAirflow(t, 0)
	return strings.Fields(calls)
}
