#include "textflag.h"

// func holder(owner *uintptr) (held, running uintptr)
TEXT ·holder(SB), NOSPLIT, $0-24
	MOVQ owner+0(FP), AX
	MOVQ (AX), AX
	MOVQ AX, held+8(FP)
	MOVQ (TLS), CX
	MOVQ CX, running+16(FP)
	RET

// func identity() uintptr
TEXT ·identity(SB), NOSPLIT, $0-8
	MOVQ (TLS), AX
	MOVQ AX, ret+0(FP)
	RET
