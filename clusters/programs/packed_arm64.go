//go:build epi_packed

package programs

import _ "embed"

// packed is written by clusters/programs/pack before a release is built.
//
//go:embed packed_arm64.tar.zst
var packed []byte
