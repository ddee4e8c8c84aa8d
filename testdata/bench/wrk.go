package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"liaison/server/taxii"
)

// wrkScript asks for the paths of a file in turn, each thread from a place of its own, and prints what
// came as one line of JSON.
const wrkScript = `
local threads = 0
function setup(thread) thread:set("id", threads); threads = threads + 1 end

function init(args)
  local codings = {}
  for c in args[3]:gmatch("[^,]+") do codings[#codings + 1] = c end
  list, at = {}, 0
  for path in io.lines(args[1]) do
    local coding = codings[#list % #codings + 1]
    list[#list + 1] = wrk.format("GET", path, {["Authorization"] = args[2], ["Accept"] = args[4], ["Accept-Encoding"] = coding})
  end
  at = math.floor(#list * id / math.max(tonumber(args[5]), 1))
end

function request() at = at % #list + 1; return list[at] end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"bytes":%d,"us":%d,"p50_us":%d,"p99_us":%d,"failed":%d}\n', summary.requests,
    summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
`

// pull is what one slice of pulling brought.
type pull struct {
	Requests float64       `json:"requests"`
	Bytes    float64       `json:"bytes"`
	Micros   float64       `json:"us"`
	P50      float64       `json:"p50_us"`
	P99      float64       `json:"p99_us"`
	Failed   int           `json:"failed"`
	cpu      time.Duration // of the server
}

func (p pull) rate() float64 { return p.Requests / p.Micros * 1e6 }

// cost is the server's CPU per response in microseconds.
func (p pull) cost() float64 { return float64(p.cpu.Microseconds()) / p.Requests }

// target is a server as wrk sees it.
type side struct {
	name          string
	url           string
	pids          []int
	authorization string
	paths         string // a file with a path a line
}

// wrk pulls from a server for a while; the coding is what it accepts, several by turns of the paths.
func (b *bench) wrk(ctx context.Context, s side, connections int, coding string, seconds int) (pull, error) {
	threads := min(connections, 2)
	script := filepath.Join(b.dir, "pull.lua")
	if _, err := os.Stat(script); err != nil {
		if err := os.WriteFile(script, []byte(wrkScript), 0o600); err != nil {
			return pull{}, err
		}
	}
	before, err := cpuOf(s.pids)
	if err != nil {
		return pull{}, err
	}
	out, err := run(ctx, "wrk", "-t", strconv.Itoa(threads), "-c", strconv.Itoa(connections), "-d", strconv.Itoa(seconds)+"s",
		"--timeout", "10s", "-s", script, s.url, "--", s.paths, s.authorization, coding, taxii.MediaType, strconv.Itoa(threads))
	if err != nil {
		return pull{}, err
	}
	after, err := cpuOf(s.pids)
	if err != nil {
		return pull{}, err
	}
	line := out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]
	var p pull
	if err := json.Unmarshal([]byte(line), &p); err != nil {
		return p, fmt.Errorf("wrk: %w: %s", err, out)
	}
	if p.Failed > 0 || p.Requests == 0 {
		return p, fmt.Errorf("wrk against %s: %d of %.0f requests failed: %s", s.name, p.Failed, p.Requests, out)
	}
	p.cpu = after - before
	return p, nil
}

// writePaths keeps paths for wrk, one a line.
func (b *bench) writePaths(name string, paths []string) (string, error) {
	file := filepath.Join(b.dir, name+".paths")
	return file, os.WriteFile(file, []byte(strings.Join(paths, "\n")+"\n"), 0o600)
}
