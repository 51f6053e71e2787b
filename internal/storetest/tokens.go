package storetest

import (
	"crypto/sha256"

	"github.com/stretchr/testify/require"
)

var tokenProperties = []property{
	{name: "are known by their secret alone", hold: holdTokens},
	{name: "end", hold: holdTokensEnd},
}

func holdTokens(w *world) {
	store := w.open()
	secrets := map[string]string{"first": "secret", "zweiter ü": "Secret", "third": "se\x00cret", "fourth": "\xff"}
	for name, secret := range secrets {
		require.NoError(w, store.PutToken(w.Context(), name, secret))
	}
	require.NoError(w, store.PutToken(w.Context(), "again", "secret"), "it is known already")
	other := w.open()
	for want, secret := range secrets {
		name, ok, err := other.Authenticate(w.Context(), secret)
		require.NoError(w, err)
		require.True(w, ok)
		require.Equal(w, want, name)
	}
	for _, secret := range []string{"", "SECRET", "secret ", "first", "se"} {
		name, ok, err := store.Authenticate(w.Context(), secret)
		require.NoError(w, err)
		require.False(w, ok, "%q", secret)
		require.Empty(w, name)
	}
	require.EqualValues(w, len(secrets), w.number("SELECT count(*) FROM api_token"))
	hash := sha256.Sum256([]byte("secret"))
	require.EqualValues(w, 1, w.number("SELECT count(*) FROM api_token WHERE secret_hash = $1", hash[:]), "only the hash is kept")
}

func holdTokensEnd(w *world) {
	store := w.open()
	for name, column := range map[string]string{"revoked": "revoked_at", "expired": "expires_at"} {
		require.NoError(w, store.PutToken(w.Context(), name, name))
		w.exec("UPDATE api_token SET "+column+" = created_at WHERE name = $1", name)
		_, ok, err := store.Authenticate(w.Context(), name)
		require.NoError(w, err)
		require.False(w, ok, name)
	}
}
