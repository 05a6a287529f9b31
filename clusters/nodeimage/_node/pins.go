//go:build pins

// Package node pins by checksum what the node image takes from modules without compiling it into
// a program: the files of kind's node.
package node

import _ "sigs.k8s.io/kind/pkg/apis/config/defaults"
