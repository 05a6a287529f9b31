package nodeimage

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// storedLayer is a layer that is stored uncompressed. The whole archive is compressed, and compressing twice would only be
// slower.
type storedLayer struct {
	file string
	hash v1.Hash
	size int64
}

func newStoredLayer(file string) (*storedLayer, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read layer: %w", err)
	}
	defer func() { _ = in.Close() }() // read only
	sum := sha256.New()
	size, err := io.Copy(sum, in)
	if err != nil {
		return nil, fmt.Errorf("read layer %s: %w", file, err)
	}
	return &storedLayer{file: file, hash: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}, size: size}, nil
}

func (s *storedLayer) Digest() (v1.Hash, error)             { return s.hash, nil }
func (s *storedLayer) DiffID() (v1.Hash, error)             { return s.hash, nil }
func (s *storedLayer) Size() (int64, error)                 { return s.size, nil }
func (s *storedLayer) MediaType() (types.MediaType, error)  { return types.DockerUncompressedLayer, nil }
func (s *storedLayer) Compressed() (io.ReadCloser, error)   { return os.Open(s.file) }
func (s *storedLayer) Uncompressed() (io.ReadCloser, error) { return os.Open(s.file) }
