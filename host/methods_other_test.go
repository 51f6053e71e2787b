//go:build !linux

package host_test

import "github.com/taskhost/taskhost/host/snapshot"

func methods() []string { return []string{string(snapshot.Copy)} }
