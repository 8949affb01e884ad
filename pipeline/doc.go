// Package pipeline is the engine of an export: it lists a portal's payments,
// tells what changed, gets those payments, and commits them. It knows neither
// the portal's API nor the storage.
package pipeline
