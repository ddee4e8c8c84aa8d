package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"liaison/certs"
)

// nginxConf serves files over TLS with the cipher that the gateway chooses of those that wrk offers. One
// worker for each core, no access log, open files and compressed forms kept: as quick as nginx is.
const nginxConf = `
worker_processes %[1]d;
pid %[2]s/nginx.pid;
error_log stderr warn;
%[3]s
events { worker_connections 1024; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	tcp_nodelay on;
	keepalive_timeout 120s;
	keepalive_requests 100000000;
	open_file_cache max=10000 inactive=1h;
	open_file_cache_valid 1h;
	default_type "application/taxii+json;version=2.1";
	client_body_temp_path %[2]s/tmp;
	proxy_temp_path %[2]s/tmp;
	fastcgi_temp_path %[2]s/tmp;
	uwsgi_temp_path %[2]s/tmp;
	scgi_temp_path %[2]s/tmp;
	server {
		listen 127.0.0.1:%[4]d ssl;
		root %[2]s/www;
		gzip_static on;
		ssl_certificate %[2]s/server.pem;
		ssl_certificate_key %[2]s/server.pem;
		ssl_protocols TLSv1.3;
		ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
		ssl_session_cache off;
		ssl_session_tickets off;
	}
}
`

// nginx is the peer of pulls.
type nginx struct {
	*process
	workers []int
	www     string
}

// startNginx serves what is put into its directory www, with the certificate of a gateway.
func (b *bench) startNginx(ctx context.Context, g *gateway) (*nginx, error) {
	dir := filepath.Join(b.dir, "nginx")
	n := &nginx{www: filepath.Join(dir, "www")}
	for _, d := range []string{n.www, filepath.Join(dir, "tmp")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	list, err := certs.LoadServer(filepath.Join(g.dir, "tls"))
	if err != nil || len(list) == 0 {
		return nil, fmt.Errorf("the certificate of %s: %w", g.name, err)
	}
	// The first is ECDSA, which the gateway serves to everybody who knows it.
	pem, err := os.ReadFile(filepath.Join(g.dir, "tls", "ecdsa.pem"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "server.pem"), pem, 0o600); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // the directory is private
	}
	conf := fmt.Sprintf(nginxConf, runtime.NumCPU(), dir, user, port)
	name := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(name, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	if n.process, err = start(ctx, "nginx", nil, "nginx", "-p", dir, "-e", "stderr", "-c", name, "-g", "daemon off;"); err != nil {
		return nil, err
	}
	n.url = fmt.Sprintf("https://127.0.0.1:%d", port)
	return n, n.await(ctx)
}

// await waits until all workers run and one accepts.
func (n *nginx) await(ctx context.Context) error {
	for end := time.Now().Add(startTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		select {
		case <-n.done:
			return fmt.Errorf("nginx ended: %v: %s", n.err, n.log)
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		var err error
		if n.workers, err = childrenOf(n.pid()); err != nil || len(n.workers) < runtime.NumCPU() {
			continue
		}
		if c, err := net.Dial("tcp", strings.TrimPrefix(n.url, "https://")); err == nil {
			return c.Close()
		}
	}
	return fmt.Errorf("nginx does not accept after %v: %s", startTime, n.log)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
