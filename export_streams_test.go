package aio

// StreamHasBytes reports whether r has bytes that nobody has read.
func StreamHasBytes(r *StreamReader) bool { return r.size() > 0 }
