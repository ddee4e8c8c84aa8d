package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// The key that signs the journal's checkpoints, and the public one that checks them, in the form of
// golang.org/x/mod/sumdb/note.
const (
	journalKeyName = "journal.key"
	journalPubName = "journal.pub"
)

func createJournalKey(keys, host string) error {
	private, public, err := note.GenerateKey(rand.Reader, host+"/journal")
	if err != nil {
		return fmt.Errorf("making the journal's key: %w", err)
	}
	return errors.Join(
		writeFile(filepath.Join(keys, journalKeyName), []byte(private+"\n")),
		writeFile(filepath.Join(keys, journalPubName), []byte(public+"\n")),
	)
}

func readJournalKey(keys string) (note.Signer, note.Verifier, error) {
	private, err := readKeyText(filepath.Join(keys, journalKeyName))
	if err != nil {
		return nil, nil, err
	}
	public, err := readKeyText(filepath.Join(keys, journalPubName))
	if err != nil {
		return nil, nil, err
	}
	s, err := note.NewSigner(private)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w: bring it back from a backup", filepath.Join(keys, journalKeyName), err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w: bring it back from a backup", filepath.Join(keys, journalPubName), err)
	}
	if s.Name() != v.Name() || s.KeyHash() != v.KeyHash() {
		return nil, nil, fmt.Errorf("%s and %s in %s are not of one pair: bring them back from a backup", journalKeyName, journalPubName, keys)
	}
	return s, v, nil
}

func readKeyText(name string) (string, error) {
	if err := privateFile(name); err != nil {
		return "", err
	}
	b, err := readSmall(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no %s: bring it back from a backup", name)
	}
	return strings.TrimSpace(string(b)), err
}
