// The compiler takes functions without a body, as in labels.go, only where there is a file like
// this one.
