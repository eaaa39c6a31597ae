package mqtt

import (
	"fmt"
	"time"

	"github.com/goaio/aio"
)

// QoS is the quality of service of a message.
type QoS byte

// The qualities of service.
const (
	AtMostOnce  QoS = 0
	AtLeastOnce QoS = 1
	ExactlyOnce QoS = 2
)

// UserProperty is a pair that the application defines.
type UserProperty struct{ Name, Value string }

// Message is a message to publish, or one that was received.
type Message struct {
	Topic   string
	Payload []byte
	QoS     QoS
	// Retain makes the server keep the message for later subscribers. In a received
	// message it reports that the server has kept the message.
	Retain bool
	// Duplicate reports that the server sends this message again. The client drops
	// the copies that it recognises, so the application may see the message for the
	// first time.
	Duplicate bool

	// The fields below need version 5.

	// Expiry is how long the server keeps the message for subscribers that are not
	// connected, in seconds; 0 means no limit.
	Expiry          time.Duration
	ContentType     string
	ResponseTopic   string
	CorrelationData []byte
	// Text says that the payload is UTF-8.
	Text           bool
	UserProperties []UserProperty
	// SubscriptionIDs are those of the subscriptions that a received message
	// matches.
	SubscriptionIDs []uint32

	client  *Client
	session *Session
	epoch   int    // number of the session in which the message was received
	id      uint16 // 0 for QoS 0 and for messages that were acknowledged
	bytes   int64  // the size of the message when it was received
}

// Matches reports whether the topic of the message matches a filter; see [Match].
func (m *Message) Matches(filter string) bool { return Match(filter, m.Topic) }

// usagef makes an error for a mistake of the calling program.
func usagef(format string, args ...any) error {
	return fmt.Errorf("mqtt: %s: %w", fmt.Sprintf(format, args...), aio.ErrUsage)
}

// packet returns m as a packet, without an identifier.
func (m *Message) packet(version Version) (*publish, error) {
	p := &publish{qos: m.QoS, retain: m.Retain, topic: m.Topic, payload: m.Payload}
	if m.QoS > ExactlyOnce {
		return nil, usagef("the QoS is %d", m.QoS)
	}
	if !ValidTopic(m.Topic) {
		return nil, usagef("the topic %q is empty or has a wildcard", m.Topic)
	}
	if m.Expiry < 0 || m.Expiry.Seconds() > 1<<32-1 {
		return nil, usagef("the expiry of a message is %v", m.Expiry)
	}
	if m.Text {
		p.props.number(payloadFormat, 1)
	}
	p.props.number(messageExpiry, seconds(m.Expiry))
	p.props.string(contentType, m.ContentType)
	p.props.string(responseTopic, m.ResponseTopic)
	p.props.string(correlationData, string(m.CorrelationData))
	for _, u := range m.UserProperties {
		p.props = append(p.props, property{id: userProperty, text: u.Name, pair: u.Value})
	}
	if version < V5 && len(p.props) > 0 {
		return nil, usagef("version 3.1.1 has no properties")
	}
	return p, nil
}

// seconds rounds up: a positive duration never becomes 0, which has another meaning.
func seconds(d time.Duration) uint32 { return uint32((d + time.Second - 1) / time.Second) }

// message returns a received packet as a message.
func (p *publish) message() *Message {
	m := &Message{Topic: p.topic, Payload: p.payload, QoS: p.qos, Retain: p.retain, Duplicate: p.dup, id: p.id}
	m.bytes = int64(len(p.topic) + len(p.payload))
	for _, q := range p.props {
		m.bytes += int64(len(q.text) + len(q.pair))
		switch q.id {
		case payloadFormat:
			m.Text = q.n == 1
		case messageExpiry:
			m.Expiry = time.Duration(q.n) * time.Second
		case contentType:
			m.ContentType = q.text
		case responseTopic:
			m.ResponseTopic = q.text
		case correlationData:
			m.CorrelationData = []byte(q.text)
		case userProperty:
			m.UserProperties = append(m.UserProperties, UserProperty{q.text, q.pair})
		case subscriptionIdentifier:
			m.SubscriptionIDs = append(m.SubscriptionIDs, q.n)
		}
	}
	return m
}
