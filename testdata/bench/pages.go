package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"liaison/server/taxii"
)

// spreadPages is over how many pages of a store the pulls of a cell go, all over it.
const spreadPages = 64

// walk goes through the collections of a gateway as a client does, by next, and gives the path of each
// full page of limit objects, and where each collection ends.
func (g *gateway) walk(p *publishers, limit int) (pages []string, ends []string, err error) {
	for _, alias := range g.collections {
		path := objectsPath(alias) + "?limit=" + strconv.Itoa(limit)
		for {
			a, err := p.get(0, path, "gzip")
			if err != nil {
				return nil, nil, err
			}
			b, err := gunzip(a)
			if err != nil {
				return nil, nil, err
			}
			next := cursorOf(b)
			if next == "" && a.header.Get(taxii.HeaderLast) == "" {
				return nil, nil, fmt.Errorf("%s: nothing is to be seen in %s", g.name, alias)
			}
			if next == "" {
				ends = append(ends, a.header.Get(taxii.HeaderLast))
				break
			}
			pages = append(pages, path)
			path = objectsPath(alias) + "?limit=" + strconv.Itoa(limit) + "&next=" + url.QueryEscape(next)
		}
	}
	return pages, ends, nil
}

// cursorOf reads next, which stands before the objects.
func cursorOf(envelope []byte) string {
	const name = `"next":`
	head := envelope[:min(len(envelope), 8<<10)]
	i := bytes.Index(head, []byte(name))
	if j := bytes.Index(head, []byte(`"objects":`)); i < 0 || j >= 0 && j < i {
		return ""
	}
	var next string
	if json.NewDecoder(bytes.NewReader(head[i+len(name):])).Decode(&next) != nil {
		return ""
	}
	return next
}

// spread takes n of a list, evenly over all of it.
func spread(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	out := make([]string, n)
	for i := range out {
		out[i] = list[i*len(list)/n]
	}
	return out
}

// shelf puts the very bytes that a gateway answers with where nginx serves them, plain and compressed,
// and gives nginx's paths.
func (b *bench) shelf(ctx context.Context, n *nginx, p *publishers, name string, paths []string) ([]string, error) {
	dir := filepath.Join(n.www, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var out []string
	for i, path := range paths {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		plain, err := p.get(0, path, "identity")
		if err != nil {
			return nil, err
		}
		packed, err := p.get(0, path, "gzip")
		if err != nil {
			return nil, err
		}
		file := strconv.Itoa(i) + ".json"
		if err := os.WriteFile(filepath.Join(dir, file), plain.body, 0o644); err != nil {
			return nil, err
		}
		out = append(out, "/"+name+"/"+file)
		if packed.header.Get("Content-Encoding") != "gzip" {
			continue // too small for it
		}
		back, err := gunzip(packed)
		if err != nil || !bytes.Equal(back, plain.body) {
			return nil, fmt.Errorf("%s: gzip is of other bytes: %v", path, err)
		}
		if err := os.WriteFile(filepath.Join(dir, file+".gz"), packed.body, 0o644); err != nil {
			return nil, err
		}
	}
	return out, nil
}
