package mqtt

// The packets (chapter 3 of the specification). A packet knows its layout; the fixed
// header and the length are the same for all.

import (
	"fmt"
	"io"
	"slices"
)

type packetType byte

const (
	connectType     packetType = 1
	connackType     packetType = 2
	publishType     packetType = 3
	pubackType      packetType = 4
	pubrecType      packetType = 5
	pubrelType      packetType = 6
	pubcompType     packetType = 7
	subscribeType   packetType = 8
	subackType      packetType = 9
	unsubscribeType packetType = 10
	unsubackType    packetType = 11
	pingreqType     packetType = 12
	pingrespType    packetType = 13
	disconnectType  packetType = 14
	authType        packetType = 15
)

var typeNames = [...]string{"will", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"}

func (t packetType) String() string { return typeNames[t] }

// packet is one of the types below.
type packet interface {
	// header returns the type and the flags of the fixed header.
	header() (packetType, byte)
	// code encodes or decodes everything that follows the fixed header.
	code(c *coder)
}

// connect is the first packet of a client.
type connect struct {
	version    Version
	cleanStart bool
	keepAlive  uint16
	props      properties
	clientID   string
	will       *publish // only its topic, qos, retain, props and payload
	username   *string
	password   []byte // nil if there is none
}

func (*connect) header() (packetType, byte) { return connectType, 0 }

func (p *connect) code(c *coder) {
	protocol := "MQTT"
	c.text(&protocol)
	c.check(protocol == "MQTT", UnsupportedVersion, "the protocol is %q", protocol)
	c.byte((*byte)(&p.version))
	c.check(p.version == V311 || p.version == V5, UnsupportedVersion, "the version is %d", p.version)
	c.version = p.version
	const cleanFlag, willFlag, retainFlag, passwordFlag, nameFlag = 0x02, 0x04, 0x20, 0x40, 0x80
	var flags byte
	if !c.decoding {
		for flag, set := range map[byte]bool{cleanFlag: p.cleanStart, willFlag: p.will != nil,
			passwordFlag: p.password != nil, nameFlag: p.username != nil} {
			if set {
				flags |= flag
			}
		}
		if p.will != nil {
			flags |= byte(p.will.qos) << 3
			if p.will.retain {
				flags |= retainFlag
			}
		}
	}
	c.byte(&flags)
	c.check(flags&0x01 == 0, MalformedPacket, "the reserved flag of CONNECT is set")
	c.check(flags&willFlag != 0 || flags&(retainFlag|0x18) == 0, MalformedPacket, "CONNECT has flags of a will, but no will")
	c.check(flags&0x18 != 0x18, MalformedPacket, "the will has QoS 3")
	c.check(p.version == V5 || flags&passwordFlag == 0 || flags&nameFlag != 0, MalformedPacket, "CONNECT has a password without a user name")
	c.uint16(&p.keepAlive)
	c.properties(connectType, &p.props)
	c.text(&p.clientID)
	if c.decoding {
		p.cleanStart = flags&cleanFlag != 0
		if flags&willFlag != 0 {
			p.will = &publish{qos: QoS(flags >> 3 & 3), retain: flags&retainFlag != 0}
		}
		if flags&nameFlag != 0 {
			p.username = new(string)
		}
	}
	c.check(p.version == V5 || p.clientID != "" || p.cleanStart, ClientIDNotValid, "a session without a client identifier")
	if p.will != nil {
		c.properties(willType, &p.will.props)
		c.text(&p.will.topic)
		c.check(ValidTopic(p.will.topic), MalformedPacket, "the will has the topic %q", p.will.topic)
		c.binary(&p.will.payload)
	}
	if p.username != nil {
		c.text(p.username)
	}
	if flags&passwordFlag != 0 {
		c.binary(&p.password)
	}
}

// connack is the server's answer to connect.
type connack struct {
	sessionPresent bool
	result         ReasonCode
	props          properties
}

func (*connack) header() (packetType, byte) { return connackType, 0 }

func (p *connack) code(c *coder) {
	var flags byte
	if p.sessionPresent {
		flags = 1
	}
	c.byte(&flags)
	c.check(flags <= 1, MalformedPacket, "CONNACK has the flags %#x", flags)
	p.sessionPresent = flags == 1
	if c.version == V5 {
		c.reason(connackType, &p.result)
	} else {
		c.oldRefusal(&p.result)
	}
	c.check(!p.sessionPresent || p.result == Success, ProtocolFault, "a refusal with a session")
	c.properties(connackType, &p.props)
}

// publish is a message on its way.
type publish struct {
	dup     bool
	qos     QoS
	retain  bool
	topic   string
	id      uint16 // 0 for QoS 0
	props   properties
	payload []byte
}

func (p *publish) header() (packetType, byte) {
	flags := byte(p.qos) << 1
	if p.dup {
		flags |= 8
	}
	if p.retain {
		flags |= 1
	}
	return publishType, flags
}

// setFlags is called with the flags of the fixed header before code decodes the rest.
func (p *publish) setFlags(flags byte) {
	p.dup, p.qos, p.retain = flags&8 != 0, QoS(flags>>1&3), flags&1 != 0
}

func (p *publish) code(c *coder) {
	c.check(p.qos <= 2, MalformedPacket, "a message with QoS 3")
	c.check(!p.dup || p.qos > 0, MalformedPacket, "a message with QoS 0 is a duplicate")
	c.text(&p.topic)
	if p.qos > 0 {
		c.uint16(&p.id)
		c.check(p.id != 0, ProtocolFault, "a message with the identifier 0")
	}
	c.properties(publishType, &p.props)
	alias := c.version == V5 && p.topic == "" && p.props.get(topicAlias, 0) != 0
	c.check(alias || ValidTopic(p.topic), ProtocolFault, "a message with the topic %q", p.topic)
	if c.decoding {
		p.payload = c.take(len(c.b))
	} else {
		c.b = append(c.b, p.payload...)
	}
}

// ack is PUBACK, PUBREC, PUBREL or PUBCOMP.
type ack struct {
	kind   packetType
	id     uint16
	result ReasonCode
	props  properties
}

func (p *ack) header() (packetType, byte) {
	if p.kind == pubrelType {
		return p.kind, 2
	}
	return p.kind, 0
}

func (p *ack) code(c *coder) {
	c.uint16(&p.id)
	c.check(p.id != 0, ProtocolFault, "%v with the identifier 0", p.kind)
	c.result(p.kind, &p.result, &p.props)
}

// result encodes or decodes a reason code and properties; both may be absent.
func (c *coder) result(of packetType, code *ReasonCode, props *properties) {
	switch {
	case c.version < V5, c.decoding && len(c.b) == 0, !c.decoding && *code == Success && len(*props) == 0:
		return
	}
	c.reason(of, code)
	if c.decoding && len(c.b) > 0 || len(*props) > 0 {
		c.properties(of, props)
	}
}

// request is one filter of subscribe, with its options.
type request struct {
	filter  string
	options byte
}

// subscribe asks for subscriptions.
type subscribe struct {
	id       uint16
	props    properties
	requests []request
}

func (*subscribe) header() (packetType, byte) { return subscribeType, 2 }

func (p *subscribe) code(c *coder) {
	c.uint16(&p.id)
	c.check(p.id != 0, ProtocolFault, "SUBSCRIBE with the identifier 0")
	c.properties(subscribeType, &p.props)
	for i := 0; c.more(i, len(p.requests)); i++ {
		if c.decoding {
			p.requests = append(p.requests, request{})
		}
		r := &p.requests[i]
		c.text(&r.filter)
		c.check(ValidFilter(r.filter), MalformedPacket, "a subscription of %q", r.filter)
		c.byte(&r.options)
		reserved, _ := unshared(r.filter)
		bad := r.options&3 == 3 || r.options>>4&3 == 3 || r.options&0xc0 != 0 ||
			c.version < V5 && r.options&^3 != 0 || reserved != r.filter && r.options&4 != 0
		c.check(!bad, ProtocolFault, "a subscription with the options %#x", r.options)
	}
	c.check(len(p.requests) > 0, ProtocolFault, "SUBSCRIBE without a filter")
}

// unsubscribe ends subscriptions.
type unsubscribe struct {
	id      uint16
	props   properties
	filters []string
}

func (*unsubscribe) header() (packetType, byte) { return unsubscribeType, 2 }

func (p *unsubscribe) code(c *coder) {
	c.uint16(&p.id)
	c.check(p.id != 0, ProtocolFault, "UNSUBSCRIBE with the identifier 0")
	c.properties(unsubscribeType, &p.props)
	for i := 0; c.more(i, len(p.filters)); i++ {
		if c.decoding {
			p.filters = append(p.filters, "")
		}
		c.text(&p.filters[i])
		c.check(ValidFilter(p.filters[i]), MalformedPacket, "the end of a subscription of %q", p.filters[i])
	}
	c.check(len(p.filters) > 0, ProtocolFault, "UNSUBSCRIBE without a filter")
}

// suback is SUBACK or UNSUBACK.
type suback struct {
	kind    packetType
	id      uint16
	props   properties
	results []ReasonCode // none in an UNSUBACK of version 3.1.1
}

func (p *suback) header() (packetType, byte) { return p.kind, 0 }

func (p *suback) code(c *coder) {
	c.uint16(&p.id)
	c.check(p.id != 0, ProtocolFault, "%v with the identifier 0", p.kind)
	c.properties(p.kind, &p.props)
	if c.version < V5 && p.kind == unsubackType {
		return
	}
	for i := 0; c.more(i, len(p.results)); i++ {
		if c.decoding {
			p.results = append(p.results, 0)
		}
		c.reason(p.kind, &p.results[i])
		c.check(c.version == V5 || p.results[i] <= 2 || p.results[i] == 0x80, MalformedPacket, "SUBACK with the code %#x", byte(p.results[i]))
	}
	c.check(len(p.results) > 0, ProtocolFault, "%v without a result", p.kind)
}

// ping is PINGREQ or PINGRESP.
type ping struct{ kind packetType }

func (p *ping) header() (packetType, byte) { return p.kind, 0 }
func (*ping) code(*coder)                  {}

// farewell is DISCONNECT or AUTH.
type farewell struct {
	kind   packetType
	result ReasonCode
	props  properties
}

func (p *farewell) header() (packetType, byte) { return p.kind, 0 }
func (p *farewell) code(c *coder)              { c.result(p.kind, &p.result, &p.props) }

// newPacket returns an empty packet of that type, or nil.
func newPacket(t packetType, version Version) packet {
	switch t {
	case connectType:
		return &connect{}
	case connackType:
		return &connack{}
	case publishType:
		return &publish{}
	case pubackType, pubrecType, pubrelType, pubcompType:
		return &ack{kind: t}
	case subscribeType:
		return &subscribe{}
	case unsubscribeType:
		return &unsubscribe{}
	case subackType, unsubackType:
		return &suback{kind: t}
	case pingreqType, pingrespType:
		return &ping{kind: t}
	case disconnectType:
		return &farewell{kind: t}
	case authType:
		if version == V5 {
			return &farewell{kind: t}
		}
	}
	return nil
}

// appendPacket encodes p.
func appendPacket(b []byte, version Version, p packet) ([]byte, error) {
	t, flags := p.header()
	body := coder{version: version}
	p.code(&body)
	if body.err == nil && len(body.b) > maxRemaining {
		body.err = &ProtocolError{PacketTooLarge, fmt.Sprintf("the packet has %d bytes", len(body.b))}
	}
	if body.err != nil {
		return b, body.err
	}
	b = append(b, byte(t)<<4|flags)
	b = appendVarint(b, uint32(len(body.b)))
	return append(b, body.b...), nil
}

// decodePacket decodes a packet from its first byte and what follows its length. The
// packet shares the memory of body.
func decodePacket(first byte, body []byte, version Version) (packet, error) {
	t := packetType(first >> 4)
	p := newPacket(t, version)
	if p == nil {
		return nil, &ProtocolError{MalformedPacket, fmt.Sprintf("a packet of type %d", t)}
	}
	if m, ok := p.(*publish); ok {
		m.setFlags(first & 15)
	}
	c := coder{version: version, decoding: true, b: body}
	_, flags := p.header()
	c.check(flags == first&15, MalformedPacket, "%v with the flags %#x", t, first&15)
	p.code(&c)
	c.check(len(c.b) == 0, MalformedPacket, "%d bytes after the end of %v", len(c.b), t)
	if c.err != nil {
		return nil, c.err
	}
	return p, nil
}

// byteReader is the input of readPacket.
type byteReader interface {
	io.Reader
	io.ByteReader
}

// readPacket reads one packet of at most limit bytes. The error is io.EOF if the input
// ends before a packet. A packet that is too long is not read.
func readPacket(r byteReader, version Version, limit int) (packet, error) {
	first, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	var size uint32
	var header [4]byte
	for n := range header {
		if header[n], err = r.ReadByte(); err != nil {
			return nil, unexpected(err)
		}
		if size, _, err = readVarint(header[:n+1]); err != errIncomplete {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if int(size) > limit {
		return nil, &ProtocolError{PacketTooLarge, fmt.Sprintf("a packet of %d bytes, the limit is %d", size, limit)}
	}
	// Memory is allocated for the bytes that arrive, not for the announced length.
	var body []byte
	for len(body) < int(size) {
		n := min(int(size)-len(body), max(64<<10, len(body)))
		body = slices.Grow(body, n)[:len(body)+n]
		if _, err := io.ReadFull(r, body[len(body)-n:]); err != nil {
			return nil, unexpected(err)
		}
	}
	return decodePacket(first, body, version)
}

// unexpected returns the error of an input that ends within a packet.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
