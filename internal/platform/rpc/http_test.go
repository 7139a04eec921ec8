package rpc_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/rpc"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

func TestHTTPRoutes(t *testing.T) {
	r := start(t, options{})
	r.HandleHTTP("PUT /v1/feeds", "inventory.feed.submit", func(w http.ResponseWriter, req *http.Request) error {
		if req.URL.Query().Get("merchant") == "" {
			return fault.New(fault.Invalid, "merchant: is missing")
		}
		if err := auth.MayMerchant(req.Context(), req.URL.Query().Get("merchant")); err != nil {
			return err
		}
		if req.URL.Query().Get("broken") != "" {
			return errors.New("disk /dev/sda is on fire")
		}
		id, err := tenant.From(req.Context())
		if err != nil {
			return err
		}
		_, err = io.Copy(w, io.MultiReader(strings.NewReader(string(id)+":"), http.MaxBytesReader(w, req.Body, 1<<20)))
		return err
	})
	for _, c := range []struct {
		name, role, query, body string
		status                  int
		code, message           string
	}{
		{"anonymous", "", "?merchant=corner", "x", 401, "unauthenticated", "sign in, or send an API token in the Authorization header"},
		{"no permission", "finance", "?merchant=corner", "x", 403, "permission_denied", "the role finance does not hold the permission inventory.feed.submit"},
		{"bad token", "nobody", "?merchant=corner", "x", 401, "unauthenticated", "this credential is not valid: it may have expired or been revoked"},
		{"invalid", "operator", "", "x", 400, "invalid_argument", "merchant: is missing"},
		{"another merchant", "merchant", "?merchant=verdure", "x", 404, "not_found", "this merchant does not exist"},
		{"broken", "operator", "?merchant=corner&broken=1", "x", 500, "internal", ""},
		{"fine", "merchant", "?merchant=corner", "rows", 200, "", "prod:rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.url+"/v1/feeds"+c.query, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.role != "" {
				req.Header.Set("Authorization", "Bearer "+c.role)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got := res.Header.Get("Cache-Control") + " " + res.Header.Get("X-Content-Type-Options"); got != "no-store nosniff" {
				t.Errorf("headers %q", got)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != c.status {
				t.Fatalf("status %d, %s, %v", res.StatusCode, body, err)
			}
			if c.status == 200 {
				if string(body) != c.message {
					t.Errorf("body %q", body)
				}
				return
			}
			var shape map[string]string
			if err := json.Unmarshal(body, &shape); err != nil {
				t.Fatalf("body %q: %v", body, err)
			}
			if shape["code"] != c.code || shape["request_id"] == "" || shape["request_id"] != res.Header.Get(rpc.RequestIDHeader) || len(shape) != 3 {
				t.Errorf("error %v", shape)
			}
			if c.message != "" && shape["message"] != c.message {
				t.Errorf("message %q, want %q", shape["message"], c.message)
			}
			if strings.Contains(string(body), "/dev/sda") {
				t.Errorf("the body %q tells too much", body)
			}
			if lines := r.log.of(t, shape["request_id"]); len(lines) != 1 || lines[0]["code"] != c.code {
				t.Errorf("log %v", lines)
			}
		})
	}
}

// What no route claims is answered like a route's error, and counted.
func TestPathsThatNobodyClaims(t *testing.T) {
	r := startFeeds(t, &feeds{}, options{})
	res, err := http.Get(r.url + "/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusNotFound || !strings.Contains(string(body), `"message":"there is nothing at GET /nowhere"`) {
		t.Errorf("status %d, %s, %v", res.StatusCode, body, err)
	}
}

func TestBodiesAboveARoutesLimit(t *testing.T) {
	r := start(t, options{})
	r.HandleHTTP("PUT /v1/small", auth.Public, func(w http.ResponseWriter, req *http.Request) error {
		_, err := io.Copy(io.Discard, http.MaxBytesReader(w, req.Body, 10))
		return err
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.url+"/v1/small", strings.NewReader("eleven byte"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(string(body), "larger than 10 bytes") {
		t.Errorf("status %d, %s, %v", res.StatusCode, body, err)
	}
}
