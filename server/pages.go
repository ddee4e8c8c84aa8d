package server

import (
	"bytes"
	"html/template"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"liaison/server/taxii"
)

// The pages are for people who open in a browser what is meant for programs. They have no script, no
// style and no picture, and tell nothing of what the gateway holds.
var (
	welcomePage = page(`<h1>{{.Title}}</h1>
<p>This is a TAXII 2.1 server. A program reads it, with credentials that the operator gave you.</p>
<dl>
<dt>Discovery</dt><dd><code>{{.Discovery}}</code></dd>
<dt>Media type</dt><dd><code>{{.MediaType}}</code></dd>
<dt>Identification</dt><dd>HTTP Basic with client id and secret; the secret or an access token as Bearer; a client certificate</dd>
<dt>Access tokens</dt><dd><code>{{.Token}}</code> (OAuth 2.0 client credentials)</dd>
</dl>
<pre>curl -u CLIENT_ID:CLIENT_SECRET -H 'Accept: {{.MediaType}}' {{.Discovery}}</pre>
{{with .Contact}}<p>Contact: {{.}}</p>{{end}}
`)
	joinPage = page(`<h1>You are invited</h1>
<p>This link is for the program <code>liaison</code>, and works once. Give it the whole link as you
received it, in quotes, with what follows the #:</p>
<pre>liaison join '{{.URL}}#sha256:…' --out DIRECTORY</pre>
<p>It makes a key on your machine, and writes the key, your certificate and your secret into the
directory. Then <code>liaison check --as DIRECTORY</code> tries every step.</p>
`)
	gonePage = page(`<h1>This invitation does not hold</h1>
<p>It was used, ran out or never was. Ask the operator for a new one.</p>
`)
)

func page(body string) *template.Template {
	const before, after = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Liaison</title></head><body>
`, "</body></html>\n"
	return template.Must(template.New("page").Parse(before + body + after))
}

type welcome struct{ Title, Discovery, MediaType, Token, Contact string }

func (s *Server) welcome() welcome {
	return welcome{s.o.Title, s.link(taxii.DiscoveryPath), taxii.MediaType, s.link("/oauth2/token"), s.o.Contact}
}

// page writes a page for a person.
func (k *call) page(status int, t *template.Template, data any) error {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return err
	}
	h := k.Response().Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	if k.r.Method == http.MethodHead {
		h.Set("Content-Type", echo.MIMETextHTMLCharsetUTF8)
		k.Response().WriteHeader(status)
		return nil
	}
	return k.HTMLBlob(status, b.Bytes())
}
