// Command kubernetes-plugin is Pulumi's own Kubernetes plugin, from its published source.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

// schema.json and mapping.json are written by prepare before this is compiled.
//
//go:embed schema.json
var schema []byte

//go:embed mapping.json
var mapping []byte

func main() {
	provider.Serve("kubernetes", version.Version, schema, mapping)
}
