#include "textflag.h"

// func Holder(owner *uintptr) (held, running uintptr)
TEXT ·Holder(SB), NOSPLIT, $0-24
	MOVQ owner+0(FP), AX
	MOVQ (AX), AX
	MOVQ AX, held+8(FP)
	MOVQ (TLS), CX
	MOVQ CX, running+16(FP)
	RET

// func Current() uintptr
TEXT ·Current(SB), NOSPLIT, $0-8
	MOVQ (TLS), AX
	MOVQ AX, ret+0(FP)
	RET
