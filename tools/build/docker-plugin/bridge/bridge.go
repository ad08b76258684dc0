// Package bridge describes how the upstream Docker provider is presented to Pulumi: which of its resources
// exist, and under which names. Names follow the pulumi_docker package, so programs cannot tell the difference.
package bridge

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	tfshim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	sdkv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/terraform-providers/terraform-provider-docker/internal/provider"
)

// Version is the release of pulumi_docker whose inputs this plugin honours. It is set when the plugin is linked.
var Version = "0.0.0"

// resource maps one upstream resource to the type token `docker:index/<file>:<name>`.
func resource(file, name string) *tfbridge.ResourceInfo {
	return &tfbridge.ResourceInfo{Tok: tokens.Type("docker:index/" + file + ":" + name)}
}

// Provider returns the mapping. Resources without an entry do not exist in this plugin: using one is an error.
func Provider() tfbridge.ProviderInfo {
	container := resource("container", "Container")
	// Two containers cannot have one name, and a published port has one owner.
	container.DeleteBeforeReplace = true
	// Both are lists that the SDK does not put in the plural.
	container.Fields = map[string]*tfbridge.SchemaInfo{
		"command":           {Name: "command"},
		"networks_advanced": {Name: "networksAdvanced"},
	}
	image := resource("remoteImage", "RemoteImage")
	// The name is the reference to pull, so no suffix may be added to it.
	image.Fields = map[string]*tfbridge.SchemaInfo{"name": {Name: "name"}}

	upstream := sdkv2.NewProvider(provider.New(Version)())
	info := tfbridge.ProviderInfo{
		P:           upstream,
		Name:        "docker",
		Version:     Version,
		DisplayName: "Docker",
		License:     "MPL-2.0",
		Description: "Docker containers, images, networks and volumes, built from the upstream of the official plugin",
		Repository:  "https://github.com/kreuzwerker/terraform-provider-docker",
		Config: map[string]*tfbridge.SchemaInfo{
			"host": {Default: &tfbridge.DefaultInfo{
				EnvVars: []string{"DOCKER_HOST"},
				Value:   "unix:///var/run/docker.sock",
			}},
			"registry_auth": {Name: "registryAuth", MaxItemsOne: tfbridge.False()},
		},
		Resources: map[string]*tfbridge.ResourceInfo{
			"docker_container": container,
			"docker_image":     image,
			"docker_network":   resource("network", "Network"),
			"docker_volume":    resource("volume", "Volume"),
		},
	}
	// A mapping overrides being ignored, so this concerns only what has none, and has none on purpose.
	ignore := func(name string, _ tfshim.Resource) bool {
		info.IgnoreMappings = append(info.IgnoreMappings, name)
		return true
	}
	upstream.ResourcesMap().Range(ignore)
	upstream.DataSourcesMap().Range(ignore)
	info.SetAutonaming(255, "-")
	return info
}
