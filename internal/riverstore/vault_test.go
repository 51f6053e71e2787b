package riverstore

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/seal"
	"github.com/taskhost/taskhost/task"
)

// book is a KeyBook in memory.
type book struct {
	mu   sync.Mutex
	keys []SealKey
	err  error
}

func (b *book) SealKeys(context.Context) ([]SealKey, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.keys, b.err
}

func (b *book) AddSealKeys(_ context.Context, decide func([]SealKey) ([]SealKey, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	added, err := decide(b.keys)
	b.keys = append(b.keys, added...)
	return err
}

func (b *book) DropSealKey(context.Context, string) error { return nil }

func (b *book) KeyUse(context.Context) ([]KeyUse, error) { return nil, b.err }

func vaultOf(t *testing.T, b *book, keys ...string) *Vault {
	t.Helper()
	v, err := OpenVault(t.Context(), b, keys)
	require.NoError(t, err)
	return v
}

func TestWithoutKeysNothingIsSealed(t *testing.T) {
	t.Parallel()
	v := vaultOf(t, new(book))
	require.Nil(t, v)
	require.NoError(t, v.Remember(t.Context()))
	require.Empty(t, v.KeyID())
	require.Empty(t, v.KeyIDs())
	row := &Row{Args: []byte("a"), IdempotencyKey: "k"}
	v.sealRow(row)
	end := &End{Result: []byte("r"), Failure: &task.Failure{Message: "m"}, Logs: []LogLine{{LogEntry: task.LogEntry{Message: "l"}}}}
	v.SealEnds([]*End{end})
	require.Equal(t, "a", string(row.Args))
	require.Equal(t, "r", string(end.Result))
	require.Equal(t, "m", end.Failure.Message)
	require.Equal(t, "l", end.Logs[0].Message)
	require.Len(t, row.ArgsDigest(), 32)

	_, err := v.SealFor("name", nil)
	require.ErrorContains(t, err, "no encryption key")
	_, err = v.Reencrypt(t.Context(), nil, nil)
	require.ErrorContains(t, err, "no encryption key")
	sealed := vaultOf(t, new(book), seal.NewKey()).ring.Seal(seal.Place{}, []byte("x"))
	var missing *task.SealedError
	_, err = v.OpenArgs(task.ID{1}, "id", sealed)
	require.ErrorAs(t, err, &missing)
	require.Equal(t, seal.KeyID(sealed), missing.KeyID)
	require.False(t, missing.Damaged)
}

func TestKeysThatCannotBeRead(t *testing.T) {
	t.Parallel()
	_, err := OpenVault(t.Context(), new(book), []string{"secret"})
	require.ErrorContains(t, err, "encryption key 1 ")
	_, err = OpenVault(t.Context(), &book{err: errDown}, nil)
	require.ErrorIs(t, err, errDown)
	v := vaultOf(t, new(book), seal.NewKey())
	v.book.(*book).err = errDown
	_, err = v.Reencrypt(t.Context(), nil, nil)
	require.ErrorIs(t, err, errDown)
}

// TestRemember: a key that somebody took for unused is known again, with the same
// secret.
func TestRemember(t *testing.T) {
	t.Parallel()
	b := new(book)
	key := seal.NewKey()
	v := vaultOf(t, b, key)
	before := b.keys
	require.Len(t, before, 1)
	require.NoError(t, v.Remember(t.Context()))
	require.Equal(t, before, b.keys)
	b.keys = nil
	require.NoError(t, v.Remember(t.Context()))
	require.Len(t, b.keys, 1)
	again := vaultOf(t, b, key)
	require.Equal(t, v.secret, again.secret)

	other := vaultOf(t, b, seal.NewKey(), key)
	require.ErrorContains(t, v.Remember(t.Context()), other.KeyID(), "a node that lacks a key says so")
}

func TestSealingTwiceIsSealingOnce(t *testing.T) {
	t.Parallel()
	v := vaultOf(t, new(book), seal.NewKey())
	end := &End{ID: task.ID{1}, Lease: 3, Result: []byte("r"), Failure: &task.Failure{Message: "m", Trace: "t", Cause: task.CauseTrap, Permanent: true}}
	end.Logs = []LogLine{{Task: task.ID{1}, LogEntry: task.LogEntry{Seq: 5, Message: "l", Fields: []byte(`{}`)}}}
	v.sealEnd(end)
	once := *end
	v.SealEnds([]*End{end})
	require.Equal(t, once, *end)
	require.Equal(t, &task.Failure{Cause: task.CauseTrap, Permanent: true}, end.Failure, "what decides is in clear")

	result, err := v.OpenResult(end.ID, end.ResultKey, end.Result)
	require.NoError(t, err)
	require.Equal(t, "r", string(result))
	message, trace, err := v.OpenFailure(end.ID, end.SealedFailure)
	require.NoError(t, err)
	require.Equal(t, "m t", message+" "+trace)
	attempt := task.Attempt{Number: 1}
	v.OpenAttempt(&attempt, end.ID, end.Lease, end.SealedAttempt)
	require.Equal(t, "m t", attempt.Error+" "+attempt.Trace)
	v.OpenAttempt(&attempt, end.ID, end.Lease+1, end.SealedAttempt)
	require.Equal(t, v.KeyID(), attempt.SealedUnder, "it is another attempt's")
	entry := task.LogEntry{Seq: 5}
	require.NoError(t, v.OpenLine(&entry, end.ID, end.Logs[0].Sealed))
	require.Equal(t, "l{}", entry.Message+string(entry.Fields))
	entry.Seq++
	require.Error(t, v.OpenLine(&entry, end.ID, end.Logs[0].Sealed))

	nothing := &End{ID: task.ID{1}, Failure: &task.Failure{Cause: task.CauseError}}
	v.sealEnd(nothing)
	require.Nil(t, nothing.Result)
	require.Nil(t, nothing.SealedFailure)
}

// TestArgumentsMoveToAnotherTask: for a task that is run again as a new one.
func TestArgumentsMoveToAnotherTask(t *testing.T) {
	t.Parallel()
	b := new(book)
	older, newer := seal.NewKey(), seal.NewKey()
	before, v := vaultOf(t, b, older), vaultOf(t, b, newer, older)
	from, to := task.ID{1}, task.ID{2}
	stored := before.ring.Seal(ofTask(fieldArgs, from), []byte("args"))
	keyID, moved, err := v.MoveArgs(from, before.KeyID(), stored, to)
	require.NoError(t, err)
	require.Equal(t, v.KeyID(), keyID)
	args, err := v.OpenArgs(to, keyID, moved)
	require.NoError(t, err)
	require.Equal(t, "args", string(args))
	_, err = v.OpenArgs(from, keyID, moved)
	require.Error(t, err)

	keyID, moved, err = v.MoveArgs(from, "", []byte("clear"), to)
	require.NoError(t, err)
	args, err = v.OpenArgs(to, keyID, moved)
	require.NoError(t, err)
	require.Equal(t, "clear", string(args))
	_, moved, err = (*Vault)(nil).MoveArgs(from, "", []byte("clear"), to)
	require.NoError(t, err)
	require.Equal(t, "clear", string(moved))
	_, _, err = before.MoveArgs(to, v.KeyID(), v.ring.Seal(ofTask(fieldArgs, to), nil), from)
	var missing *task.SealedError
	require.ErrorAs(t, err, &missing)
}

func TestHashesOfArguments(t *testing.T) {
	t.Parallel()
	b := new(book)
	older, newer := seal.NewKey(), seal.NewKey()
	first, second := vaultOf(t, b, older), vaultOf(t, b, newer, older)
	row := func(v *Vault, key, args string) *Row {
		r := &Row{Definition: &task.Definition{Name: "a"}, IdempotencyKey: key, Args: []byte(args), ArgsType: contentJSON}
		v.sealRow(r)
		return r
	}
	plain := row(nil, "k", `{"a":1}`)
	sealed := row(first, "k", `{"a": 1}`)
	require.NotContains(t, string(sealed.ArgsDigest()), string(plain.ArgsDigest()))
	for _, v := range []*Vault{first, second} {
		same, other := row(v, "k", ` {"a":1}`), row(v, "k", `{"a":2}`)
		for _, stored := range [][]byte{plain.ArgsDigest(), sealed.ArgsDigest()} {
			require.True(t, same.SameArgs(stored), "whatever key there was when it was stored")
			require.False(t, other.SameArgs(stored))
		}
	}
	require.False(t, plain.SameArgs(sealed.ArgsDigest()), "without a key nobody can tell")
	require.NotEqual(t, sealed.ArgsDigest(), row(first, "other", `{"a":1}`).ArgsDigest(), "equal arguments do not show")

	hash := &StoredHash{HashPlace{"a", "k"}, plain.ArgsDigest()}
	require.True(t, (&resealing{vault: second, out: new(Resealed)}).hash(hash))
	require.Equal(t, sealed.ArgsDigest(), hash.Digest)

	require.Equal(t, first.UniqueKey("a", []byte(`{ }`), contentJSON), second.UniqueKey("a", []byte(`{}`), contentJSON))
	require.NotEqual(t, first.UniqueKey("a", nil, ""), first.UniqueKey("b", nil, ""))
	require.Len(t, (*Vault)(nil).UniqueKey("a", nil, ""), 32)
}

func TestAProgramsOwnData(t *testing.T) {
	t.Parallel()
	v := vaultOf(t, new(book), seal.NewKey())
	sealed, err := v.SealFor("invoice 17", []byte("data"))
	require.NoError(t, err)
	text, err := v.OpenFor("invoice 17", sealed)
	require.NoError(t, err)
	require.Equal(t, "data", string(text))
	_, err = v.OpenFor("invoice 18", sealed)
	var damaged *task.SealedError
	require.True(t, errors.As(err, &damaged) && damaged.Damaged)
}
