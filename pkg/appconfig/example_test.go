package appconfig_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/understudy-host/understudy/pkg/appconfig"
)

func Example() {
	dir, err := os.MkdirTemp("", "appconfig")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string]string{
		"app-config.yaml":       "backend:\n  baseUrl: ${BASE_URL}\n  listen: { port: 7007 }\n",
		"app-config.local.yaml": "backend:\n  listen: { port: 8080 }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			log.Fatal(err)
		}
	}

	config, err := appconfig.Load(context.Background(), appconfig.Options{
		RootDir: dir,
		Environ: []string{"BASE_URL=https://backstage.example.com"},
	})
	if err != nil {
		log.Fatal(err)
	}
	backend, err := config.GetConfig("backend")
	if err != nil {
		log.Fatal(err)
	}
	url, _ := backend.GetString("baseUrl")
	port, _ := backend.GetNumber("listen.port")
	_, err = backend.GetString("listen.port")
	fmt.Println(url, port)
	fmt.Println(err)

	values, err := config.Located()
	if err != nil {
		log.Fatal(err)
	}
	for _, value := range values {
		source := value.Origin.Source
		fmt.Println(value.Key, "is from line", value.Origin.Line, "of", filepath.Base(source.Path), source.Variables)
	}
	// Output:
	// https://backstage.example.com 8080
	// Invalid type in config for key 'backend.listen.port' in 'app-config.local.yaml', got number, wanted string
	// backend.listen.port is from line 2 of app-config.local.yaml []
	// backend.baseUrl is from line 2 of app-config.yaml [BASE_URL]
}

func ExampleWatch() {
	targets, err := appconfig.TargetsFromArgs(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	options := appconfig.Options{Targets: targets, Environ: os.Environ()}
	ctx := context.Background()
	config, err := appconfig.Load(ctx, options)
	if err != nil {
		log.Fatal(err)
	}
	err = appconfig.Watch(ctx, options, config, func(changed *appconfig.Config, err error) {
		if err != nil {
			log.Print("the last good configuration stays in use: ", err)
			return
		}
		log.Print("in use now: ", len(changed.Layers()), " layers")
	})
	if err != nil {
		log.Fatal(err)
	}
}
