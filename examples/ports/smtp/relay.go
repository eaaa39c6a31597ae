package smtp

import (
	"context"
	"errors"
)

// Relay is a [Deliverer] that passes each message on to another server, and never takes
// responsibility for a message: the client gets the other server's answer.
type Relay struct {
	Addr    string
	Options *Options
	// Refused, if not nil, is called with the recipients that the other server has
	// refused while it accepted the message for others.
	Refused func(e *Envelope, refused []Refusal)
}

// Deliver implements [Deliverer]. If the other server accepts the message for only some
// of the recipients, Deliver calls Refused and returns nil: SMTP cannot report that after
// the message, and sending it again would duplicate it.
func (r *Relay) Deliver(ctx context.Context, _ *Session, e *Envelope) error {
	refused, err := Send(ctx, r.Addr, Envelope{From: e.From, To: e.To, Data: e.Data}, r.Options)
	var all *RefusedError
	if errors.As(err, &all) {
		return all.Refusals[0].Err
	}
	if err == nil && len(refused) > 0 && r.Refused != nil {
		r.Refused(e, refused)
	}
	return err
}
