#include "textflag.h"

// func holder(owner *uintptr) (held, running uintptr)
TEXT ·holder(SB), NOSPLIT, $0-24
	MOVD owner+0(FP), R0
	MOVD (R0), R0
	MOVD R0, held+8(FP)
	MOVD g, running+16(FP)
	RET

// func identity() uintptr
TEXT ·identity(SB), NOSPLIT, $0-8
	MOVD g, ret+0(FP)
	RET
