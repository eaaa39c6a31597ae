package mqtt

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// samples are packets of all types.
func samples(v Version) []packet {
	user := "ann"
	packets := []packet{
		&connect{version: v, clientID: "c", cleanStart: true, keepAlive: 60},
		&connect{version: v, clientID: "c", username: &user, password: []byte{0, 1}, will: &publish{qos: 2, retain: true, topic: "w", payload: []byte("gone")}},
		&connack{sessionPresent: true},
		&connack{result: NotAuthorized},
		&publish{topic: "a/b", payload: []byte("x")},
		&publish{dup: true, qos: 2, retain: true, topic: "a", id: 0xffff},
		&ack{kind: pubackType, id: 1}, &ack{kind: pubrecType, id: 2}, &ack{kind: pubrelType, id: 3}, &ack{kind: pubcompType, id: 4},
		&subscribe{id: 5, requests: []request{{"a/+/#", 1}, {"$share/g/b", 2}}},
		&suback{kind: subackType, id: 5, results: []ReasonCode{0, 1, 2, 0x80}},
		&unsubscribe{id: 6, filters: []string{"a", "+"}},
		&ping{pingreqType}, &ping{pingrespType},
		&farewell{kind: disconnectType},
	}
	if v < V5 {
		return append(packets, &suback{kind: unsubackType, id: 6})
	}
	return append(packets,
		&connect{version: v, props: properties{{id: sessionExpiry, n: 1 << 31}, {id: receiveMaximum, n: 10}, {id: userProperty, text: "k", pair: "v"}, {id: userProperty, text: "k", pair: "w"}},
			password: []byte("p"), will: &publish{topic: "w", props: properties{{id: willDelay, n: 5}, {id: correlationData, text: "\x00\xff"}}}},
		&connack{props: properties{{id: assignedClientID, text: "auto"}, {id: maximumQoS, n: 1}, {id: retainAvailable}}},
		&publish{qos: 1, id: 7, props: properties{{id: topicAlias, n: 1}, {id: subscriptionIdentifier, n: maxRemaining}, {id: subscriptionIdentifier, n: 1}}},
		&ack{kind: pubackType, id: 1, result: NoMatchingSubscribers},
		&ack{kind: pubrecType, id: 1, result: QuotaExceeded, props: properties{{id: reasonString, text: "full"}}},
		&ack{kind: pubrelType, id: 1, result: PacketIDNotFound},
		&subscribe{id: 5, props: properties{{id: subscriptionIdentifier, n: 3}}, requests: []request{{"a", 0x2e}}},
		&suback{kind: unsubackType, id: 6, results: []ReasonCode{0, 0x11}},
		&farewell{kind: disconnectType, result: SessionTakenOver},
		&farewell{kind: authType, result: 0x18, props: properties{{id: authenticationMethod, text: "m"}, {id: authenticationData, text: "d"}}},
	)
}

func TestRoundTrip(t *testing.T) {
	for _, v := range []Version{V311, V5} {
		for _, p := range samples(v) {
			b, err := appendPacket(nil, v, p)
			if err != nil {
				t.Errorf("version %d: %+v: %v", v, p, err)
				continue
			}
			got, err := readPacket(bytes.NewReader(b), v, 1000)
			if err != nil {
				t.Errorf("version %d: %+v: % x: %v", v, p, b, err)
				continue
			}
			again, err := appendPacket(nil, v, got)
			if err != nil || !bytes.Equal(again, b) {
				t.Errorf("version %d: %+v: % x, and then % x, %v", v, p, b, again, err)
			}
			// Each packet that is cut off is incomplete, never another
			// packet.
			for n := range b {
				if _, err := readPacket(bytes.NewReader(b[:n]), v, 1000); err == nil {
					t.Errorf("version %d: %+v: % x is a packet", v, p, b[:n])
				}
			}
			// Nor is a packet with one more byte valid.
			b[1]++
			_, err = readPacket(bytes.NewReader(append(b, 0)), v, 1000)
			switch p.(type) {
			case *publish, *suback, *subscribe, *unsubscribe, *ack, *farewell:
				// In these types the byte is part of a payload, or
				// begins another element or field.
			default:
				if !errors.As(err, new(*ProtocolError)) {
					t.Errorf("version %d: %+v: with a byte more: %v", v, p, err)
				}
			}
		}
	}
}

// The bytes of packets, as sections 3 of the two specifications describe them.
func TestBytes(t *testing.T) {
	for _, c := range []struct {
		version Version
		p       packet
		want    string
	}{
		{V311, &connect{version: V311, clientID: "id", cleanStart: true, keepAlive: 10}, "10 0e 00 04 4d 51 54 54 04 02 00 0a 00 02 69 64"},
		{V5, &connect{version: V5, clientID: "id", keepAlive: 10, props: properties{{id: sessionExpiry, n: 10}}}, "10 14 00 04 4d 51 54 54 05 00 00 0a 05 11 00 00 00 0a 00 02 69 64"},
		{V311, &connack{result: NotAuthorized}, "20 02 00 05"},
		{V5, &connack{sessionPresent: true}, "20 03 01 00 00"},
		{V311, &publish{topic: "a/b", qos: 1, id: 10, payload: []byte("x")}, "32 08 00 03 61 2f 62 00 0a 78"},
		{V5, &publish{topic: "a/b", retain: true, payload: []byte("x")}, "31 07 00 03 61 2f 62 00 78"},
		{V5, &ack{kind: pubrelType, id: 0x1234}, "62 02 12 34"},
		{V5, &ack{kind: pubrelType, id: 0x1234, result: PacketIDNotFound}, "62 03 12 34 92"},
		{V311, &subscribe{id: 10, requests: []request{{"a", 2}}}, "82 06 00 0a 00 01 61 02"},
		{V5, &subscribe{id: 10, requests: []request{{"a", 0x2e}}}, "82 07 00 0a 00 00 01 61 2e"},
		{V5, &unsubscribe{id: 10, filters: []string{"a"}}, "a2 06 00 0a 00 00 01 61"},
		{V5, &ping{pingreqType}, "c0 00"},
		{V311, &farewell{kind: disconnectType}, "e0 00"},
		{V5, &farewell{kind: disconnectType, result: DisconnectWithWill}, "e0 01 04"},
	} {
		b, err := appendPacket(nil, c.version, c.p)
		if got := fmt.Sprintf("% x", b); err != nil || got != c.want {
			t.Errorf("%+v: %s, %v; want %s", c.p, got, err, c.want)
		}
	}
	for n, want := range map[uint32]string{0: "00", 127: "7f", 128: "80 01", 16383: "ff 7f", 16384: "80 80 01", 2097151: "ff ff 7f", 2097152: "80 80 80 01", maxRemaining: "ff ff ff 7f"} {
		b := appendVarint(nil, n)
		got, size, err := readVarint(b)
		if fmt.Sprintf("% x", b) != want || got != n || size != len(b) || err != nil {
			t.Errorf("%d is % x, and that is %d, %v", n, b, got, err)
		}
	}
}

// parse reads bytes in hexadecimal.
func parse(t *testing.T, s string) (b []byte) {
	t.Helper()
	for _, field := range strings.Fields(s) {
		var n byte
		if _, err := fmt.Sscanf(field, "%x", &n); err != nil {
			t.Fatal(err)
		}
		b = append(b, n)
	}
	return b
}

// Packets that break a rule of the specification.
func TestMalformed(t *testing.T) {
	for _, c := range []struct {
		version  Version
		why, hex string
	}{
		{V5, "type 0", "00 00"},
		{V311, "AUTH in version 3.1.1", "f0 00"},
		{V5, "flags of CONNACK", "21 03 00 00 00"},
		{V5, "flags of PUBREL", "60 02 00 01"},
		{V5, "flags of SUBSCRIBE", "80 06 00 0a 00 01 61 02"},
		{V5, "flags of PINGRESP", "d1 00"},
		{V5, "a length of five bytes", "30 80 80 80 80 01"},
		{V5, "a length that is not in its shortest form", "d0 80 00"},
		{V5, "PINGRESP with a body", "d0 01 00"},
		{V5, "acknowledge flags", "20 03 02 00 00"},
		{V5, "a refusal with a session", "20 03 01 87 00"},
		{V5, "CONNACK without properties", "20 02 00 00"},
		{V311, "CONNACK with properties", "20 03 00 00 00"},
		{V311, "an unknown return code", "20 02 00 06"},
		{V5, "a reason code that CONNACK cannot have", "20 03 00 92 00"},
		{V5, "a reason code that does not exist", "40 03 00 01 77"},
		{V5, "PUBREL with the code of PUBACK", "62 03 00 01 10"},
		{V5, "QoS 3", "36 06 00 01 61 00 01 00"},
		{V5, "a duplicate with QoS 0", "38 04 00 01 61 00"},
		{V5, "the identifier 0", "32 06 00 01 61 00 00 00"},
		{V5, "a topic with a wildcard", "30 04 00 01 2b 00"},
		{V5, "no topic", "30 03 00 00 00"},
		{V311, "no topic in version 3.1.1", "30 02 00 00"},
		{V5, "a topic that is not UTF-8", "30 04 00 01 ff 00"},
		{V5, "a topic with a null character", "30 04 00 01 00 00"},
		{V5, "a surrogate", "30 06 00 03 ed a0 80 00"},
		{V5, "a topic longer than the packet", "30 04 00 09 61 00"},
		{V5, "the topic alias 0", "30 07 00 01 61 03 23 00 00"},
		{V5, "an alias twice", "30 0a 00 01 61 06 23 00 01 23 00 01"},
		{V5, "an unknown property", "30 06 00 01 61 02 7e 00"},
		{V5, "a property of another packet", "30 09 00 01 61 05 11 00 00 00 01"},
		{V5, "properties longer than the packet", "30 04 00 01 61 05"},
		{V5, "a property cut off", "30 06 00 01 61 02 02 00"},
		{V5, "a flag that is 2", "30 06 00 01 61 02 01 02"},
		{V5, "receive maximum 0", "20 06 00 00 03 21 00 00"},
		{V5, "maximum packet size 0", "20 08 00 00 05 27 00 00 00 00"},
		{V5, "subscription identifier 0", "30 06 00 01 61 02 0b 00"},
		{V5, "a response topic with a wildcard", "30 08 00 01 61 04 08 00 01 23"},
		{V5, "a subscription identifier twice", "82 0a 00 0a 04 0b 01 0b 01 00 01 61 00"},
		{V5, "SUBSCRIBE without a filter", "82 03 00 0a 00"},
		{V5, "SUBSCRIBE with QoS 3", "82 07 00 0a 00 00 01 61 03"},
		{V5, "SUBSCRIBE with retain handling 3", "82 07 00 0a 00 00 01 61 30"},
		{V5, "SUBSCRIBE with reserved bits", "82 07 00 0a 00 00 01 61 40"},
		{V311, "SUBSCRIBE with options in version 3.1.1", "82 06 00 0a 00 01 61 04"},
		{V5, "a shared subscription with no local", "82 0f 00 0a 00 00 09 24 73 68 61 72 65 2f 67 2f 61 04"},
		{V5, "a filter with a wildcard in a level", "82 08 00 0a 00 00 02 61 23 00"},
		{V5, "SUBACK without a result", "90 03 00 0a 00"},
		{V311, "SUBACK with a code of version 5", "90 03 00 0a 87"},
		{V311, "UNSUBACK with a result in version 3.1.1", "b0 03 00 0a 00"},
		{V5, "UNSUBACK with a granted QoS", "b0 04 00 0a 00 01"},
		{V5, "UNSUBSCRIBE without a filter", "a2 03 00 0a 00"},
		{V5, "PUBACK without an identifier", "40 00"},
		{V5, "half an identifier", "40 01 00"},
		{V311, "PUBACK with a code in version 3.1.1", "40 03 00 01 00"},
		{V5, "DISCONNECT with granted QoS 1", "e0 01 01"},
		{V311, "DISCONNECT with a code in version 3.1.1", "e0 01 00"},
		{V5, "another protocol", "10 0d 00 04 4d 51 54 58 05 02 00 0a 00 00 00"},
		{V5, "another version", "10 0d 00 04 4d 51 54 54 06 02 00 0a 00 00 00"},
		{V5, "the reserved flag of CONNECT", "10 0d 00 04 4d 51 54 54 05 03 00 0a 00 00 00"},
		{V5, "a QoS without a will", "10 0d 00 04 4d 51 54 54 05 0a 00 0a 00 00 00"},
		{V5, "a will with QoS 3", "10 12 00 04 4d 51 54 54 05 1e 00 0a 00 00 00 00 00 01 61 00 00"},
		{V311, "a password without a name", "10 0e 00 04 4d 51 54 54 04 42 00 0a 00 00 00 00"},
		{V311, "a session without a name", "10 0c 00 04 4d 51 54 54 04 00 00 0a 00 00"},
	} {
		p, err := readPacket(bytes.NewReader(parse(t, c.hex)), c.version, 1000)
		if !errors.As(err, new(*ProtocolError)) {
			t.Errorf("%s: %+v, %v", c.why, p, err)
		}
	}
	if _, err := readPacket(bytes.NewReader(parse(t, "30 ff ff ff 7f")), V5, 1000); err == nil || codeOf(err) != PacketTooLarge {
		t.Errorf("a packet of 256 MiB: %v", err)
	}
	// The announced length alone does not allocate memory.
	if n := testing.AllocsPerRun(1, func() { _, _ = readPacket(bytes.NewReader(parse(t, "30 ff ff ff 7f 00")), V5, maxRemaining) }); n > 50 {
		t.Errorf("%v allocations", n)
	}
}

// A decoded packet that is encoded and decoded again is the same packet.
func FuzzPacket(f *testing.F) {
	for _, v := range []Version{V311, V5} {
		for _, p := range samples(v) {
			b, _ := appendPacket(nil, v, p)
			f.Add(v == V5, b)
		}
	}
	f.Fuzz(func(t *testing.T, five bool, input []byte) {
		v := V311
		if five {
			v = V5
		}
		p, err := readPacket(bytes.NewReader(input), v, 1<<20)
		if err != nil {
			return
		}
		b, err := appendPacket(nil, v, p)
		if err != nil {
			t.Fatalf("%+v cannot be encoded: %v", p, err)
		}
		if c, ok := p.(*connect); ok {
			v = c.version
		}
		again, err := readPacket(bytes.NewReader(b), v, 1<<20)
		if err != nil {
			t.Fatalf("%+v becomes % x: %v", p, b, err)
		}
		if c, ok := again.(*publish); ok && len(c.payload) == 0 {
			c.payload, p.(*publish).payload = nil, nil
		}
		if a, b := normal(p), normal(again); a != b {
			t.Fatalf("%s becomes %s", a, b)
		}
	})
}

// normal returns a text that is the same for nil and empty slices.
func normal(p packet) string {
	if c, ok := p.(*connect); ok {
		text := fmt.Sprintf("%+v", *c)
		if c.will != nil {
			text = fmt.Sprintf("%+v %+v", *c.will, strings.ReplaceAll(text, fmt.Sprintf("%p", c.will), ""))
		}
		if c.username != nil {
			text = *c.username + strings.ReplaceAll(text, fmt.Sprintf("%p", c.username), "")
		}
		return text
	}
	return fmt.Sprintf("%+v", p)
}

// Section 4.7 of the specification.
func TestMatch(t *testing.T) {
	for _, c := range []struct {
		filter, topic string
		want          bool
	}{
		{"a/b/c", "a/b/c", true}, {"a/b", "a/b/c", false}, {"a/b/c", "a/b", false}, {"A", "a", false},
		{"sport/tennis/player1/#", "sport/tennis/player1", true}, {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
		{"sport/#", "sport", true}, {"#", "a/b/c", true}, {"a/#", "ab", false}, {"a/#", "b/a", false},
		{"sport/tennis/+", "sport/tennis/player1", true}, {"sport/tennis/+", "sport/tennis/player1/ranking", false},
		{"sport/+", "sport", false}, {"sport/+", "sport/", true}, {"+", "finance", true}, {"+", "/finance", false},
		{"+/+", "/finance", true}, {"/+", "/finance", true}, {"+/b/#", "a/b", true}, {"+/+/#", "a", false}, {"/#", "/", true},
		{"#", "$SYS/uptime", false}, {"+/uptime", "$SYS/uptime", false}, {"$SYS/#", "$SYS/uptime", true}, {"$SYS/+", "$SYS/uptime", true},
		{"$share/group/a/+", "a/b", true}, {"$share/group/#", "$SYS/x", false}, {"$share/group", "a", false},
		{"a//b", "a//b", true}, {"a/+/b", "a//b", true},
		{"a/#/b", "a/x/b", false}, {"a+", "ab", false}, {"#a", "a", false}, {"", "a", false}, {"a", "", false}, {"+", "+", false},
	} {
		if got := Match(c.filter, c.topic); got != c.want {
			t.Errorf("Match(%q, %q) is %v", c.filter, c.topic, got)
		}
	}
}

func TestValidFilter(t *testing.T) {
	for filter, want := range map[string]bool{
		"a": true, "+": true, "#": true, "/": true, "a/+/b/#": true, "$share/g/a": true, "$share/g/#": true, "$SYS/#": true,
		"": false, "a#": false, "#/a": false, "a/b+": false, "++": false, "$share/g": false, "$share/g/": false, "$share//a": false,
		"$share/+/a": false, "\xff": false, "a\x00": false, strings.Repeat("a", 70_000): false,
	} {
		if got := ValidFilter(filter); got != want {
			t.Errorf("ValidFilter(%.20q) is %v", filter, got)
		}
	}
}

// A journal that ends in the middle of an entry, or that is damaged.
func TestJournal(t *testing.T) {
	j := new(memoryJournal)
	s, err := OpenSession(j)
	if err != nil {
		t.Fatal(err)
	}
	add := func(id uint16, payload string) {
		m := &publish{qos: 2, topic: "t", id: id, payload: []byte(payload), props: properties{{id: contentType, text: "x"}}}
		if err := s.log(sentEntry, id, m); err != nil {
			t.Fatal(err)
		}
		s.out = append(s.out, &outgoing{msg: m})
	}
	for id := range uint16(4) {
		add(id+1, fmt.Sprint("payload ", id))
	}
	for _, e := range []struct {
		kind byte
		id   uint16
	}{{releasedEntry, 2}, {doneEntry, 1}, {receivedEntry, 7}, {receivedEntry, 8}, {forgetEntry, 7}} {
		if err := s.log(e.kind, e.id, nil); err != nil {
			t.Fatal(err)
		}
	}
	describe := func(s *Session) (text string) {
		for _, o := range s.out {
			text += fmt.Sprintf("%d %v %s, ", o.msg.id, o.released, o.msg.payload)
		}
		return text + fmt.Sprint(s.received)
	}
	whole := j.content
	want := "2 true , 3 false payload 2, 4 false payload 3, map[8:true]"
	for n := range len(whole) + 1 {
		j := &memoryJournal{content: whole[:n]}
		s, err := OpenSession(j)
		if err != nil {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
		// OpenSession has written the journal again, without entries that are no
		// longer needed.
		again, err := OpenSession(&memoryJournal{content: j.content})
		if err != nil || describe(again) != describe(s) {
			t.Fatalf("the first %d bytes: %s, and then %s, %v", n, describe(s), describe(again), err)
		}
		if got := describe(s); n == len(whole) && got != want {
			t.Errorf("the session is %s, want %s", got, want)
		}
	}
	for _, bad := range []string{"X\x00\x01", "D\x00\x09", "R\x00\x09", "S\x00\x01\x30\x04\x00\x01a\x00", "S\x00\x01\xd0\x00"} {
		if s, err := OpenSession(&memoryJournal{content: []byte(bad)}); err == nil {
			t.Errorf("the journal %q is accepted: %s", bad, describe(s))
		}
	}
	// A journal that has grown is replaced.
	s.out = s.out[:0]
	for range maxJournal / 1000 * 3 {
		add(1, strings.Repeat("x", 1000))
		if err := s.log(doneEntry, 1, nil); err != nil {
			t.Fatal(err)
		}
		s.out = s.out[:0]
	}
	if len(j.content) > maxJournal+2000 {
		t.Errorf("the journal has %d bytes", len(j.content))
	}
}
