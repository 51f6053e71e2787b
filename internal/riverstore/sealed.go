package riverstore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/taskhost/taskhost/internal/seal"
	"github.com/taskhost/taskhost/task"
)

// Where what is sealed belongs. These are stored, in what they bind: they must not
// change.
const (
	fieldSecret  = "database secret"
	fieldArgs    = "task args"
	fieldResult  = "task result"
	fieldFailure = "task failure"
	fieldAttempt = "attempt failure"
	fieldLine    = "log line"
	fieldProgram = "program"
)

// sealRow seals the arguments of a task that is to be inserted, and makes its hashes.
func (v *Vault) sealRow(row *Row) {
	if v == nil {
		return
	}
	if row.IdempotencyKey != "" {
		row.plain = plainDigest(row.Args, row.ArgsType)
		row.keyed = v.keyDigest(row.Definition.Name, row.IdempotencyKey, row.plain)
	}
	row.KeyID = v.KeyID()
	row.Args = v.ring.Seal(ofTask(fieldArgs, row.ID), row.Args)
}

// SealEnds seals what attempts have returned, those that are not sealed yet.
func (v *Vault) SealEnds(ends []*End) {
	if v == nil {
		return
	}
	for _, end := range ends {
		v.sealEnd(end)
	}
}

func (v *Vault) sealEnd(end *End) {
	if v == nil {
		return
	}
	v.SealLines(end.Logs)
	if end.sealed {
		return
	}
	end.sealed = true
	if end.Result != nil {
		end.Result, end.ResultKey = v.ring.Seal(ofTask(fieldResult, end.ID), end.Result), v.KeyID()
	}
	if f := end.Failure; f != nil && (f.Message != "" || f.Trace != "") {
		texts := seal.Pair([]byte(f.Message), []byte(f.Trace))
		end.SealedFailure = v.ring.Seal(ofTask(fieldFailure, end.ID), texts)
		end.SealedAttempt = v.ring.Seal(ofRow(fieldAttempt, end.ID, end.Lease), texts)
		end.Failure = &task.Failure{Cause: f.Cause, Permanent: f.Permanent}
	}
}

// SealLines seals lines in their place, those that are not sealed yet.
func (v *Vault) SealLines(lines []LogLine) {
	if v == nil {
		return
	}
	for i := range lines {
		if line := &lines[i]; line.Sealed == nil {
			line.Sealed = v.sealLine(line.Task, line.Seq, line.Message, string(line.Fields))
			line.Message, line.Fields = "", nil
		}
	}
}

func (v *Vault) sealLine(id task.ID, seq int64, message, fields string) []byte {
	return v.ring.Seal(ofRow(fieldLine, id, seq), seal.Pair([]byte(message), []byte(fields)))
}

// ofTask is a place in a task's own row.
func ofTask(field string, id task.ID) seal.Place { return seal.Place{Field: field, Owner: id[:]} }

// ofRow is a place in one of the rows that a task has several of.
func ofRow(field string, id task.ID, number int64) seal.Place {
	return seal.Place{Field: field, Owner: binary.BigEndian.AppendUint64(id[:], uint64(number))} //nolint:gosec // bits
}

// open opens what stands somewhere. Its errors are [task.SealedError].
func (v *Vault) open(what string, place seal.Place, sealed []byte) ([]byte, error) {
	if v == nil {
		return nil, &task.SealedError{What: what, KeyID: seal.KeyID(sealed), Damaged: seal.KeyID(sealed) == ""}
	}
	text, err := v.ring.Open(place, sealed)
	var unknown *seal.UnknownKeyError
	switch {
	case errors.As(err, &unknown):
		return nil, &task.SealedError{What: what, KeyID: unknown.KeyID}
	case err != nil:
		return nil, &task.SealedError{What: what, KeyID: seal.KeyID(sealed), Damaged: true}
	}
	return text, nil
}

func (v *Vault) openPair(what string, place seal.Place, sealed []byte) (a, b string, err error) {
	pair, err := v.open(what, place, sealed)
	if err != nil {
		return "", "", err
	}
	first, second, err := seal.Unpair(pair)
	if err != nil {
		return "", "", &task.SealedError{What: what, KeyID: seal.KeyID(sealed), Damaged: true}
	}
	return string(first), string(second), nil
}

// OpenArgs returns a task's arguments, of what is stored with that key.
func (v *Vault) OpenArgs(id task.ID, keyID string, stored []byte) ([]byte, error) {
	if keyID == "" {
		return stored, nil
	}
	return v.open("the arguments of task "+id.String(), ofTask(fieldArgs, id), stored)
}

// CheckArgs says why a task's arguments cannot be opened, or nothing where they can.
func (v *Vault) CheckArgs(id task.ID, keyID string, stored []byte) *task.SealedError {
	_, err := v.OpenArgs(id, keyID, stored)
	var sealed *task.SealedError
	errors.As(err, &sealed)
	return sealed
}

// MoveArgs makes of the stored arguments of a task what is to be stored for another
// that has the same: they are sealed again, since they are bound to their task.
func (v *Vault) MoveArgs(from task.ID, keyID string, stored []byte, to task.ID) (newKeyID string, args []byte, err error) {
	args, err = v.OpenArgs(from, keyID, stored)
	if err != nil || v == nil {
		return "", args, err
	}
	return v.KeyID(), v.ring.Seal(ofTask(fieldArgs, to), args), nil
}

// OpenResult returns a task's result, of what is stored with that key.
func (v *Vault) OpenResult(id task.ID, keyID string, stored []byte) ([]byte, error) {
	if keyID == "" {
		return stored, nil
	}
	return v.open("the result of task "+id.String(), ofTask(fieldResult, id), stored)
}

// OpenFailure returns the error and the trace of a task.
func (v *Vault) OpenFailure(id task.ID, sealed []byte) (message, trace string, err error) {
	return v.openPair("the error of task "+id.String(), ofTask(fieldFailure, id), sealed)
}

// Failed returns the error of a task that ended without success, opened.
func (v *Vault) Failed(id task.ID, failure *task.Failure, sealed []byte) error {
	if sealed == nil {
		return failure
	}
	var err error
	if failure.Message, failure.Trace, err = v.OpenFailure(id, sealed); err != nil {
		return err
	}
	return failure
}

// OpenTask fills in what is sealed of a task that was read. A task whose error cannot
// be opened says so in its place: all else of it can be shown.
func (v *Vault) OpenTask(t *task.Task, row SealedColumns) {
	t.ArgsBytes, t.ResultBytes = clearSize(row.ArgsKey, t.ArgsBytes), clearSize(row.ResultKey, t.ResultBytes)
	if row.Failure == nil {
		return
	}
	var err error
	if t.Error, t.Trace, err = v.OpenFailure(t.ID, row.Failure); err != nil {
		t.Error, t.SealedUnder = err.Error(), seal.KeyID(row.Failure)
	}
}

// SealedColumns are the columns of a task that say what of it is sealed.
type SealedColumns struct {
	ArgsKey, ResultKey string
	Failure            []byte
}

// clearSize is the size of what is stored under a key.
func clearSize(keyID string, stored int64) int64 {
	if keyID == "" {
		return stored
	}
	return max(stored-seal.Overhead, 0)
}

// OpenAttempt fills in what is sealed of an attempt that was read.
func (v *Vault) OpenAttempt(a *task.Attempt, id task.ID, lease int64, sealed []byte) {
	if sealed == nil {
		return
	}
	var err error
	what := fmt.Sprintf("the error of attempt %d", a.Number)
	if a.Error, a.Trace, err = v.openPair(what, ofRow(fieldAttempt, id, lease), sealed); err != nil {
		a.Error, a.SealedUnder = err.Error(), seal.KeyID(sealed)
	}
}

// OpenLine fills in what is sealed of a log line that was read.
func (v *Vault) OpenLine(entry *task.LogEntry, id task.ID, sealed []byte) error {
	if sealed == nil {
		return nil
	}
	message, fields, err := v.openPair("the log of task "+id.String(), ofRow(fieldLine, id, entry.Seq), sealed)
	entry.Message = message
	if fields != "" {
		entry.Fields = []byte(fields)
	}
	return err
}

// SealFor seals a program's own data, bound to a name.
func (v *Vault) SealFor(name string, text []byte) ([]byte, error) {
	if v == nil {
		return nil, errors.New("there is no encryption key to seal with: give one in Config.EncryptArgsKeys")
	}
	return v.ring.Seal(seal.Place{Field: fieldProgram, Owner: []byte(name)}, text), nil
}

// OpenFor opens what SealFor has sealed under that name.
func (v *Vault) OpenFor(name string, sealed []byte) ([]byte, error) {
	return v.open("the data", seal.Place{Field: fieldProgram, Owner: []byte(name)}, sealed)
}
