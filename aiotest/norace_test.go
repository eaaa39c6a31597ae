//go:build !race

package aiotest_test

const underRace = false
