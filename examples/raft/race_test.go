//go:build race

package main

// underRace reports that the race detector is enabled, which makes a simulation ten
// times slower.
const underRace = true
