//go:build !unix

package aiomon

import "io/fs"

// ownedByUs has nothing to ask: the directories of temporary files are the user's own.
func ownedByUs(fs.FileInfo) bool { return true }
