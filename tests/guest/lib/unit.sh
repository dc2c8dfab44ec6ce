# SPDX-License-Identifier: GPL-2.0
#
# For scripts that use a VT-d unit before our driver does, as a kernel before ours
# may have: registers by the names of the specification. $UNIT is where they are,
# and $RESERVED is memory that the kernel leaves alone.

TE=0x80000000 SRTP=0x40000000 QIE=0x04000000
ROOT=$RESERVED RING=$((RESERVED + 0x1000))

unit_put() { devmem $((UNIT + $1)) 32 "$2"; }
unit_put64() { devmem $((UNIT + $1)) 64 "$2"; }
unit_get() { devmem $((UNIT + $1)) 32; }
GCMD=0x18 GSTS=0x1c RTADDR=0x20 FSTS=0x34 IQH=0x80 IQT=0x88 IQA=0x90

# has REGISTER BIT
has() { [ $(($(unit_get "$1") & $2)) -ne 0 ]; }

# unit_translates: with a root table in which no device has an entry.
unit_translates() {
	unit_put64 $RTADDR "$ROOT"
	unit_put $GCMD $SRTP
	unit_put $GCMD $TE
	has $GSTS $TE
}

# unit_queue_on: with an empty ring of one page.
unit_queue_on() {
	unit_put64 $IQT 0
	unit_put64 $IQA "$RING"
	unit_put $GCMD $(($(unit_get $GSTS) & TE | QIE))
	has $GSTS $QIE
}

# unit_wait: a wait descriptor (6.5.2.8) in slot $1, which writes 1 behind the ring.
unit_wait() {
	devmem $((RING + $1 * 16)) 64 0x100000025
	devmem $((RING + $1 * 16 + 8)) 64 $((RING + 0x1000))
	unit_put64 $IQT $(($1 * 16 + 16))
}

# unit_refuses: slot $1 holds a wait that asks for nothing; the unit stops there.
unit_refuses() {
	devmem $((RING + $1 * 16)) 64 0x5
	unit_put64 $IQT $(($1 * 16 + 32))
	has $FSTS 0x10
}
