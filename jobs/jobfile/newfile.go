package jobfile

import (
	"encoding/json"
	"fmt"
	"strings"
)

// NewFile is the content of a new job file, which a person can then edit. Bytes returns
// its text. NewFile checks nothing; Parse checks the text, as that of any other file.
type NewFile struct {
	// Name, Mode, Plan and To are the values of name, mode, plan and sink.url; Portal
	// is the portal's name. An empty Plan leaves the default.
	Name, Mode, Plan, Portal, To string
	// Webhook is the reference to the webhook, ${NAME} or ${file:PATH}. It is written
	// to the file unchanged, so it must not be the webhook itself.
	Webhook string
	// Enrich is the value of source.enrich. Get and List are the requests that a run
	// needs for Payments payments with enrich get and list. All three are 0 if unknown.
	Enrich              string
	Payments, Get, List int64
	// Command is the command for crontab, with absolute paths: cron has neither the
	// folder nor the PATH of a shell. At is the time of a nightly run, such as 02:00,
	// or "" for none.
	Command, At string
}

// Bytes returns the file's text, with a comment on each key. It escapes ${ in all
// values except Webhook.
func (f NewFile) Bytes() []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# A job of b24export: what to export, and where to. docs/job-file.md describes all")
	line("# keys and their values.")
	if hour, minute, ok := strings.Cut(f.At, ":"); ok {
		line("#")
		line("# For crontab, each night. A run resumes what an earlier one left unfinished:")
		line("# %s %s * * * %s", minute, hour, comment(strings.ReplaceAll(f.Command, "%", `\%`)))
	}
	line("version: 1")
	line("")
	line("# The name of the dataset's folder and table.")
	line("name: %s", plainly(f.Name))
	line("")
	line("# incremental: fetch new and changed payments. full: fetch all payments each time.")
	line("mode: %s", plainly(f.Mode))
	line("")
	line("portals:")
	line("    # The portal's name, which is also its folder: portal=%s.", comment(f.Portal))
	line("  - name: %s", plainly(f.Portal))
	line("")
	line("    # The place of the inbound webhook. A webhook has all rights of its user, so it")
	line("    # is not written here.")
	line("    webhook: %s", quoted(f.Webhook))
	line("")
	line("    # The portal's plan, which sets its limits: standard, enterprise, or unlimited")
	line("    # for a server of your own.")
	if f.Plan == "" {
		line("    # plan: enterprise")
	} else {
		line("    plan: %s", plainly(f.Plan))
	}
	line("")
	line("source:")
	line("  # get: fetch each new or changed payment. list: use the values of the listing, and")
	line("  # fetch a sample to compare. get also detects what a listing shows wrongly: dates on")
	line("  # some servers, and payments that this user may not read.")
	if f.Payments > 0 {
		line("  # %d payments need %d requests with get, %d with list.", f.Payments, f.Get, f.List)
	} else {
		line("  # b24export plan predicts the requests for each of them.")
	}
	line("  enrich: %s", plainly(f.Enrich))
	line("")
	line("sink:")
	line("  # s3://BUCKET/FOLDER, gs://…, azblob://…, file:///FOLDER, or a path, which is")
	line("  # relative to this file.")
	line("  url: %s", plainly(f.To))
	return []byte(b.String())
}

// plainly returns a YAML value that means exactly this text.
func plainly(text string) string { return quoted(strings.ReplaceAll(text, "${", "$${")) }

// quoted returns a text as a YAML value, in double quotes if it needs them.
func quoted(text string) string {
	if datasetName.MatchString(text) && strings.Trim(text, "0123456789_") != "" && !isYAMLWord(text) {
		return text
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a text can always be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

// isYAMLWord reports whether this or another reader of YAML would read the unquoted text
// as something other than a string.
func isYAMLWord(text string) bool {
	switch text {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return true
	}
	return text[0] >= '0' && text[0] <= '9' // numbers such as 1e3 and 0x10
}

// comment returns a text without the characters that would end a comment.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
}
