//go:build tools

// Package tools makes the module depend on the program that is built from it.
package tools

import _ "go.etcd.io/etcd/server/v3"
