package cpace

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"errors"
	"testing"
)

func unhex(tb testing.TB, text string) []byte {
	tb.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func wantHex(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if hex.EncodeToString(got) != want {
		t.Errorf("%s:\n got %x\nwant %s", what, got, want)
	}
}

// The vectors of draft-irtf-cfrg-cpace-21, appendix B.1.
const (
	vecCI  = "6f630b425f726573706f6e6465720b415f696e69746961746f72"
	vecSID = "7e4b4791d6a8ef019b936c79fb7f2c57"
	vecG   = "64e8099e3ea682cfdc5cb665c057ebb514d06bf23ebc9f743b51b82242327074"
	vecSA  = "21b4f4bd9e64ed355c3eb676a28ebedaf6d8f17bdc365995b319097153044080"
	vecYA  = "1b02dad6dbd29a07b6d28c9e04cb2f184f0734350e32bb7e62ff9dbcfdb63d15"
	vecSB  = "848b0779ff415f0af4ea14df9dd1d3c29ac41d836c7808896c4eba19c51ac40a"
	vecYB  = "20cda5955f82c4931545bcbf40758ce1010d7db4db2a907013d79c7a8fcf957f"
	vecK   = "f97fdfcfff1c983ed6283856a401de3191ca919902b323c5f950c9703df7297a"
	vecISK = "a051ee5ee2499d16da3f69f430218b8ea94a18a45b67f9e86495b382c33d14a5" +
		"c38cecc0cc834f960e39e0d1bf7d76b9ef5d54eecc5e0f386c97ad12da8c3d5f"
)

func TestLengthsArePrependedAsTheDraftSays(t *testing.T) {
	wantHex(t, "concat()", concat([]byte("1234"), []byte("5"), nil, []byte("678")), "043132333401350003363738")
	wantHex(t, "128 bytes", concat(make([]byte, 128))[:2], "8001")
	wantHex(t, "127 bytes", concat(make([]byte, 127))[:1], "7f")
}

func TestGeneratorVectorOfTheDraft(t *testing.T) {
	text := generatorString([]byte("Password"), unhex(t, vecCI), unhex(t, vecSID))
	if len(text) != 172 {
		t.Errorf("generator string is %d bytes, want 172", len(text))
	}
	wantHex(t, "generator", generator([]byte("Password"), unhex(t, vecCI), unhex(t, vecSID)), vecG)
}

func TestInitiatorAndResponderVectorOfTheDraft(t *testing.T) {
	a, err := newSession([]byte("Password"), unhex(t, vecCI), unhex(t, vecSID), unhex(t, vecSA))
	if err != nil {
		t.Fatal(err)
	}
	b, err := newSession([]byte("Password"), unhex(t, vecCI), unhex(t, vecSID), unhex(t, vecSB))
	if err != nil {
		t.Fatal(err)
	}
	wantHex(t, "Ya", a.Share(), vecYA)
	wantHex(t, "Yb", b.Share(), vecYB)
	k, err := a.secretPoint(b.Share())
	if err != nil {
		t.Fatal(err)
	}
	wantHex(t, "K", k, vecK)
	atA, err := a.Initiate([]byte("ADa"), Message{b.Share(), []byte("ADb")})
	if err != nil {
		t.Fatal(err)
	}
	atB, err := b.Respond([]byte("ADb"), Message{a.Share(), []byte("ADa")})
	if err != nil {
		t.Fatal(err)
	}
	wantHex(t, "ISK at A", atA.Key, vecISK)
	wantHex(t, "ISK at B", atB.Key, vecISK)
	if !Confirm(atB.InitiatorTag, atA.InitiatorTag) || !Confirm(atA.ResponderTag, atB.ResponderTag) {
		t.Error("the tags of one run differ")
	}
	if Confirm(atA.InitiatorTag, atA.ResponderTag) {
		t.Error("the initiator's own tag passes for the responder's")
	}
}

func TestLowOrderPointsOfTheDraft(t *testing.T) {
	scalar, err := ecdh.X25519().NewPrivateKey(unhex(t, "af46e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449aff"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ point, product string }{
		{"0000000000000000000000000000000000000000000000000000000000000000", ""},
		{"0100000000000000000000000000000000000000000000000000000000000000", ""},
		{"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", ""},
		{"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", ""},
		{"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157", ""},
		{"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", ""},
		{"daffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "d8e2c776bbacd510d09fd9278b7edcd25fc5ae9adfba3b6e040e8d3b71b21806"},
		{"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", ""},
		{"dbffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "c85c655ebe8be44ba9c0ffde69f2fe10194458d137f09bbff725ce58803cdb38"},
		{"d9ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "db64dafa9b8fdd136914e61461935fe92aa372cb056314e1231bc4ec12417456"},
		{"cdeb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b880", "e062dcd5376d58297be2618c7498f55baa07d7e03184e8aada20bca28888bf7a"},
		{"4c9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f11d7", "993c6ad11c4c29da9a56f7691fd0ff8d732e49de6250b6c2e80003ff4629a175"},
	} {
		product, err := multiply(scalar, unhex(t, row.point))
		if row.product == "" {
			if !errors.Is(err, ErrAbort) {
				t.Errorf("%s: got %x, %v, want abort", row.point, product, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", row.point, err)
		}
		wantHex(t, row.point, product, row.product)
	}
}

func TestRunAbortsOnBadShares(t *testing.T) {
	s, err := New([]byte("secret"), []byte("channel"), []byte("session"))
	if err != nil {
		t.Fatal(err)
	}
	for name, share := range map[string][]byte{
		"own share": s.Share(), "low order": make([]byte, 32), "short": make([]byte, 31), "long": make([]byte, 33), "empty": nil,
	} {
		if _, err := s.Initiate(nil, Message{Share: share}); !errors.Is(err, ErrAbort) {
			t.Errorf("initiator, %s: %v, want abort", name, err)
		}
		if _, err := s.Respond(nil, Message{Share: share}); !errors.Is(err, ErrAbort) {
			t.Errorf("responder, %s: %v, want abort", name, err)
		}
	}
}

func TestEveryInputIsBound(t *testing.T) {
	type inputs struct{ secret, channel, sid, adA, adB string }
	run := func(a, b inputs) bool {
		t.Helper()
		left, err := New([]byte(a.secret), []byte(a.channel), []byte(a.sid))
		if err != nil {
			t.Fatal(err)
		}
		right, err := New([]byte(b.secret), []byte(b.channel), []byte(b.sid))
		if err != nil {
			t.Fatal(err)
		}
		atA, err := left.Initiate([]byte(a.adA), Message{right.Share(), []byte(a.adB)})
		if err != nil {
			t.Fatal(err)
		}
		atB, err := right.Respond([]byte(b.adB), Message{left.Share(), []byte(b.adA)})
		if err != nil {
			t.Fatal(err)
		}
		return Confirm(atB.InitiatorTag, atA.InitiatorTag) || Confirm(atA.ResponderTag, atB.ResponderTag) ||
			bytes.Equal(atA.Key, atB.Key)
	}
	same := inputs{"secret", "channel", "sid", "a", "b"}
	if !run(same, same) {
		t.Error("equal inputs do not agree")
	}
	for name, other := range map[string]inputs{
		"secret":  {"Secret", "channel", "sid", "a", "b"},
		"channel": {"secret", "Channel", "sid", "a", "b"},
		"sid":     {"secret", "channel", "Sid", "a", "b"},
		"ad a":    {"secret", "channel", "sid", "A", "b"},
		"ad b":    {"secret", "channel", "sid", "a", "B"},
	} {
		if run(same, other) {
			t.Errorf("another %s goes unnoticed", name)
		}
	}
}

func FuzzRespond(f *testing.F) {
	f.Add([]byte("AD"), unhex(f, vecYA))
	f.Add([]byte{}, make([]byte, 32))
	f.Add([]byte{0xff}, []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, ad, share []byte) {
		s, err := New([]byte("secret"), nil, ad)
		if err != nil {
			t.Fatal(err)
		}
		result, err := s.Respond(nil, Message{Share: share, AD: ad})
		if err == nil && (len(share) != ShareSize || len(result.Key) != 64) {
			t.Fatalf("accepted a share of %d bytes", len(share))
		}
		if err != nil && !errors.Is(err, ErrAbort) {
			t.Fatal(err)
		}
	})
}
