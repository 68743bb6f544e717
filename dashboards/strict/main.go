// Checks dashboards against Grafana's own schema of them: unknown fields, wrong types and missing fields are errors, those of panels'
// options and of queries too.
//
//	go run . ../grafana/*.json
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	failed := false
	for _, file := range os.Args[1:] {
		if err := check(file); err != nil {
			fmt.Fprintf(os.Stderr, "FAIL: %s: %v\n", file, err)
			failed = true
		}
	}
	if failed || len(os.Args) < 2 {
		os.Exit(1)
	}
	fmt.Printf("%d dashboards are as Grafana's schema has them\n", len(os.Args)-1)
}

func check(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var it dashboard.Dashboard
	return it.UnmarshalJSONStrict(text)
}
