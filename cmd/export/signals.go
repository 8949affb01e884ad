package main

import (
	"os"
	"time"
)

// oneSignal is how soon after the first signal another one is taken for the same:
// `timeout` and some supervisors send theirs to the process and to its group.
const oneSignal = time.Second

// obeySignals calls stop at the first signal, and kill at one that comes later
// than oneSignal after it: somebody does not want to wait for what stop began. It
// returns when kill does.
func obeySignals(signals <-chan os.Signal, stop, kill func()) {
	<-signals
	first := time.Now()
	stop()
	for range signals {
		if time.Since(first) >= oneSignal {
			kill()
			return
		}
	}
}
