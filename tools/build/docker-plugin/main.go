// Command slm-plugin is the Docker resource plugin of Pulumi, built from the upstream that the official plugin wraps.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/terraform-providers/terraform-provider-docker/slm-plugin/bridge"
)

// schema.json is written by tfgen before this is compiled.
//
//go:embed schema.json
var schema []byte

func main() {
	tfbridge.Main("docker", bridge.Version, bridge.Provider(), schema)
}
