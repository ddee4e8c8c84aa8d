package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestTaskOnce: a fault of the program in a task is an error that says where.
func TestTaskOnce(t *testing.T) {
	bad := task{name: "bad", run: func(context.Context) error { panic("a fault") }}
	if err := bad.once(t.Context()); err == nil || !strings.Contains(err.Error(), "panic: a fault") || !strings.Contains(err.Error(), "tasks_test.go") {
		t.Errorf("got %v", err)
	}
	want := errors.New("no room")
	if err := (task{run: func(context.Context) error { return want }}).once(t.Context()); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}
