#!/usr/bin/env bash
# Prometheus v0.316.0 (Go module github.com/prometheus/prometheus, package rules), the rule engine itself.
# Behaviour: a rule that sets a label, such as `instance: ""`, fires for one broken instance. When a second one breaks
# too, both alerts have the same labels, and the evaluation fails as a whole: nothing is sent any more, also not the
# alert that was firing. Alertmanager ends it when its EndsAt has passed, four minutes later here.
# Seen 2026-11-28: sent in minutes 1 and 3, health "err" and silence from minute 4 on.
# Why it matters: the alert ends at the moment when a second instance breaks. Aggregate in the expression instead of
# dropping labels in the rule, and alert on prometheus_rule_evaluation_failures_total.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >rules.yml <<'END'
groups:
  - name: g
    rules:
      - {alert: Broken, expr: up == 0, labels: {instance: ""}}
      - {alert: BrokenAggregated, expr: count by (job) (up == 0)}
END
cat >main.go <<'END'
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
)

func main() {
	ctx := context.Background()
	db, err := tsdb.Open("data", nil, nil, tsdb.DefaultOptions(), nil)
	check(err)
	defer db.Close()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute})
	sent := map[string]int{}
	var minute time.Time
	manager := rules.NewManager(&rules.ManagerOptions{
		Context: ctx, ExternalURL: &url.URL{}, Logger: slog.New(slog.DiscardHandler), ResendDelay: time.Minute,
		QueryFunc: rules.EngineQueryFunc(engine, db), AppendableV2: db, Queryable: db,
		NotifyFunc: func(_ context.Context, _ string, alerts ...*rules.Alert) {
			for _, a := range alerts {
				sent[a.Labels.Get("alertname")]++
				if !a.ValidUntil.IsZero() && a.Labels.Get("alertname") == "Broken" {
					fmt.Printf("    sent, ends by itself after %s\n", a.ValidUntil.Sub(minute))
				}
			}
		},
	})
	groups, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, "rules.yml")
	if len(errs) > 0 {
		check(errs[0])
	}
	start := time.Now().Truncate(time.Minute).Add(-time.Hour)
	for i := range 8 {
		minute = start.Add(time.Duration(i) * time.Minute)
		app := db.Appender(ctx)
		for instance, breaks := range map[string]int{"a": 1, "b": 4} {
			up := 1.0
			if i >= breaks {
				up = 0
			}
			_, err := app.Append(0, labels.FromStrings("__name__", "up", "job", "x", "instance", instance), minute.UnixMilli(), up)
			check(err)
		}
		check(app.Commit())
		clear(sent)
		for _, group := range groups {
			group.Eval(ctx, minute)
			for _, rule := range group.Rules() {
				fmt.Printf("minute %d: %s: health %s, sent %d\n", i, rule.Name(), rule.Health(), sent[rule.Name()])
				if err := rule.LastError(); err != nil && i == 4 {
					fmt.Println("   ", err)
				}
			}
		}
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
END
export GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=0
{ go mod init collision && go get github.com/prometheus/prometheus/{model/labels,promql,rules,tsdb}@v0.316.0 &&
	go build -o collision .; } 2>log || { cat log >&2; exit 1; }
./collision | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
minute 0: Broken: health ok, sent 0
minute 0: BrokenAggregated: health ok, sent 0
    sent, ends by itself after 4m0s
minute 1: Broken: health ok, sent 1
minute 1: BrokenAggregated: health ok, sent 1
minute 2: Broken: health ok, sent 0
minute 2: BrokenAggregated: health ok, sent 0
    sent, ends by itself after 4m0s
minute 3: Broken: health ok, sent 1
minute 3: BrokenAggregated: health ok, sent 1
minute 4: Broken: health err, sent 0
    vector contains metrics with the same labelset after applying alert labels
minute 4: BrokenAggregated: health ok, sent 0
minute 5: Broken: health err, sent 0
minute 5: BrokenAggregated: health ok, sent 1
minute 6: Broken: health err, sent 0
minute 6: BrokenAggregated: health ok, sent 0
minute 7: Broken: health err, sent 0
minute 7: BrokenAggregated: health ok, sent 1
END
