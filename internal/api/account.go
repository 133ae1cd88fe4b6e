package api

import "context"

// Account is what users change of their own account. Each change ends the
// account's sessions, and returns a ticket to begin a new one with.
type Account interface {
	// ChangePassword asks for the old password.
	ChangePassword(ctx context.Context, user, old, password string) (Ticket, error)
	// NewTOTP returns a secret for one-time codes and saves nothing.
	NewTOTP(ctx context.Context, user string) (TOTPKey, error)
	// EnableTOTP asks for one-time codes from now on, once the password and a right
	// code were shown, and returns recovery codes, each of which serves once instead
	// of a code. Refused if they are on already.
	EnableTOTP(ctx context.Context, user string, shown TOTPProof) (recovery []string, ticket Ticket, err error)
	// DisableTOTP asks for the password.
	DisableTOTP(ctx context.Context, user, password string) (Ticket, error)
	// RecoveryCodes tells how many recovery codes are left.
	RecoveryCodes(ctx context.Context, user string) (int, error)
}

// TOTPKey is a secret for one-time codes, to be shown to its user.
type TOTPKey struct {
	Secret string // base32
	URL    string // otpauth:// for a QR code
}

// TOTPProof is what turning one-time codes on asks for.
type TOTPProof struct {
	Password string
	Secret   string // of NewTOTP
	Code     string // made from it
}
