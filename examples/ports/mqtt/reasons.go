package mqtt

import "fmt"

// ReasonCode is the result of an operation (section 2.4 of the specification). From 0x80
// on it is a failure. Return codes of version 3.1.1 are translated.
type ReasonCode byte

// Some of the reason codes.
const (
	// also normal disconnection, granted QoS 0
	Success                  ReasonCode = 0x00
	DisconnectWithWill       ReasonCode = 0x04
	NoMatchingSubscribers    ReasonCode = 0x10
	UnspecifiedError         ReasonCode = 0x80
	MalformedPacket          ReasonCode = 0x81
	ProtocolFault            ReasonCode = 0x82
	ImplementationError      ReasonCode = 0x83
	UnsupportedVersion       ReasonCode = 0x84
	ClientIDNotValid         ReasonCode = 0x85
	BadUserNameOrPassword    ReasonCode = 0x86
	NotAuthorized            ReasonCode = 0x87
	ServerUnavailable        ReasonCode = 0x88
	ServerShuttingDown       ReasonCode = 0x8b
	KeepAliveTimeout         ReasonCode = 0x8d
	SessionTakenOver         ReasonCode = 0x8e
	PacketIDInUse            ReasonCode = 0x91
	PacketIDNotFound         ReasonCode = 0x92
	ReceiveMaximumExceeded   ReasonCode = 0x93
	TopicAliasInvalid        ReasonCode = 0x94
	PacketTooLarge           ReasonCode = 0x95
	QuotaExceeded            ReasonCode = 0x97
	RetainNotSupported       ReasonCode = 0x9a
	QoSNotSupported          ReasonCode = 0x9b
	SharedNotSupported       ReasonCode = 0x9e
	WildcardsNotSupported    ReasonCode = 0xa2
	subscriptionIDsForbidden ReasonCode = 0xa1
)

// reasons are the names of all codes, and the packets that may have them.
var reasons = map[ReasonCode]struct {
	name    string
	packets uint32
}{
	0x00: {"success", in(connackType, pubackType, pubrecType, pubrelType, pubcompType, subackType, unsubackType, authType, disconnectType)},
	0x01: {"granted QoS 1", in(subackType)},
	0x02: {"granted QoS 2", in(subackType)},
	0x04: {"disconnect with will message", in(disconnectType)},
	0x10: {"no matching subscribers", in(pubackType, pubrecType)},
	0x11: {"no subscription existed", in(unsubackType)},
	0x18: {"continue authentication", in(authType)},
	0x19: {"re-authenticate", in(authType)},
	0x80: {"unspecified error", in(connackType, pubackType, pubrecType, subackType, unsubackType, disconnectType)},
	0x81: {"malformed packet", in(connackType, disconnectType)},
	0x82: {"protocol error", in(connackType, disconnectType)},
	0x83: {"implementation specific error", in(connackType, pubackType, pubrecType, subackType, unsubackType, disconnectType)},
	0x84: {"unsupported protocol version", in(connackType)},
	0x85: {"client identifier not valid", in(connackType)},
	0x86: {"bad user name or password", in(connackType)},
	0x87: {"not authorized", in(connackType, pubackType, pubrecType, subackType, unsubackType, disconnectType)},
	0x88: {"server unavailable", in(connackType)},
	0x89: {"server busy", in(connackType, disconnectType)},
	0x8a: {"banned", in(connackType)},
	0x8b: {"server shutting down", in(disconnectType)},
	0x8c: {"bad authentication method", in(connackType, disconnectType)},
	0x8d: {"keep alive timeout", in(disconnectType)},
	0x8e: {"session taken over", in(disconnectType)},
	0x8f: {"topic filter invalid", in(subackType, unsubackType, disconnectType)},
	0x90: {"topic name invalid", in(connackType, pubackType, pubrecType, disconnectType)},
	0x91: {"packet identifier in use", in(pubackType, pubrecType, subackType, unsubackType)},
	0x92: {"packet identifier not found", in(pubrelType, pubcompType)},
	0x93: {"receive maximum exceeded", in(disconnectType)},
	0x94: {"topic alias invalid", in(disconnectType)},
	0x95: {"packet too large", in(connackType, disconnectType)},
	0x96: {"message rate too high", in(disconnectType)},
	0x97: {"quota exceeded", in(connackType, pubackType, pubrecType, subackType, disconnectType)},
	0x98: {"administrative action", in(disconnectType)},
	0x99: {"payload format invalid", in(connackType, pubackType, pubrecType, disconnectType)},
	0x9a: {"retain not supported", in(connackType, disconnectType)},
	0x9b: {"QoS not supported", in(connackType, disconnectType)},
	0x9c: {"use another server", in(connackType, disconnectType)},
	0x9d: {"server moved", in(connackType, disconnectType)},
	0x9e: {"shared subscriptions not supported", in(subackType, disconnectType)},
	0x9f: {"connection rate exceeded", in(connackType, disconnectType)},
	0xa0: {"maximum connect time", in(disconnectType)},
	0xa1: {"subscription identifiers not supported", in(subackType, disconnectType)},
	0xa2: {"wildcard subscriptions not supported", in(subackType, disconnectType)},
}

func (r ReasonCode) String() string {
	if known, ok := reasons[r]; ok {
		return known.name
	}
	return fmt.Sprintf("reason code %#x", byte(r))
}

// Failed reports whether the code is a failure.
func (r ReasonCode) Failed() bool { return r >= 0x80 }

// permanent reports whether another attempt to connect would fail in the same way, or
// would take the session from another client.
func (r ReasonCode) permanent() bool {
	switch r {
	case MalformedPacket, ProtocolFault, UnsupportedVersion, ClientIDNotValid, BadUserNameOrPassword, NotAuthorized,
		0x8a, 0x8c, SessionTakenOver, PacketTooLarge, 0x98, RetainNotSupported, QoSNotSupported, 0x9d:
		return true
	}
	return false
}

// reason encodes or decodes the reason code of a packet of that type.
func (c *coder) reason(of packetType, v *ReasonCode) {
	c.byte((*byte)(v))
	c.check(reasons[*v].packets&(1<<of) != 0, MalformedPacket, "%v with reason code %#x", of, byte(*v))
}

// oldRefusals are the return codes of a CONNACK of version 3.1.1, indexed by their
// number.
var oldRefusals = [...]ReasonCode{Success, UnsupportedVersion, ClientIDNotValid, ServerUnavailable, BadUserNameOrPassword, NotAuthorized}

// oldRefusal encodes or decodes a return code of a CONNACK of version 3.1.1.
func (c *coder) oldRefusal(v *ReasonCode) {
	n := byte(len(oldRefusals))
	for i, code := range oldRefusals {
		if code == *v {
			n = byte(i)
		}
	}
	c.byte(&n)
	c.check(int(n) < len(oldRefusals), MalformedPacket, "CONNACK with return code %d", n)
	if c.err == nil {
		*v = oldRefusals[n]
	}
}
