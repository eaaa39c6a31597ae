// Package smtp has an SMTP client and an SMTP server on the transports and streams of
// package aio. It is a port of what the Python packages aiosmtplib and aiosmtpd do,
// written from the specifications:
//
//   - RFC 5321, SMTP; RFC 5322 for the header fields of [EnvelopeOf]
//   - RFC 1870, SIZE; RFC 2034 and 3463, enhanced status codes
//   - RFC 2920, PIPELINING; RFC 6152, 8BITMIME; RFC 6531, SMTPUTF8
//   - RFC 3207, STARTTLS; RFC 4954, AUTH, with the mechanisms of RFC 4616 (PLAIN) and
//     RFC 2195 (CRAM-MD5), LOGIN and XOAUTH2
//
// [Dial] connects a [Client], and [Send] sends one message. [Start] runs a [Server],
// which passes the messages to a [Deliverer].
//
// # What a 250 means
//
// The server answers a message with 250 only after Deliver has returned nil. A client
// that has seen 250 knows that the message is stored. A client whose connection ends
// before the answer does not know that: it has to send the message again, and the
// recipient may get it twice.
//
// # Cancellation
//
// A call that is cancelled, or times out, while it waits for an answer closes the
// connection. So an answer is never taken for that to another command, and a message is
// never continued with a command. A call that is cancelled while it waits for its turn
// has done nothing, and the connection stays usable.
package smtp
