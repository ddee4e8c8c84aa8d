package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"liaison/auth"
)

// usesName is DIR/cache/last-use.json: when credentials were last used, by the ids of their rows. It
// is for people who look for what nobody uses; nothing depends on it.
const usesName = cacheName + "/last-use.json"

func (g *gateway) readUses() {
	g.uses = &auth.Uses{}
	b, err := readSmall(g.path(usesName))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var list map[string]time.Time
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		g.log.Warn("reading when credentials were last used: it is counted anew", "error", err)
		return
	}
	g.uses.Restore(list)
}

func (g *gateway) saveUses() error {
	b, err := json.Marshal(g.uses.All(g.registry.State().Access))
	if err != nil {
		return err
	}
	return replaceFile(g.path(usesName), append(b, '\n'))
}
