// Package console serves the web console that is built into the binary.
//
// The pages are made by "npm run build" in this folder, which writes dist/.
// Without dist/ the package still builds, and its handler says how to make it.
package console

import (
	"bytes"
	"crypto/rand"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// The pattern also matches dist.txt, which is always there: a pattern that
// matches nothing would not compile before the first build of the pages.
//
//go:embed all:dist*
var built embed.FS

// nonceMark is what the build writes wherever the answer's own nonce belongs.
const nonceMark = "__BODEGA_NONCE__"

// notBuilt is the page of a binary that was compiled without dist/.
const notBuilt = `<!doctype html><html lang="en"><title>Bodega</title><body><h1>The console was not built into this binary</h1><p>Run <code>npm ci &amp;&amp; npm run build</code> in console/, then build bodega again. The API and the command line work without it.</p>`

// Handler serves the console: hashed assets for ever, index.html for every
// other page path, and 404 for paths that belong to the API, so that a wrong
// API path never answers with a page.
func Handler() http.Handler {
	dist, err := fs.Sub(built, "dist")
	if err != nil {
		panic(fmt.Sprintf("open embedded console: %v", err)) // The name is constant and valid.
	}
	return handler(dist)
}

// encoding is a precompressed copy that the build may have written.
type encoding struct {
	token, suffix string
}

// encodings are tried in this order: brotli is the smaller.
var encodings = []encoding{{"br", ".br"}, {"gzip", ".gz"}}

func handler(dist fs.FS) http.Handler {
	index, err := fs.ReadFile(dist, "index.html")
	if err != nil {
		index = nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "The console answers GET and HEAD.", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		if isAPI(name) {
			http.Error(w, "No such API path: "+r.URL.Path, http.StatusNotFound)
			return
		}
		if servable(dist, name) {
			serveFile(w, r, dist, name)
			return
		}
		if strings.HasPrefix(name, "assets/") || path.Ext(name) == ".js" {
			// A page of an older build asks for its own chunk: an answer of
			// HTML would be run as script.
			http.NotFound(w, r)
			return
		}
		servePage(w, r, index)
	})
}

// isAPI tells paths of the API, which are served elsewhere when they exist.
func isAPI(name string) bool {
	return name == "v1" || strings.HasPrefix(name, "v1/") || strings.HasPrefix(name, "bodega.")
}

// servable tells whether name is a built file that browsers may ask for.
func servable(dist fs.FS, name string) bool {
	if name == "" || name == "index.html" || !fs.ValidPath(name) || strings.HasPrefix(name, ".") {
		return false
	}
	for _, e := range encodings {
		if strings.HasSuffix(name, e.suffix) {
			return false
		}
	}
	stat, err := fs.Stat(dist, name)
	return err == nil && stat.Mode().IsRegular()
}

func serveFile(w http.ResponseWriter, r *http.Request, dist fs.FS, name string) {
	h := w.Header()
	setSecurity(h, "")
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "public, max-age=300")
	}
	contentType := mime.TypeByExtension(path.Ext(name))
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	h.Set("Content-Type", contentType)
	h.Add("Vary", "Accept-Encoding")
	for _, e := range encodings {
		if !accepts(r.Header.Get("Accept-Encoding"), e.token) {
			continue
		}
		if body, err := fs.ReadFile(dist, name+e.suffix); err == nil {
			h.Set("Content-Encoding", e.token)
			write(w, r, body)
			return
		}
	}
	body, err := fs.ReadFile(dist, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	write(w, r, body)
}

func servePage(w http.ResponseWriter, r *http.Request, index []byte) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	if index == nil {
		setSecurity(h, "")
		w.WriteHeader(http.StatusServiceUnavailable)
		write(w, r, []byte(notBuilt))
		return
	}
	var raw [18]byte
	rand.Read(raw[:]) // Never fails: crypto/rand ends the program instead.
	nonce := base64.StdEncoding.EncodeToString(raw[:])
	setSecurity(h, nonce)
	write(w, r, bytes.ReplaceAll(index, []byte(nonceMark), []byte(nonce)))
}

func write(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // The browser may have gone; nobody is left to tell.
}

// setSecurity allows what the console itself needs and nothing else. Styles
// need a nonce because the component library writes its theme into a style
// element.
func setSecurity(h http.Header, nonce string) {
	style := "'self'"
	if nonce != "" {
		style += " 'nonce-" + nonce + "'"
	}
	h.Set("Content-Security-Policy", strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src " + style,
		"font-src 'self'",
		"img-src 'self' data: blob:",
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	}, "; "))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}

// accepts tells whether an Accept-Encoding header allows a coding by its name
// (RFC 9110, section 12.5.3); a quality of 0 refuses it.
func accepts(header, token string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), token) {
			continue
		}
		q, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if !found {
			return true
		}
		quality, err := strconv.ParseFloat(q, 64)
		return err == nil && quality > 0
	}
	return false
}
