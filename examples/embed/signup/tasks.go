package main

import (
	"context"
	"time"

	"github.com/taskhost/taskhost"
)

const (
	timeout = 5 * time.Second
	delay   = 10 * time.Second
	expiry  = 24 * time.Hour
)

// member is the argument of a task: what does not fit is refused when it is added.
type member struct {
	Name string `json:"name" schema:"minLength=1,maxLength=100"`
}

// sendWelcome would send a letter.
func sendWelcome(ctx context.Context, m member) (string, error) {
	taskhost.Log(ctx).InfoContext(ctx, "a letter is on its way")
	return "welcome, " + m.Name, nil
}

// countMembers would look into a database for long.
func countMembers(context.Context, struct{}) (string, error) { return "counted", nil }
