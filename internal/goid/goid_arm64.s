#include "textflag.h"

// func Holder(owner *uintptr) (held, running uintptr)
TEXT ·Holder(SB), NOSPLIT, $0-24
	MOVD owner+0(FP), R0
	MOVD (R0), R0
	MOVD R0, held+8(FP)
	MOVD g, running+16(FP)
	RET

// func Current() uintptr
TEXT ·Current(SB), NOSPLIT, $0-8
	MOVD g, ret+0(FP)
	RET
