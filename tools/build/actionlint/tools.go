//go:build tools

// Package tools makes the module depend on the program that is built from it.
package tools

import _ "github.com/rhysd/actionlint/cmd/actionlint"
