package main

// The newest source that the Go module proxy serves is of January 2026 (4.25). What the plugin of the Python SDK's
// version does otherwise, and a deployment of this project would notice, is done here. Left out, because nothing here
// uses it: `alwaysRender`, `enablePatchForce` as an argument of the provider, `List`, Helm's logins and hooks.
var edits = []edit{
	// Since 4.29 an object that exists already is an error when it is to be created, and not taken over in silence.
	{
		file: "pkg/await/await.go",
		old:  "type ProviderConfig struct {\n",
		new: `// UpsertExistingObjects lets creating a resource take over an object that exists already.
var UpsertExistingObjects = false

type ProviderConfig struct {
`,
	},
	{
		file: "pkg/await/await.go",
		old:  "if c.ServerSideApply {\n\t\t\t\tforce := patchForce(c.Inputs, nil, c.Preview)",
		new: "if c.ServerSideApply && (UpsertExistingObjects || kinds.IsPatchResource(c.URN, c.Inputs.GetKind())) {\n" +
			"\t\t\t\tforce := patchForce(c.Inputs, nil, c.Preview)",
	},
	{
		file: "pkg/await/await.go",
		old:  "options := metav1.CreateOptions{\n\t\t\t\t\tFieldManager: c.FieldManager,",
		// The first server-side apply takes the fields over from this name, and from no other.
		new: "options := metav1.CreateOptions{\n\t\t\t\t\tFieldManager: \"pulumi-kubernetes\",",
	},
	{
		file: "pkg/provider/provider.go",
		old:  "\tenableConfigMapMutable := func() bool {\n",
		new: `	await.UpsertExistingObjects = os.Getenv("PULUMI_K8S_UPSERT_EXISTING_OBJECTS") == trueStr
	if upsert, exists := vars["kubernetes:config:upsertExistingObjects"]; exists {
		await.UpsertExistingObjects = upsert == trueStr
	}

	enableConfigMapMutable := func() bool {
`,
	},
	// Since 4.26 a StatefulSet is not ready by what its controller wrote about the generation before.
	{
		file: "pkg/await/statefulset.go",
		old:  "\tvar updateStrategyType string\n\tif rawUpdateStrategyType, ok :=",
		new: `	observed, _ := openapi.Pluck(statefulset.Object, "status", "observedGeneration")
	if generation, ok := observed.(int64); !ok || generation < sia.currentGeneration {
		return
	}

	var updateStrategyType string
	if rawUpdateStrategyType, ok :=`,
	},
	// ConfigFile, ConfigGroup, Chart and Directory are left out: they take in the Go SDK of every kind there is, which
	// is most of the compiling. The engine says that such a type is unknown.
	{
		file: "pkg/provider/provider_construct.go",
		old: `	"kubernetes:yaml/v2:ConfigFile":     provideryamlv2.NewConfigFileProvider,
	"kubernetes:yaml/v2:ConfigGroup":    provideryamlv2.NewConfigGroupProvider,
	"kubernetes:helm.sh/v4:Chart":       providerhelmv4.NewChartProvider,
	"kubernetes:kustomize/v2:Directory": providerkustomizev2.NewDirectoryProvider,
`,
	},
	without("pkg/provider/provider_construct.go", "providerhelmv4", "helm/v4"),
	without("pkg/provider/provider_construct.go", "providerkustomizev2", "kustomize/v2"),
	without("pkg/provider/provider_construct.go", "provideryamlv2", "yaml/v2"),
}

// without removes an import.
func without(file, name, path string) edit {
	line := "\t" + name + ` "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider/` + path + "\"\n"
	return edit{file: file, old: line}
}
