package aio

// StreamHasBytes reports whether r has bytes that nobody has read.
func StreamHasBytes(r *StreamReader) bool { return r.size() > 0 }

// StreamMemory is the size of the buffer that r holds.
func StreamMemory(r *StreamReader) int { return cap(r.buf) }
