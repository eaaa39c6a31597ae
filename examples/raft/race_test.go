//go:build race

package main

// underRace says that the race detector is on, which makes a simulation ten times slower:
// then the simulations are shorter. `.ci/run` makes those of full length without it.
const underRace = true
