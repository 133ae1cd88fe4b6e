package credential

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
)

// One-time codes are those that every authenticator makes: SHA-1, six digits, a
// new one every 30 seconds. Clocks may be one step apart (RFC 6238, section 5.2).
const (
	codePeriod = 30 // seconds
	codeSkew   = 1  // steps

	totpSecret    = 20 // bytes (RFC 4226, section 4)
	recoveryCodes = 10
	recoveryChars = 16 // base32: 80 random bits, so that a plain hash of them is enough
)

func codeOptions() hotp.ValidateOpts {
	return hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}
}

// TOTPKey is a secret for one-time codes, to be shown to its user.
type TOTPKey struct {
	Secret string // base32
	URL    string // otpauth:// for a QR code
}

// NewTOTP makes a secret and saves nothing.
func NewTOTP(site, user string) (TOTPKey, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: site, AccountName: user, SecretSize: totpSecret, Period: codePeriod})
	if err != nil {
		return TOTPKey{}, err
	}
	return TOTPKey{Secret: key.Secret(), URL: key.URL()}, nil
}

// MatchCode finds the time step whose code it is. All of them are compared,
// whichever matches.
func MatchCode(secret, code string, now time.Time) (step int64, right bool) {
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	if secret == "" {
		return 0, false
	}
	middle := now.Unix() / codePeriod
	for at := middle - codeSkew; at <= middle+codeSkew; at++ {
		if same, err := hotp.ValidateCustom(code, uint64(max(at, 0)), secret, codeOptions()); same && err == nil {
			step, right = at, true
		}
	}
	return step, right
}

// NewRecoveryCodes returns codes like abcd-efgh-ijkl-mnop.
func NewRecoveryCodes() []string {
	codes := make([]string, recoveryCodes)
	for i := range codes {
		text := strings.ToLower(rand.Text()[:recoveryChars])
		codes[i] = strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:]}, "-")
	}
	return codes
}

// HashRecovery returns what is kept of a recovery code, however it was typed.
func HashRecovery(code string) string {
	return HashToken(strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(strings.TrimSpace(code))))
}

// HashToken returns what is kept of a token. It needs no salt and no cost: a token is 260 random bits.
func HashToken(plain string) string {
	sum := sha256.Sum256([]byte(plain))
	return hex.EncodeToString(sum[:])
}

// ValidSecret reports whether a secret is one that NewTOTP made.
func ValidSecret(secret string) bool {
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	return err == nil && len(raw) == totpSecret
}
