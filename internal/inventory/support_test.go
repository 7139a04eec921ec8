package inventory

import (
	"bytes"
	"compress/gzip"
	"testing"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/platform/blob"
)

func mappingRequest(merchant string, yaml []byte) *inventoryv1.ApplyMappingRequest {
	return &inventoryv1.ApplyMappingRequest{MerchantId: merchant, Yaml: yaml}
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func errNoSpace() error { return blob.ErrNoSpace }
