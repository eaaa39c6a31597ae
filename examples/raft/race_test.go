//go:build race

package main

// underRace says that the race detector is on. It makes a simulation ten times slower,
// so the simulations are shorter then. `.ci/run` makes them in full length without the
// race detector.
const underRace = true
