package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// process is a server that was started as a child; it ends with this one, however that ends.
type process struct {
	name string
	url  string // https://127.0.0.1:PORT
	cmd  *exec.Cmd
	log  *tail
	done chan struct{}
	err  error // after done
}

// startTime is what a child may take until it accepts.
const startTime = time.Minute

// start runs a program until ctx ends. ready reads its standard output until it accepts and gives its
// URL; nil does not wait.
func start(ctx context.Context, name string, ready func(line string) (url string, ok bool), program string, args ...string) (*process, error) {
	p := &process{name: name, log: &tail{}, done: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, program, args...)
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 10 * time.Second
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	told := make(chan string, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(out); s.Scan(); {
			if ready == nil {
				continue
			}
			if url, ok := ready(s.Text()); ok {
				told <- url
				break
			}
		}
		io.Copy(io.Discard, out)
	}()
	go func() {
		<-read
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if ready == nil {
		return p, nil
	}
	select {
	case p.url = <-told:
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("%s ended: %v: %s", name, p.err, p.log)
	case <-time.After(startTime):
		return nil, errors.Join(fmt.Errorf("%s does not accept after %v: %s", name, startTime, p.log), p.stop())
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends it as an operator would, and waits.
func (p *process) stop() error { return p.end(syscall.SIGTERM) }

// kill ends it as the loss of power would, but for what the kernel holds.
func (p *process) kill() error { return p.end(syscall.SIGKILL) }

func (p *process) end(s syscall.Signal) error {
	select {
	case <-p.done:
		return fmt.Errorf("%s had ended already: %v: %s", p.name, p.err, p.log)
	default:
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		return err
	}
	<-p.done
	if p.err != nil && s == syscall.SIGTERM && p.cmd.ProcessState.ExitCode() > 0 {
		return fmt.Errorf("%s: %v: %s", p.name, p.err, p.log)
	}
	return nil
}

// run runs a program to its end and gives what it wrote to standard output.
func run(ctx context.Context, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	log := &tail{}
	cmd.Stderr = log
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, log)
	}
	return string(out), nil
}

// tail keeps the end of what was written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 4<<10 {
		t.b = t.b[len(t.b)-4<<10:]
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.b)) }

// copyTree copies a directory, durably, so that nothing of it is written back later.
func copyTree(ctx context.Context, from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if _, err := run(ctx, "cp", "-a", from, to); err != nil {
		return err
	}
	_, err := run(ctx, "sync", "-f", to)
	return err
}
