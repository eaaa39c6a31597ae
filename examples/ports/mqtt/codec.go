package mqtt

// Encoding and decoding of the primitive types and the properties of MQTT 5.0 (sections
// 1.5 and 2.2 of the specification). One coder does both: each packet describes its
// layout once, in a method code, and the coder either reads or writes it. So the two
// directions cannot differ, and both make the same checks: a peer's malformed packet is
// an error, and so is an invalid value of the program.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Version is the version of the protocol.
type Version byte

// The supported versions.
const (
	V311 Version = 4
	V5   Version = 5
)

// ProtocolError says that the peer has broken the rules of the protocol. The connection
// is closed then.
type ProtocolError struct {
	Code ReasonCode
	Text string
}

func (e *ProtocolError) Error() string { return fmt.Sprintf("mqtt: %v: %s", e.Code, e.Text) }

// maxRemaining is the largest length that the fixed header can express.
const maxRemaining = 268_435_455

// errIncomplete says that the packet ends within a field.
var errIncomplete = &ProtocolError{MalformedPacket, "the packet is too short"}

// coder reads or writes the fields of one packet.
type coder struct {
	version  Version
	decoding bool
	b        []byte // the bytes still to decode, or the encoded bytes
	err      error  // the first error
}

// check records an error unless ok.
func (c *coder) check(ok bool, code ReasonCode, format string, args ...any) {
	if !ok && c.err == nil {
		c.err = &ProtocolError{code, fmt.Sprintf(format, args...)}
	}
}

// take removes the next n bytes of what is decoded; nil after an error.
func (c *coder) take(n int) []byte {
	if c.err == nil && n > len(c.b) {
		c.err = errIncomplete
	}
	if c.err != nil {
		return nil
	}
	p := c.b[:n:n]
	c.b = c.b[n:]
	return p
}

func (c *coder) byte(v *byte) {
	if !c.decoding {
		c.b = append(c.b, *v)
	} else if p := c.take(1); p != nil {
		*v = p[0]
	}
}

func (c *coder) uint16(v *uint16) {
	if !c.decoding {
		c.b = binary.BigEndian.AppendUint16(c.b, *v)
	} else if p := c.take(2); p != nil {
		*v = binary.BigEndian.Uint16(p)
	}
}

func (c *coder) uint32(v *uint32) {
	if !c.decoding {
		c.b = binary.BigEndian.AppendUint32(c.b, *v)
	} else if p := c.take(4); p != nil {
		*v = binary.BigEndian.Uint32(p)
	}
}

// varint is a Variable Byte Integer. It must have the shortest form.
func (c *coder) varint(v *uint32) {
	if !c.decoding {
		c.check(*v <= maxRemaining, PacketTooLarge, "the length %d cannot be encoded", *v)
		c.b = appendVarint(c.b, *v)
		return
	}
	n, size, err := readVarint(c.b)
	if c.err == nil {
		c.err = err
	}
	c.take(size)
	*v = n
}

func appendVarint(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// readVarint returns the integer at the beginning of p and its size. The error is
// errIncomplete if p ends before the integer does.
func readVarint(p []byte) (v uint32, size int, err error) {
	for size < len(p) && size < 4 {
		v |= uint32(p[size]&0x7f) << (7 * size)
		size++
		if p[size-1] < 0x80 {
			if size > 1 && p[size-1] == 0 {
				return 0, 0, &ProtocolError{MalformedPacket, "an integer is not in its shortest form"}
			}
			return v, size, nil
		}
	}
	if size == 4 {
		return 0, 0, &ProtocolError{MalformedPacket, "an integer has more than four bytes"}
	}
	return 0, 0, errIncomplete
}

// binary is a length of two bytes and as many bytes. A decoded value shares the memory
// of the packet.
func (c *coder) binary(v *[]byte) {
	n := uint16(len(*v))
	c.check(c.decoding || len(*v) <= 0xffff, MalformedPacket, "a field of %d bytes is too long", len(*v))
	c.uint16(&n)
	if !c.decoding {
		c.b = append(c.b, *v...)
	} else {
		*v = c.take(int(n))
	}
}

// text is a UTF-8 Encoded String.
func (c *coder) text(v *string) {
	p := []byte(*v)
	c.binary(&p)
	if c.decoding {
		*v = string(p)
	}
	c.check(utf8.ValidString(*v) && !strings.Contains(*v, "\x00"), MalformedPacket, "a string is not valid UTF-8, or has a null character")
}

// more reports whether a list that reaches to the end of the packet has another element:
// the index i is below n, or there is something left to decode.
func (c *coder) more(i, n int) bool {
	if c.decoding {
		return c.err == nil && len(c.b) > 0
	}
	return i < n
}

// propertyID identifies a property.
type propertyID byte

const (
	payloadFormat             propertyID = 0x01
	messageExpiry             propertyID = 0x02
	contentType               propertyID = 0x03
	responseTopic             propertyID = 0x08
	correlationData           propertyID = 0x09
	subscriptionIdentifier    propertyID = 0x0b
	sessionExpiry             propertyID = 0x11
	assignedClientID          propertyID = 0x12
	serverKeepAlive           propertyID = 0x13
	authenticationMethod      propertyID = 0x15
	authenticationData        propertyID = 0x16
	requestProblemInformation propertyID = 0x17
	willDelay                 propertyID = 0x18
	requestResponseInfo       propertyID = 0x19
	responseInfo              propertyID = 0x1a
	serverReference           propertyID = 0x1c
	reasonString              propertyID = 0x1f
	receiveMaximum            propertyID = 0x21
	topicAliasMaximum         propertyID = 0x22
	topicAlias                propertyID = 0x23
	maximumQoS                propertyID = 0x24
	retainAvailable           propertyID = 0x25
	userProperty              propertyID = 0x26
	maximumPacketSize         propertyID = 0x27
	wildcardAvailable         propertyID = 0x28
	subscriptionIDsAvailable  propertyID = 0x29
	sharedAvailable           propertyID = 0x2a
)

// property is one property. Which of the fields has its value depends on the kind.
type property struct {
	id propertyID
	n  uint32 // the value of a numeric kind
	// the value of a kind of strings or binary data, or the name of a pair
	text string
	pair string // the value of a pair
}

type propertyKind byte

const (
	flagKind propertyKind = iota // a byte, 0 or 1
	shortKind
	longKind
	varintKind
	textKind
	binaryKind
	pairKind
)

// propertyRule is a row of table 2-4 of the specification.
type propertyRule struct {
	kind    propertyKind
	packets uint32 // the packets that may have the property, as bits 1<<packetType
	nonzero bool   // the value 0 is a protocol error
}

// in returns the bits of packet types. The properties of a will count as type 0.
func in(types ...packetType) (bits uint32) {
	for _, t := range types {
		bits |= 1 << t
	}
	return bits
}

const willType packetType = 0

var propertyRules = map[propertyID]propertyRule{
	payloadFormat:             {flagKind, in(publishType, willType), false},
	messageExpiry:             {longKind, in(publishType, willType), false},
	contentType:               {textKind, in(publishType, willType), false},
	responseTopic:             {textKind, in(publishType, willType), false},
	correlationData:           {binaryKind, in(publishType, willType), false},
	subscriptionIdentifier:    {varintKind, in(publishType, subscribeType), true},
	sessionExpiry:             {longKind, in(connectType, connackType, disconnectType), false},
	assignedClientID:          {textKind, in(connackType), false},
	serverKeepAlive:           {shortKind, in(connackType), false},
	authenticationMethod:      {textKind, in(connectType, connackType, authType), false},
	authenticationData:        {binaryKind, in(connectType, connackType, authType), false},
	requestProblemInformation: {flagKind, in(connectType), false},
	willDelay:                 {longKind, in(willType), false},
	requestResponseInfo:       {flagKind, in(connectType), false},
	responseInfo:              {textKind, in(connackType), false},
	serverReference:           {textKind, in(connackType, disconnectType), false},
	reasonString: {textKind, in(connackType, pubackType, pubrecType, pubrelType, pubcompType,
		subackType, unsubackType, disconnectType, authType), false},
	receiveMaximum:    {shortKind, in(connectType, connackType), true},
	topicAliasMaximum: {shortKind, in(connectType, connackType), false},
	topicAlias:        {shortKind, in(publishType), true},
	maximumQoS:        {flagKind, in(connackType), false},
	retainAvailable:   {flagKind, in(connackType), false},
	userProperty: {pairKind, in(willType, connectType, connackType, publishType, pubackType, pubrecType, pubrelType,
		pubcompType, subscribeType, subackType, unsubscribeType, unsubackType, disconnectType, authType), false},
	maximumPacketSize:        {longKind, in(connectType, connackType), true},
	wildcardAvailable:        {flagKind, in(connackType), false},
	subscriptionIDsAvailable: {flagKind, in(connackType), false},
	sharedAvailable:          {flagKind, in(connackType), false},
}

// properties are the properties of a packet, in their order.
type properties []property

// get returns the value of a numeric property, or otherwise if it is absent.
func (p properties) get(id propertyID, otherwise uint32) uint32 {
	for _, q := range p {
		if q.id == id {
			return q.n
		}
	}
	return otherwise
}

// text returns the value of a string property, or "" if it is absent.
func (p properties) text(id propertyID) string {
	for _, q := range p {
		if q.id == id {
			return q.text
		}
	}
	return ""
}

// number and string add a property unless its value is the zero value.
func (p *properties) number(id propertyID, n uint32) {
	if n != 0 {
		*p = append(*p, property{id: id, n: n})
	}
}

func (p *properties) string(id propertyID, s string) {
	if s != "" {
		*p = append(*p, property{id: id, text: s})
	}
}

// properties encodes or decodes the properties of a packet of that type. Version 3.1.1
// has none.
func (c *coder) properties(of packetType, list *properties) {
	if c.version < V5 {
		return
	}
	// The length comes first, so that the list has a coder of its own.
	inner := coder{version: c.version, decoding: c.decoding}
	var size uint32
	if c.decoding {
		c.varint(&size)
		inner.b = c.take(int(size))
		*list = nil
	}
	var seen uint64
	for i := 0; inner.more(i, len(*list)); i++ {
		if c.decoding {
			*list = append(*list, property{})
		}
		p := &(*list)[i]
		inner.property(of, p)
		repeatable := p.id == userProperty || p.id == subscriptionIdentifier && of == publishType
		inner.check(repeatable || seen&(1<<p.id) == 0, ProtocolFault, "the property %#x is there twice", byte(p.id))
		seen |= 1 << p.id
	}
	if !c.decoding {
		size = uint32(len(inner.b))
		c.varint(&size)
		c.b = append(c.b, inner.b...)
	}
	if c.err == nil {
		c.err = inner.err
	}
}

func (c *coder) property(of packetType, p *property) {
	// Identifiers are variable byte integers, but all have one byte.
	c.byte((*byte)(&p.id))
	rule, known := propertyRules[p.id]
	c.check(known && rule.packets&(1<<of) != 0, MalformedPacket, "%v must not have the property %#x", of, byte(p.id))
	if c.err != nil {
		return
	}
	switch rule.kind {
	case flagKind:
		b := byte(p.n)
		c.byte(&b)
		c.check(b <= 1, ProtocolFault, "the property %#x is %d", byte(p.id), b)
		p.n = uint32(b)
	case shortKind:
		n := uint16(p.n)
		c.uint16(&n)
		p.n = uint32(n)
	case longKind:
		c.uint32(&p.n)
	case varintKind:
		c.varint(&p.n)
	case textKind:
		c.text(&p.text)
	case binaryKind:
		b := []byte(p.text)
		c.binary(&b)
		p.text = string(b)
	case pairKind:
		c.text(&p.text)
		c.text(&p.pair)
	}
	c.check(!rule.nonzero || p.n != 0, ProtocolFault, "the property %#x is 0", byte(p.id))
	if p.id == responseTopic {
		c.check(p.text != "" && !strings.ContainsAny(p.text, "+#"), ProtocolFault, "the response topic is invalid")
	}
}

// ReasonError says that the server has refused something. It is the error of a call, or
// of a connection that the server has ended.
type ReasonError struct {
	Packet string // the packet of the server, such as "PUBACK"
	Code   ReasonCode
	Reason string // the server's explanation, often empty
}

func (e *ReasonError) Error() string {
	if e.Reason != "" {
		return fmt.Sprintf("mqtt: %s: %v: %s", e.Packet, e.Code, e.Reason)
	}
	return fmt.Sprintf("mqtt: %s: %v", e.Packet, e.Code)
}

// codeOf returns the reason code for a DISCONNECT because of err.
func codeOf(err error) ReasonCode {
	var bad *ProtocolError
	if errors.As(err, &bad) {
		return bad.Code
	}
	return UnspecifiedError
}
