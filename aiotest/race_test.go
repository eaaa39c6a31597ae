//go:build race

package aiotest_test

// underRace says that the race detector is on: a step takes ten times as long, so the
// tests with the most runs make a part of them. `.ci/run` makes all of them without it.
const underRace = true
