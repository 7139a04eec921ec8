package identity

import (
	"errors"
	"fmt"
	"time"
)

// Config is how long sessions live and how often signing in may be tried.
type Config struct {
	SessionIdle     time.Duration `name:"session-idle" default:"8h" help:"A session that is not used for this long ends."`
	SessionLifetime time.Duration `name:"session-lifetime" default:"168h" help:"A session ends after this long, used or not."`
	SecureCookies   bool          `name:"secure-cookies" help:"Browsers reach the server over TLS although it does not speak TLS itself: a proxy in front of it does."`
	ThrottleWindow  time.Duration `name:"sign-in-window" default:"15m" help:"The time within which attempts to sign in are counted."`
	PairAttempts    int64         `name:"sign-in-attempts" default:"8" help:"Attempts at one account from one address within the window."`
	AddressAttempts int64         `name:"sign-in-attempts-per-address" default:"60" help:"Attempts from one address, at any account, within the window."`
	AccountAttempts int64         `name:"sign-in-attempts-per-account" default:"200" help:"Attempts at one account, from any address, within the window. Above it the account's owner is locked out too."`
}

// DefaultConfig is what the flags default to.
func DefaultConfig() Config {
	return Config{
		SessionIdle: 8 * time.Hour, SessionLifetime: 7 * 24 * time.Hour,
		ThrottleWindow: 15 * time.Minute, PairAttempts: 8, AddressAttempts: 60, AccountAttempts: 200,
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if c.SessionIdle <= 0 || c.SessionLifetime < c.SessionIdle {
		errs = append(errs, fmt.Errorf("session-idle %s, session-lifetime %s: want times above zero, the idle one no longer than the lifetime", c.SessionIdle, c.SessionLifetime))
	}
	if c.ThrottleWindow <= 0 {
		errs = append(errs, fmt.Errorf("sign-in-window %s: want a time above zero", c.ThrottleWindow))
	}
	if c.PairAttempts < 1 || c.AddressAttempts < c.PairAttempts || c.AccountAttempts < c.PairAttempts {
		errs = append(errs, errors.New("sign-in-attempts: want at least 1, and no more than those per address and per account"))
	}
	return errors.Join(errs...)
}
