package jobfile

import (
	"encoding/json"
	"fmt"
	"strings"
)

// NewFile is a job file in the making, for people to go on with. Bytes writes it;
// what it says is checked by Parse, as of any other file.
type NewFile struct {
	// Name, Mode, Plan and To are the keys name, mode, plan and sink.url, and
	// Portal the portal's name. An empty Plan is left to its default.
	Name, Mode, Plan, Portal, To string
	// Webhook is where the webhook is kept: ${NAME} or ${file:PATH}. It is
	// written as it is, and so must not be the webhook itself.
	Webhook string
	// Enrich is the key source.enrich. Get and List are the requests that a run takes
	// with each of its values, of so many Payments; all 0 if that is not known.
	Enrich              string
	Payments, Get, List int64
	// Command is what crontab runs, with whole paths: cron has neither the folder nor
	// the PATH of a shell. At is the hour of a nightly run, such as 02:00; "" if there
	// is none.
	Command, At string
}

// Bytes gives the file's text, with a comment on each key. References in any
// value but Webhook mean themselves.
func (f NewFile) Bytes() []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# A job of b24export: what to export, and where to. All keys, and what else they")
	line("# can say: docs/job-file.md.")
	if hour, minute, ok := strings.Cut(f.At, ":"); ok {
		line("#")
		line("# For crontab, each night. A run resumes what an earlier one left unfinished:")
		line("# %s %s * * * %s", minute, hour, comment(strings.ReplaceAll(f.Command, "%", `\%`)))
	}
	line("version: 1")
	line("")
	line("# The dataset's folder, and its table's name.")
	line("name: %s", plainly(f.Name))
	line("")
	line("# incremental: get what is new or has changed. full: get everything each time.")
	line("mode: %s", plainly(f.Mode))
	line("")
	line("portals:")
	line("    # What the portal is called: the folder portal=%s.", comment(f.Portal))
	line("  - name: %s", plainly(f.Portal))
	line("")
	line("    # Where the inbound webhook is kept. It has the whole right of its user, so")
	line("    # it does not stand here itself.")
	line("    webhook: %s", quoted(f.Webhook))
	line("")
	line("    # The limits that come with the portal's plan: standard, enterprise, or")
	line("    # unlimited for a server of your own.")
	if f.Plan == "" {
		line("    # plan: enterprise")
	} else {
		line("    plan: %s", plainly(f.Plan))
	}
	line("")
	line("source:")
	line("  # get: each new or changed payment by itself. list: what the listing shows, and a")
	line("  # sample of payments to compare it with. get also finds what a listing shows")
	line("  # otherwise: dates on some servers, and payments that this user may not read.")
	if f.Payments > 0 {
		line("  # %d payments take %d requests with get, %d with list.", f.Payments, f.Get, f.List)
	} else {
		line("  # b24export plan tells how many requests each of them takes.")
	}
	line("  enrich: %s", plainly(f.Enrich))
	line("")
	line("sink:")
	line("  # s3://BUCKET/FOLDER, gs://…, azblob://…, file:///FOLDER, or a path, which is")
	line("  # relative to this file.")
	line("  url: %s", plainly(f.To))
	return []byte(b.String())
}

// plainly is a text as a YAML value that means it.
func plainly(text string) string { return quoted(strings.ReplaceAll(text, "${", "$${")) }

// quoted is a text as a YAML value, in double quotes unless it is plain.
func quoted(text string) string {
	if datasetName.MatchString(text) && strings.Trim(text, "0123456789_") != "" && !isYAMLWord(text) {
		return text
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a text always can be
	return strings.TrimSuffix(b.String(), "\n")
}

// isYAMLWord reports whether a plain text would be read as something else than a
// text, by this or by another reader of YAML.
func isYAMLWord(text string) bool {
	switch text {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return true
	}
	return text[0] >= '0' && text[0] <= '9' // numbers such as 1e3 and 0x10
}

// comment is a text as a comment's line can have it.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
}
