package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/gofrs/flock"
)

// tokenFile holds the first-start token, in the data directory.
const tokenFile = "token"

// serverFile says where the server of the data directory listens.
const serverFile = "server.json"

// firstToken returns the token of the data directory, and makes it at the first
// start.
func firstToken(dataDir string) (string, error) {
	path := filepath.Join(dataDir, tokenFile)
	secret, err := readToken(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	secret = "th_" + rand.Text() + rand.Text()
	if err := writePrivate(path, []byte(secret+"\n")); err != nil {
		return "", fmt.Errorf("keep the first-start token: %w", err)
	}
	return secret, nil
}

func readToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("the token file %s is empty: remove it, and the server makes a new one", path)
	}
	return secret, nil
}

// writePrivate puts a file in place as a whole, readable by its owner only.
func writePrivate(path string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(text)
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

// lockDataDir keeps a second server away: commands find the one that announced
// itself there, and no other. The operating system gives the lock back however the
// process ends.
func lockDataDir(dataDir string) (unlock func() error, err error) {
	lock := flock.New(filepath.Join(dataDir, "server.lock"), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if !locked {
		who := "another server"
		if address, err := readServer(dataDir); err == nil { // else it is about to start
			who = fmt.Sprintf("another server, process %d,", address.PID)
		}
		return nil, fmt.Errorf("%s runs on the data directory %s: stop it, or give this one another with --data-dir", who, dataDir)
	}
	return lock.Close, nil
}

// serverAddress is where a running server can be found.
type serverAddress struct {
	URL string `json:"url"`
	PID int    `json:"pid"`
}

func announceServer(dataDir string, address serverAddress) (withdraw func() error, err error) {
	path := filepath.Join(dataDir, serverFile)
	text, err := json.Marshal(address)
	if err != nil {
		return nil, err
	}
	if err := writePrivate(path, text); err != nil {
		return nil, fmt.Errorf("say where the server listens: %w", err)
	}
	return func() error { return os.Remove(path) }, nil
}

func readServer(dataDir string) (address serverAddress, err error) {
	text, err := os.ReadFile(filepath.Join(dataDir, serverFile))
	if err != nil {
		return address, err
	}
	if err := json.Unmarshal(text, &address); err != nil {
		return address, fmt.Errorf("read where the server listens: %w", err)
	}
	return address, nil
}

func findServer(dataDir string) (string, error) {
	address, err := readServer(dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no server runs on the data directory %s: start one with 'taskhost serve', or name one with --server", dataDir)
	}
	if err != nil {
		return "", err
	}
	if !alive(address.PID) {
		return "", fmt.Errorf("the server on the data directory %s, process %d, has died: start one with 'taskhost serve'", dataDir, address.PID)
	}
	return address.URL, nil
}

// alive reports whether there is such a process. Where it has died, its port may
// be somebody else's by now.
func alive(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	if runtime.GOOS == "windows" {
		return true // FindProcess has looked
	}
	err = process.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, syscall.EPERM)
}
