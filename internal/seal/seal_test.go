package seal

import (
	"bytes"
	"crypto/sha3"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func ring(t testing.TB, keys ...string) *Ring {
	t.Helper()
	r, err := Parse(keys)
	require.NoError(t, err)
	return r
}

// keyOf is a key whose bytes are all the same.
func keyOf(b byte) string {
	return base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{b}, keyBytes))
}

var somewhere = Place{Field: "field", Owner: []byte("owner")}

// TestXAESVectors: the vectors of https://c2sp.org/XAES-256-GCM.
func TestXAESVectors(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		key       byte
		aad, want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		x, err := newXAES(bytes.Repeat([]byte{v.key}, keyBytes))
		require.NoError(t, err)
		nonce := []byte("ABCDEFGHIJKLMNOPQRSTUVWX")
		sealed := x.seal(nil, nonce, []byte("XAES-256-GCM"), []byte(v.aad))
		require.Equal(t, v.want, hex.EncodeToString(sealed))
		text, err := x.open(nonce, sealed, []byte(v.aad))
		require.NoError(t, err)
		require.Equal(t, "XAES-256-GCM", string(text))
	}
}

// TestXAESAccumulated: ten thousand messages of the specification's own generator.
// Half of the keys have the bit with which doubling carries.
func TestXAESAccumulated(t *testing.T) {
	t.Parallel()
	in, out := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	read := func(n int) []byte {
		b := make([]byte, n)
		_, err := in.Read(b)
		require.NoError(t, err)
		return b
	}
	for range 10_000 {
		x, err := newXAES(read(keyBytes))
		require.NoError(t, err)
		nonce := read(nonceBytes)
		text := read(int(read(1)[0]))
		aad := read(int(read(1)[0]))
		sealed := x.seal(nil, nonce, text, aad)
		opened, err := x.open(nonce, sealed, aad)
		require.NoError(t, err)
		require.Equal(t, text, opened)
		_, _ = out.Write(sealed)
	}
	sum := make([]byte, 32)
	_, _ = out.Read(sum)
	require.Equal(t, "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939", hex.EncodeToString(sum))
}

// TestWhatWasStoredCanBeRead: what earlier versions have sealed opens for ever.
func TestWhatWasStoredCanBeRead(t *testing.T) {
	t.Parallel()
	r := ring(t, keyOf(1))
	require.Equal(t, "087e514da0a7c0f0", r.Current())
	for _, v := range []struct{ sealed, text string }{
		{"01087e514da0a7c0f0ef852a4e5e8cacbb4b7023c19db01dac94725937eee9b95c04a50224c4411f3a276b5bb64442688467edf873", "text"},
		{"01087e514da0a7c0f0b14d20557571a01373aee6828c6abf70abca73cb0fd10a5b109ca68e4c79334c4d69d0219b66e469", ""},
	} {
		sealed, err := hex.DecodeString(v.sealed)
		require.NoError(t, err)
		text, err := r.Open(somewhere, sealed)
		require.NoError(t, err)
		require.Equal(t, v.text, string(text))
	}
	require.Equal(t, "adce2ab225b69f6a88a1aa418b3f83f58d65921c20dee682b3c948bc1c02fb16", hex.EncodeToString(NewHasher(make([]byte, SecretBytes)).Sum("purpose", []byte("a"), nil)))
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	r := ring(t, NewKey())
	for _, text := range []string{"", "x", strings.Repeat("long ", 1<<18)} {
		sealed := r.Seal(somewhere, []byte(text))
		require.Len(t, sealed, len(text)+Overhead)
		require.Equal(t, r.Current(), KeyID(sealed))
		require.Equal(t, r.Current(), hex.EncodeToString(sealed[IDStart-1:IDStart-1+IDLength]))
		opened, err := r.Open(somewhere, sealed)
		require.NoError(t, err)
		require.Equal(t, text, string(opened))
		require.NotEqual(t, sealed, r.Seal(somewhere, []byte(text)), "the nonce is new")
	}
}

func TestEveryChangeIsNoticed(t *testing.T) {
	t.Parallel()
	r := ring(t, NewKey())
	sealed := r.Seal(somewhere, []byte("text"))
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			_, err := r.Open(somewhere, changed)
			require.Error(t, err, "byte %d", i)
		}
		_, err := r.Open(somewhere, sealed[:i])
		require.ErrorIs(t, err, ErrDamaged)
	}
	_, err := r.Open(somewhere, append(bytes.Clone(sealed), 0))
	require.ErrorIs(t, err, ErrDamaged)
}

func TestWhatIsMovedDoesNotOpen(t *testing.T) {
	t.Parallel()
	r := ring(t, NewKey())
	sealed := r.Seal(somewhere, []byte("text"))
	for _, other := range []Place{
		{},
		{Field: "field"},
		{Field: "other", Owner: []byte("owner")},
		{Field: "field", Owner: []byte("other")},
		{Field: "fieldo", Owner: []byte("wner")},
		{Field: "fiel", Owner: []byte("downer")},
	} {
		_, err := r.Open(other, sealed)
		require.ErrorIs(t, err, ErrDamaged)
	}
}

func TestTheFirstKeySealsAndAllOpen(t *testing.T) {
	t.Parallel()
	older, newer := NewKey(), NewKey()
	before, both, after := ring(t, older), ring(t, newer, older, newer), ring(t, newer)
	require.Equal(t, []string{after.Current(), before.Current()}, both.IDs())
	sealed := before.Seal(somewhere, []byte("old"))
	text, err := both.Open(somewhere, sealed)
	require.NoError(t, err)
	require.Equal(t, "old", string(text))
	_, err = after.Open(somewhere, both.Seal(somewhere, nil))
	require.NoError(t, err)

	_, err = after.Open(somewhere, sealed)
	var unknown *UnknownKeyError
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, before.Current(), unknown.KeyID)

	// One that says that it was sealed under the other key.
	copy(sealed[1:], after.keys[0].id[:])
	_, err = both.Open(somewhere, sealed)
	require.ErrorIs(t, err, ErrDamaged)
}

func TestKeysAreReadAsFernetWritesThem(t *testing.T) {
	t.Parallel()
	none, err := Parse(nil)
	require.NoError(t, err)
	require.Nil(t, none)
	const fernet = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	for _, text := range []string{fernet, strings.TrimRight(fernet, "="), " " + fernet + "\n"} {
		require.Equal(t, ring(t, fernet).Current(), ring(t, text).Current())
	}
	require.NotEqual(t, ring(t, fernet).Current(), ring(t, NewKey()).Current())
	for _, wrong := range []string{"", "secret", fernet[:42], fernet + "AAAA", strings.Replace(fernet, "_", "/", 1), strings.Repeat("=", 44)} {
		_, err := Parse([]string{fernet, wrong})
		require.ErrorContains(t, err, "encryption key 2 ")
		if wrong != "" {
			require.NotContains(t, err.Error(), wrong)
		}
	}
}

func TestHashes(t *testing.T) {
	t.Parallel()
	a, b := NewHasher(NewSecret()), NewHasher(NewSecret())
	sums := map[string]bool{}
	for _, sum := range [][]byte{
		a.Sum("p"), a.Sum("q"), a.Sum("p", nil), a.Sum("p", []byte("ab")), a.Sum("p", []byte("a"), []byte("b")), a.Sum("pa", []byte("b")), b.Sum("p"),
	} {
		sums[string(sum)] = true
	}
	require.Len(t, sums, 7, "each is another")
	require.Equal(t, a.Sum("p", []byte("x")), a.Sum("p", []byte("x")))
}

func TestPairs(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"", ""}, {"a", ""}, {"", "b"}, {"message", "trace"}} {
		a, b, err := Unpair(Pair([]byte(pair[0]), []byte(pair[1])))
		require.NoError(t, err)
		require.Equal(t, pair[0]+"|"+pair[1], string(a)+"|"+string(b))
	}
	for _, wrong := range []string{"", "\x00\x00\x00", "\x00\x00\x00\x01", "\xff\xff\xff\xffab"} {
		_, _, err := Unpair([]byte(wrong))
		require.ErrorIs(t, err, ErrDamaged)
	}
}

func FuzzOpen(f *testing.F) {
	r := ring(f, keyOf(1))
	f.Add("field", []byte("owner"), []byte("text"), r.Seal(somewhere, []byte("text")))
	f.Fuzz(func(t *testing.T, field string, owner, text, stranger []byte) {
		place := Place{field, owner}
		sealed := r.Seal(place, text)
		opened, err := r.Open(place, sealed)
		require.NoError(t, err)
		require.True(t, bytes.Equal(text, opened))
		if opened, err := r.Open(place, stranger); err == nil && field != somewhere.Field {
			require.Fail(t, "forged", "%q", opened)
		}
		if a, b, err := Unpair(stranger); err == nil {
			require.Equal(t, stranger, Pair(a, b))
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	r := ring(b, NewKey())
	for _, size := range []int{100, 1 << 10, 1 << 20} {
		text := make([]byte, size)
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				_, _ = r.Open(somewhere, r.Seal(somewhere, text))
			}
		})
	}
}
