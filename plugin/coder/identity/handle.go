package identity

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/understudy-host/understudy/plugin/coder/upstream"
)

// A ticket is a handle or the access token that it is exchanged for. Both are sealed. It is data for whoever has the keys:
// a replica opens it too.
type ticket struct {
	ID      string           `json:"i"`
	Env     string           `json:"e"`
	Expires int64            `json:"x"` // Unix milliseconds
	Profile upstream.Profile `json:"p"`
}

// label is what a ticket is sealed for.
type label string

// The labels, and the purpose that their keys are derived for.
const (
	purpose     = "coder identity relay"
	handle      = label("handle")
	accessToken = label("access token")
)

// ticketLife is how long a ticket lives. Clocks of replicas may differ by maxSkew.
const (
	ticketLife = 10 * time.Second
	maxSkew    = 10 * time.Second
)

// Limits of a ticket's sealed form, which travels in a header, and of the address of a picture in it.
const (
	maxTicket  = 6 << 10
	maxPicture = 2 << 10
)

// Reasons to refuse a ticket, for the log.
var (
	errExpired = errors.New("it has expired")
	errFuture  = errors.New("it is from the future: compare the clocks of the replicas")
	errUsed    = errors.New("it has been used")
	errProfile = errors.New("the user's profile at Coder is too long")
)

// seal makes a ticket.
func (r *Relay) seal(as label, env string, profile upstream.Profile) (string, error) {
	if len(profile.AvatarURL) > maxPicture {
		profile.AvatarURL = ""
	}
	text, err := json.Marshal(ticket{rand.Text(), env, time.Now().Add(ticketLife).UnixMilli(), profile})
	if err != nil {
		return "", err
	}
	sealed := r.ring.Seal(text, string(as))
	if len(sealed) > maxTicket {
		return "", errProfile
	}
	return sealed, nil
}

// open opens a ticket that has not expired. It may have been used.
func (r *Relay) open(as label, sealed string) (t ticket, err error) {
	text, err := r.ring.Open(sealed, string(as))
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, err
	}
	switch left := time.Until(time.UnixMilli(t.Expires)); {
	case left <= 0:
		return t, errExpired
	case left > ticketLife+maxSkew: // or the clock was set back: what was used may have been forgotten
		return t, errFuture
	}
	return t, nil
}

// spend uses a ticket up. It succeeds once.
func (r *Relay) spend(t ticket) (err error) {
	r.used.Do(func(u *used) {
		if err = nil; !u.add(t) {
			err = errUsed
		}
	})
	return err
}

// used knows the tickets that have been used, and their ends. Only tickets of this service come in, so their number is limited
// by that of the sign-ins in half a minute.
type used map[string]int64

// add reports whether a ticket is new, and remembers it for longer than it can be valid.
func (u used) add(t ticket) bool {
	forgotten := time.Now().Add(-maxSkew).UnixMilli()
	maps.DeleteFunc(u, func(_ string, expires int64) bool { return expires < forgotten })
	_, known := u[t.ID]
	u[t.ID] = t.Expires
	return !known
}
