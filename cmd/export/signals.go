package main

import (
	"os"
	"time"
)

// oneSignal is the time after the first signal in which another one counts as the same.
// `timeout` and some supervisors send a signal to the process and to its group.
const oneSignal = time.Second

// obeySignals calls stop at the first signal, and kill at one that comes more than
// oneSignal later, because somebody does not want to wait for stop. It returns when
// kill returns.
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
