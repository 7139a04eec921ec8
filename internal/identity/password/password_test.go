package password_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
	"pgregory.net/rapid"

	"github.com/bodega-hq/bodega/internal/identity/password"
)

func TestVerify(t *testing.T) {
	hash := password.Hash("correct horse")
	for secret, want := range map[string]bool{"correct horse": true, "correct horse ": false, "": false, "Correct horse": false} {
		if got, err := password.Verify(hash, secret); err != nil || got != want {
			t.Errorf("Verify(%q) = %v, %v", secret, got, err)
		}
	}
	if password.Hash("correct horse") == hash {
		t.Error("two hashes share a salt")
	}
	if password.Outdated(hash) {
		t.Error("a new hash is outdated")
	}
}

func TestOtherCostsVerifyAndAreOutdated(t *testing.T) {
	salt := []byte("somesaltsomesalt")
	b64 := base64.RawStdEncoding
	hash := "$argon2id$v=19$m=64,t=1,p=2$" + b64.EncodeToString(salt) + "$" +
		b64.EncodeToString(argon2.IDKey([]byte("x"), salt, 1, 64, 2, 24))
	for secret, want := range map[string]bool{"x": true, "y": false} {
		if ok, err := password.Verify(hash, secret); err != nil || ok != want {
			t.Errorf("Verify(%q) = %v, %v", secret, ok, err)
		}
	}
	if !password.Outdated(hash) {
		t.Error("a hash with other costs is not outdated")
	}
}

func TestMalformedHashes(t *testing.T) {
	good := password.Hash("x")
	for name, hash := range map[string]string{
		"empty":          "",
		"text":           "hunter2",
		"other function": strings.Replace(good, "argon2id", "argon2i", 1),
		"other version":  strings.Replace(good, "v=19", "v=16", 1),
		"no memory":      strings.Replace(good, "m=19456", "m=0", 1),
		"huge memory":    strings.Replace(good, "m=19456", "m=4294967295", 1),
		"negative":       strings.Replace(good, "t=2", "t=-2", 1),
		"spaces":         strings.Replace(good, "t=2", "t= 2", 1),
		"zeros":          strings.Replace(good, "t=2", "t=02", 1),
		"no lanes":       strings.Replace(good, "p=1", "p=0", 1),
		"padded":         good + "==",
		"tail":           good + "$x",
		"no key":         good[:strings.LastIndex(good, "$")+1],
	} {
		if ok, err := password.Verify(hash, "x"); err == nil || ok {
			t.Errorf("%s: Verify = %v, %v", name, ok, err)
		}
		if !password.Outdated(hash) {
			t.Errorf("%s is not outdated", name)
		}
	}
}

func TestEveryPasswordVerifiesItselfAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		got, err := password.Verify(password.Hash(a), b)
		if err != nil || got != (a == b) {
			t.Fatalf("Verify = %v, %v", got, err)
		}
	})
}

// FuzzVerify feeds stored hashes of any kind: none may panic, take memory
// without bound, or match.
func FuzzVerify(f *testing.F) {
	f.Add(password.Hash("x"))
	f.Add("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=,t=,p=$$")
	f.Fuzz(func(t *testing.T, hash string) {
		if ok, err := password.Verify(hash, "another"); ok && err == nil {
			t.Errorf("%q matches", hash)
		}
	})
}
