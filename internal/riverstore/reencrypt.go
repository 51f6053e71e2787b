package riverstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/taskhost/taskhost/internal/seal"
	"github.com/taskhost/taskhost/task"
)

// KeyUse counts what is stored under a key, or in clear.
type KeyUse struct {
	// KeyID is empty for what is in clear.
	KeyID    string
	Args     int64
	Results  int64
	Errors   int64
	Attempts int64
	LogLines int64
	// Hashes are those of arguments that were made without a key.
	Hashes int64
}

// Total is how many things those are.
func (u *KeyUse) Total() int64 {
	return u.Args + u.Results + u.Errors + u.Attempts + u.LogLines + u.Hashes
}

// Resealer is what a store offers to have what is stored sealed again. Each method
// hands some rows that are after a place, and not all under that key, to f, which
// changes them and says whether to store them. It returns the place of the last one,
// and how many there were: none at the end. It passes over rows that somebody else
// writes at this moment.
type Resealer interface {
	ResealTasks(ctx context.Context, key string, after task.ID, f func(*StoredTask) bool) (last task.ID, n int, err error)
	ResealAttempts(ctx context.Context, key string, after RowPlace, f func(*StoredTexts) bool) (last RowPlace, n int, err error)
	ResealLines(ctx context.Context, key string, after RowPlace, f func(*StoredTexts) bool) (last RowPlace, n int, err error)
	ResealHashes(ctx context.Context, after HashPlace, f func(*StoredHash) bool) (last HashPlace, n int, err error)
}

// RowPlace names one of the rows that a task has several of: an attempt by its lease,
// a line by its seq.
type RowPlace struct {
	Task   task.ID
	Number int64
}

// HashPlace names an idempotency key.
type HashPlace struct{ Name, Key string }

// StoredTask is what is private in a task's row.
type StoredTask struct {
	ID        task.ID
	Args      []byte
	ArgsKey   string
	Result    []byte
	ResultKey string
	// Error and Trace are in clear, or else Failure holds them.
	Error, Trace string
	Failure      []byte
	// UniqueKey may be made of the arguments. It is empty where the task has none.
	UniqueKey string
}

// StoredTexts is what is private in a row of an attempt, its error and trace, or of a
// log line, its message and fields: in clear, or else Sealed holds both.
type StoredTexts struct {
	RowPlace

	First, Second string
	Sealed        []byte
}

// StoredHash is the hash of arguments beside an idempotency key.
type StoredHash struct {
	HashPlace

	Digest []byte
}

// Resealed is what came of [Vault.Reencrypt].
type Resealed struct {
	// Done is how many things were sealed again, or for the first time.
	Done int64
	// Unreadable is how many could not be opened, by the key that they are sealed
	// under. They are left as they are.
	Unreadable map[string]int64
	// Unused are the keys that nothing is sealed under any more.
	Unused []string
	// Left is how many were not under the key at the end.
	Left int64
}

// mostPasses bounds how often Reencrypt begins again, for what others have written
// meanwhile.
const mostPasses = 20

// Reencrypt seals all that is stored under the first key, what is in clear too. It
// works on a few rows at a time, beside whoever else uses the database, and can be
// broken off and begun again at any time: what is done is done. progress is told how
// much is done, of about how much.
func (v *Vault) Reencrypt(ctx context.Context, db Resealer, progress func(done, total int64)) (*Resealed, error) {
	if v == nil {
		return nil, errors.New("there is no encryption key to seal with: give one, 'taskhost key new' makes it")
	}
	uses, err := v.book.KeyUse(ctx)
	if err != nil {
		return nil, err
	}
	total := v.left(uses)
	r := &resealing{vault: v, db: db, out: new(Resealed)}
	r.told = func() {
		if progress != nil {
			progress(r.out.Done, max(total, r.out.Done))
		}
	}
	for range mostPasses {
		before := r.out.Done
		r.out.Unreadable = make(map[string]int64)
		if err := r.pass(ctx); err != nil {
			return r.out, fmt.Errorf("seal again what is stored: %w", err)
		}
		if r.out.Done == before {
			break
		}
	}
	if uses, err = v.book.KeyUse(ctx); err != nil {
		return r.out, err
	}
	r.out.Left = v.left(uses)
	r.out.Unused, err = v.dropUnused(ctx, uses)
	return r.out, err
}

// left is how much is not under the key that seals.
func (v *Vault) left(uses []KeyUse) (n int64) {
	for i := range uses {
		if uses[i].KeyID != v.KeyID() {
			n += uses[i].Total()
		}
	}
	return n
}

// dropUnused has the database forget the keys that it does not need any more, so that
// a start can do without them.
func (v *Vault) dropUnused(ctx context.Context, uses []KeyUse) (unused []string, err error) {
	used := map[string]bool{v.KeyID(): true}
	for i := range uses {
		used[uses[i].KeyID] = true
	}
	known, err := v.book.SealKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, key := range known {
		if used[key.ID] {
			continue
		}
		if err := v.book.DropSealKey(ctx, key.ID); err != nil {
			return unused, err
		}
		unused = append(unused, key.ID)
	}
	return unused, nil
}

// resealing is a run of Reencrypt.
type resealing struct {
	vault *Vault
	db    Resealer
	out   *Resealed
	told  func()
}

// pass goes through all tables once.
func (r *resealing) pass(ctx context.Context) error {
	key := r.vault.KeyID()
	if err := through(ctx, r, func(after task.ID) (task.ID, int, error) {
		return r.db.ResealTasks(ctx, key, after, r.task)
	}); err != nil {
		return err
	}
	if err := through(ctx, r, func(after RowPlace) (RowPlace, int, error) {
		return r.db.ResealAttempts(ctx, key, after, r.texts(fieldAttempt))
	}); err != nil {
		return err
	}
	if err := through(ctx, r, func(after RowPlace) (RowPlace, int, error) {
		return r.db.ResealLines(ctx, key, after, r.texts(fieldLine))
	}); err != nil {
		return err
	}
	return through(ctx, r, func(after HashPlace) (HashPlace, int, error) {
		return r.db.ResealHashes(ctx, after, r.hash)
	})
}

// through goes on from place to place.
func through[P any](ctx context.Context, r *resealing, step func(after P) (P, int, error)) error {
	var at P
	for {
		next, n, err := step(at)
		r.told()
		if err != nil || n == 0 {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		at = next
	}
}

// again opens what is sealed, and reports whether it is to be sealed again. What is
// in clear is.
func (r *resealing) again(place seal.Place, sealed bool, stored []byte) (text []byte, ok bool) {
	if !sealed {
		return stored, true
	}
	if seal.KeyID(stored) == r.vault.KeyID() {
		return nil, false
	}
	text, err := r.vault.ring.Open(place, stored)
	if err != nil {
		r.out.Unreadable[seal.KeyID(stored)]++
		return nil, false
	}
	return text, true
}

func (r *resealing) task(t *StoredTask) (changed bool) {
	v := r.vault
	place := ofTask(fieldArgs, t.ID)
	if t.ArgsKey == "" {
		t.UniqueKey = v.rekeyUnique(t.UniqueKey)
	}
	if args, ok := r.again(place, t.ArgsKey != "", t.Args); ok {
		t.Args, t.ArgsKey = v.ring.Seal(place, args), v.KeyID()
		changed = true
		r.out.Done++
	}
	place = ofTask(fieldResult, t.ID)
	if result, ok := r.again(place, t.ResultKey != "", t.Result); ok && t.Result != nil {
		t.Result, t.ResultKey = v.ring.Seal(place, result), v.KeyID()
		changed = true
		r.out.Done++
	}
	failure := t.Failure
	if failure == nil && (t.Error != "" || t.Trace != "") {
		failure = seal.Pair([]byte(t.Error), []byte(t.Trace))
	}
	place = ofTask(fieldFailure, t.ID)
	if texts, ok := r.again(place, t.Failure != nil, failure); ok && failure != nil {
		t.Failure, t.Error, t.Trace = v.ring.Seal(place, texts), "", ""
		changed = true
		r.out.Done++
	}
	return changed
}

func (r *resealing) texts(field string) func(*StoredTexts) bool {
	return func(t *StoredTexts) bool {
		place := ofRow(field, t.Task, t.Number)
		stored := t.Sealed
		if stored == nil {
			stored = seal.Pair([]byte(t.First), []byte(t.Second))
		}
		texts, ok := r.again(place, t.Sealed != nil, stored)
		if ok {
			t.Sealed, t.First, t.Second = r.vault.ring.Seal(place, texts), "", ""
			r.out.Done++
		}
		return ok
	}
}

func (r *resealing) hash(h *StoredHash) bool {
	h.Digest = r.vault.keyDigest(h.Name, h.Key, h.Digest)
	r.out.Done++
	return true
}
