// Command prepare makes a copy of the plugin's source ready for compiling: prepare COPY VERSION, run in the folder of
// this module. It writes the files that main.go embeds and raises the copy, in the ways that edits.go lists, to what
// the version of the Python SDK does.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fail("usage: prepare COPY VERSION")
	}
	upstream, version := os.Args[1], os.Args[2]
	for _, change := range edits {
		change.apply(upstream)
	}
	commands := filepath.Join(upstream, "cmd", "pulumi-resource-kubernetes")
	compact(filepath.Join(commands, "schema.json"), "schema.json", map[string]any{"version": version})
	compact(filepath.Join(commands, "terraform-mapping.json"), "mapping.json", nil)
}

// edit replaces `old`, which stands in the file exactly once, or the source is not the one the edit was written for.
type edit struct {
	file, old, new string
}

func (e edit) apply(upstream string) {
	path := filepath.Join(upstream, e.file)
	text, err := os.ReadFile(path)
	check(err)
	if found := strings.Count(string(text), e.old); found != 1 {
		fail(fmt.Sprintf("%s holds %d times, not once:\n%s", e.file, found, e.old))
	}
	check(os.WriteFile(path, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o644))
}

// compact writes the JSON document without blanks and with the values laid over its top level.
func compact(from, to string, values map[string]any) {
	text, err := os.ReadFile(from)
	check(err)
	document := map[string]any{}
	check(json.Unmarshal(text, &document))
	for key, value := range values {
		document[key] = value
	}
	text, err = json.Marshal(document)
	check(err)
	check(os.WriteFile(to, text, 0o644))
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(1)
}
