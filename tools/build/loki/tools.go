//go:build tools

// Package tools makes the module depend on the programs that are built from it.
package tools

import _ "github.com/grafana/loki/v3/cmd/loki"
