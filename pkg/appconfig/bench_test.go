package appconfig_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/understudy-host/understudy/pkg/appconfig"
	"github.com/understudy-host/understudy/pkg/appconfig/value"
	"github.com/understudy-host/understudy/pkg/appconfig/yaml"
)

// writeBenchSet writes the same realistic layers as conformance/bench.mjs: about 400 values, two $include, two $file
// and 20 variables. It returns the options to load them.
func writeBenchSet(b *testing.B) appconfig.Options {
	b.Helper()
	dir := b.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	write("app-config.yaml", benchLayer(0, 30)+"included:\n  one: { $include: parts/one.yaml }\n"+
		"  two: { $include: 'parts/one.yaml#list' }\n  secret: { $file: parts/secret.txt }\n"+
		"  certificate: { $file: parts/certificate.pem }\n")
	write("app-config.local.yaml", benchLayer(3, 12))
	write("app-config.extra.yaml", benchLayer(5, 8))
	write("parts/one.yaml", "list: [1, 2, 3]\nmap: { a: \"${BENCH_1}\", b: \"${BENCH_2}\" }\n")
	write("parts/secret.txt", "not-a-real-secret\n")
	write("parts/certificate.pem", strings.Repeat(strings.Repeat("A", 64)+"\n", 30))
	options := appconfig.Options{Dir: dir}
	for _, name := range []string{"app-config.yaml", "app-config.local.yaml", "app-config.extra.yaml"} {
		options.Targets = append(options.Targets, filepath.Join(dir, name))
	}
	for i := range 20 {
		options.Environ = append(options.Environ, fmt.Sprintf("BENCH_%d=value-%d", i, i))
	}
	return options
}

func benchLayer(seed, sections int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# layer %d\n", seed)
	for s := range sections {
		fmt.Fprintf(&b, "section%d:\n", s)
		for k := range 8 {
			n := s*8 + k + seed
			kind := n % 6
			if kind == 5 && s%2 == 1 {
				kind = 0
			}
			fmt.Fprintf(&b, "  key%d:", k)
			switch kind {
			case 0:
				fmt.Fprintf(&b, " plain text number %d\n", n)
			case 1:
				fmt.Fprintf(&b, " %d\n", n*7)
			case 2:
				fmt.Fprintf(&b, " %t\n", n%2 == 0)
			case 3:
				fmt.Fprintf(&b, " [alpha-%d, beta, 'gamma: %d']\n", n, n)
			case 4:
				fmt.Fprintf(&b, "\n    nested: { a: %d, b: \"two\", c: [1, 2, 3] }\n    url: https://host-%d.example.com/path\n", n, n)
			case 5:
				fmt.Fprintf(&b, " ${BENCH_%d:-fallback}\n", n%20)
			}
		}
	}
	return b.String()
}

// BenchmarkLoad loads the realistic layers and reads all values, as bench.mjs does with the real loader. On a busy
// machine the median says more than the mean.
func BenchmarkLoad(b *testing.B) {
	options := writeBenchSet(b)
	b.ReportAllocs()
	var times []time.Duration
	for b.Loop() {
		times = append(times, loadOnce(b, options))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2]), "median-ns/op")
}

func loadOnce(b *testing.B, options appconfig.Options) time.Duration {
	begin := time.Now()
	config, err := appconfig.Load(b.Context(), options)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := config.Get(""); err != nil {
		b.Fatal(err)
	}
	return time.Since(begin)
}

// BenchmarkGetString reads strings of the topmost layer, and of the lowest layer: in a section that only this layer
// has, in one that all layers have, and through a part of the configuration.
func BenchmarkGetString(b *testing.B) {
	for _, depth := range []int{1, 4, 16, 32} {
		var layers []appconfig.Layer
		for i := range depth {
			text := benchLayer(i, 30)
			if i == 0 {
				text += "  below: { text: x }\nonly: { below: { text: x } }\n"
			}
			if i == depth-1 {
				text += "top: { most: { text: x } }\n"
			}
			v, err := yaml.Parse([]byte(text))
			if err != nil {
				b.Fatal(err)
			}
			layers = append(layers, appconfig.Layer{Name: fmt.Sprintf("layer-%d.yaml", i), Data: v.(*value.Object)})
		}
		whole := appconfig.New(layers...)
		part, err := whole.GetConfig("section29")
		if err != nil {
			b.Fatal(err)
		}
		for _, read := range []struct {
			name   string
			config *appconfig.Config
			key    string
		}{
			{"topmost", whole, "top.most.text"},
			{"lowest", whole, "only.below.text"},
			{"lowest-shared", whole, "section29.below.text"},
			{"lowest-part", part, "below.text"},
		} {
			b.Run(fmt.Sprintf("layers=%d/%s", depth, read.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := read.config.GetString(read.key); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
