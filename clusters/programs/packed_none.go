//go:build !epi_packed

package programs

// packed is empty unless a release is built, with the tag epi_packed.
var packed []byte
