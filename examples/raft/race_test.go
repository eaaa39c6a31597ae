//go:build race

package main

// underRace says that the race detector is on, which makes a simulation ten times slower.
const underRace = true
