package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"b24export/pipeline"
)

func TestPlots(t *testing.T) {
	tests := []struct {
		name string
		pace *pipeline.Pace
		want []reportPlot
	}{
		{"no samples", nil, nil},
		{"one sample", &pipeline.Pace{
			At: []float64{1}, Done: []int64{5}, Requests: []int64{1}, Rate: []float64{2}, Operating: []float64{1}, Budget: []float64{4},
		}, nil},
		{"samples without time", &pipeline.Pace{
			At: []float64{0, 0}, Done: []int64{1, 2}, Requests: []int64{1, 2}, Rate: []float64{2, 2}, Operating: []float64{1, 1}, Budget: []float64{4, 4},
		}, nil},
		{"a burst, the rate halved after it, a budget passed", &pipeline.Pace{
			At: []float64{1, 2, 4}, Done: []int64{2000, 2000, 3000}, Requests: []int64{50, 52, 54},
			Rate: []float64{2, 1, 1}, Operating: []float64{2, 4, 6}, Budget: []float64{4, 4, 4},
		}, []reportPlot{
			{
				Title: "payments a second", Top: "2,000",
				Line: "0.0,0.0 150.0,0.0 150.0,100.0 300.0,100.0 300.0,75.0 600.0,75.0",
			},
			{
				Title: "requests a second; the steady limit is 2, after a burst", Top: "5", Above: "up to 50",
				Line:  "0.0,0.0 150.0,0.0 150.0,60.0 300.0,60.0 300.0,80.0 600.0,80.0",
				Limit: "0.0,60.0 150.0,60.0 150.0,80.0 300.0,80.0 300.0,80.0 600.0,80.0",
			},
			{
				Title: "operating seconds used, of 4", Top: "5", Above: "up to 6",
				Line:  "0.0,60.0 150.0,60.0 150.0,20.0 300.0,20.0 300.0,0.0 600.0,0.0",
				Limit: "0.0,20.0 150.0,20.0 150.0,20.0 300.0,20.0 300.0,20.0 600.0,20.0",
			},
		}},
		{"no limits, and a file whose times and counts go back", &pipeline.Pace{
			At: []float64{2, 1, 4}, Done: []int64{10, 20, 5}, Requests: []int64{0, 0, 0},
			Rate: []float64{0, 0, 0}, Operating: []float64{0, 0, 0}, Budget: []float64{0, 0, 0},
		}, []reportPlot{
			{
				Title: "payments a second", Top: "5",
				Line: "0.0,0.0 300.0,0.0 300.0,100.0 150.0,100.0 150.0,100.0 600.0,100.0",
			},
			{
				Title: "requests a second", Top: "1",
				Line: "0.0,100.0 300.0,100.0 300.0,100.0 150.0,100.0 150.0,100.0 600.0,100.0",
			},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &report{Manifest: &pipeline.Manifest{Pace: tt.pace}}
			r.drawPace()
			if diff := cmp.Diff(tt.want, r.Plots); diff != "" {
				t.Errorf("plots (-want +got):\n%s", diff)
			}
		})
	}
}
