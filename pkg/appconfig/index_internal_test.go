package appconfig

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/understudy-host/understudy/pkg/appconfig/value"
)

// TestIndexFindsWhatALookAtEachLayerFinds compares the index with a search of one layer after the other. The layers
// are random, with nulls, scalars and objects under the same keys.
func TestIndexFindsWhatALookAtEachLayerFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "c"}
	var object func(depth int) *value.Object
	object = func(depth int) *value.Object {
		o := &value.Object{}
		for _, name := range names {
			switch n := random.IntN(8); {
			case n == 0:
				o.Set(name, nil)
			case n == 1:
				o.Set(name, fmt.Sprint(random.IntN(1000)))
			case n < 5 && depth > 0:
				o.Set(name, object(depth-1))
			}
		}
		return o
	}
	var keys []string
	for _, a := range names {
		for _, b := range names {
			keys = append(keys, a+"."+b+".c")
		}
		keys = append(keys, a, a+".b", a+".b.a.c")
	}
	compare := func(config *Config, key string) {
		t.Helper()
		got, layer, err := config.topmost(key)
		for at := config; at != nil; at = at.fallback {
			want, found, wantErr := at.value(key)
			if !found && wantErr == nil && at.fallback != nil {
				continue
			}
			if got != want || got != nil && layer != at.layer || fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%s: got %v of %q, %v, want %v of %q, %v", key, got, layer, err, want, at.layer, wantErr)
			}
			return
		}
	}
	for range 2000 {
		var layers []Layer
		for i := range 1 + random.IntN(6) {
			layers = append(layers, Layer{Name: fmt.Sprint("layer-", i), Data: object(4)})
		}
		config := New(layers...)
		for _, key := range keys {
			compare(config, key)
		}
		for _, part := range []string{"a", "b.a"} {
			inner, ok, err := config.GetOptionalConfig(part)
			if wrong := (*TypeError)(nil); err != nil && !errors.As(err, &wrong) {
				t.Fatal(err)
			}
			for _, key := range keys {
				if ok {
					compare(inner, key)
				}
			}
		}
	}
}
