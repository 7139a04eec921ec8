package console

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

var world = fstest.MapFS{
	"index.html":              {Data: []byte(`<meta property="csp-nonce" nonce="__BODEGA_NONCE__"><div id="root"></div>`)},
	"first-paint.js":          {Data: []byte("scheme()")},
	"assets/app-abc123.js":    {Data: []byte("plain script")},
	"assets/app-abc123.js.br": {Data: []byte("brotli script")},
	"assets/app-abc123.js.gz": {Data: []byte("gzip script")},
	"assets/inter.woff2":      {Data: []byte("font")},
	".vite/manifest.json":     {Data: []byte("{}")},
}

func get(t *testing.T, method, target, acceptEncoding string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	if acceptEncoding != "" {
		r.Header.Set("Accept-Encoding", acceptEncoding)
	}
	w := httptest.NewRecorder()
	handler(world).ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatalf("read answer to %s %s: %v", method, target, err)
	}
	return w.Result(), string(body)
}

func TestHandler(t *testing.T) {
	tests := []struct {
		name, method, target, accept string
		status                       int
		contentType, encoding, cache string
		body                         string
	}{
		{"page", "GET", "/", "", 200, "text/html; charset=utf-8", "", "no-store", `id="root"`},
		{"page of an item whose id has a dot", "GET", "/inventory/items/m/1/sku.99", "", 200, "text/html; charset=utf-8", "", "no-store", `id="root"`},
		{"index by its name is the page too", "GET", "/index.html", "", 200, "text/html; charset=utf-8", "", "no-store", `id="root"`},
		{"asset plain", "GET", "/assets/app-abc123.js", "", 200, "text/javascript; charset=utf-8", "", "public, max-age=31536000, immutable", "plain script"},
		{"asset brotli", "GET", "/assets/app-abc123.js", "gzip, deflate, br, zstd", 200, "text/javascript; charset=utf-8", "br", "public, max-age=31536000, immutable", "brotli script"},
		{"asset gzip", "GET", "/assets/app-abc123.js", "gzip, br;q=0", 200, "text/javascript; charset=utf-8", "gzip", "public, max-age=31536000, immutable", "gzip script"},
		{"asset without a compressed copy", "GET", "/assets/inter.woff2", "br", 200, "font/woff2", "", "public, max-age=31536000, immutable", "font"},
		{"file at the root is not kept for ever", "GET", "/first-paint.js", "", 200, "text/javascript; charset=utf-8", "", "public, max-age=300", "scheme()"},
		{"chunk of an older build", "GET", "/assets/app-old.js", "", 404, "", "", "", ""},
		{"the compressed copy by its own name", "GET", "/assets/app-abc123.js.br", "", 404, "", "", "", ""},
		{"the build's manifest is a page", "GET", "/.vite/manifest.json", "", 200, "text/html; charset=utf-8", "", "no-store", `id="root"`},
		{"unknown API path", "GET", "/v1/nothing", "", 404, "", "", "", "No such API path"},
		{"unknown procedure", "GET", "/bodega.inventory.v1.Nothing/Get", "", 404, "", "", "", "No such API path"},
		{"climbing out", "GET", "/assets/../../../etc/passwd", "", 200, "text/html; charset=utf-8", "", "no-store", `id="root"`},
		{"writing", "POST", "/", "", 405, "", "", "", "GET and HEAD"},
		{"head", "HEAD", "/assets/inter.woff2", "", 200, "font/woff2", "", "public, max-age=31536000, immutable", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, body := get(t, tt.method, tt.target, tt.accept)
			if res.StatusCode != tt.status {
				t.Fatalf("status %d, want %d", res.StatusCode, tt.status)
			}
			if tt.contentType != "" && res.Header.Get("Content-Type") != tt.contentType {
				t.Errorf("Content-Type %q, want %q", res.Header.Get("Content-Type"), tt.contentType)
			}
			if res.Header.Get("Content-Encoding") != tt.encoding {
				t.Errorf("Content-Encoding %q, want %q", res.Header.Get("Content-Encoding"), tt.encoding)
			}
			if tt.cache != "" && res.Header.Get("Cache-Control") != tt.cache {
				t.Errorf("Cache-Control %q, want %q", res.Header.Get("Cache-Control"), tt.cache)
			}
			if !strings.Contains(body, tt.body) {
				t.Errorf("body %q, want it to hold %q", body, tt.body)
			}
			if tt.method == "HEAD" && body != "" {
				t.Errorf("HEAD answered with a body: %q", body)
			}
		})
	}
}

func TestEveryAnswerIsLockedDown(t *testing.T) {
	for _, target := range []string{"/", "/inventory", "/assets/app-abc123.js", "/first-paint.js"} {
		res, _ := get(t, "GET", target, "")
		csp := res.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %q", target, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy allows something unsafe: %q", target, csp)
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: browsers may guess its type", target)
		}
	}
}

func TestNonceIsFreshAndMatchesThePolicy(t *testing.T) {
	inPolicy := regexp.MustCompile(`style-src 'self' 'nonce-([A-Za-z0-9+/]{24})'`)
	seen := map[string]bool{}
	for range 8 {
		res, body := get(t, "GET", "/today", "")
		match := inPolicy.FindStringSubmatch(res.Header.Get("Content-Security-Policy"))
		if match == nil {
			t.Fatalf("policy has no nonce: %q", res.Header.Get("Content-Security-Policy"))
		}
		if !strings.Contains(body, `nonce="`+match[1]+`"`) {
			t.Errorf("page %q does not carry the policy's nonce %s", body, match[1])
		}
		if seen[match[1]] {
			t.Errorf("nonce %s came twice", match[1])
		}
		seen[match[1]] = true
	}
}

func TestWithoutBuiltPages(t *testing.T) {
	w := httptest.NewRecorder()
	handler(fstest.MapFS{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "npm run build") {
		t.Errorf("answered %d %q, want 503 and how to build the pages", w.Code, w.Body.String())
	}
}

func TestEmbeddedFolderOpens(t *testing.T) {
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != http.StatusOK && w.Code != http.StatusServiceUnavailable {
		t.Errorf("answered %d, want the page or a word on how to build it", w.Code)
	}
}

func TestAccepts(t *testing.T) {
	tests := []struct {
		header, token string
		want          bool
	}{
		{"", "br", false},
		{"br", "br", true},
		{"gzip, BR", "br", true},
		{"br;q=0", "br", false},
		{"br; q=0.5", "br", true},
		{"br;q=nonsense", "br", false},
		{"brotli", "br", false},
		{"*", "br", false},
	}
	for _, tt := range tests {
		if got := accepts(tt.header, tt.token); got != tt.want {
			t.Errorf("accepts(%q, %q) = %t, want %t", tt.header, tt.token, got, tt.want)
		}
	}
}

func FuzzHandler(f *testing.F) {
	f.Add("/", "br")
	f.Add("/assets/..%2f..%2fetc", "gzip;q=1, *;q=0")
	f.Fuzz(func(t *testing.T, target, accept string) {
		r := &http.Request{Method: http.MethodGet, Header: http.Header{"Accept-Encoding": {accept}}}
		r.URL = httptest.NewRequest(http.MethodGet, "/", nil).URL
		r.URL.Path = target
		w := httptest.NewRecorder()
		handler(world).ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 404 {
			t.Errorf("path %q answered %d", target, w.Code)
		}
	})
}
