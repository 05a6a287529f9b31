package programs

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// Pack writes the programs of a folder as one compressed archive, which a release embeds. The same
// programs give the same archive.
func Pack(to io.Writer, folder string) error {
	compressed, err := zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("pack programs: %w", err)
	}
	archive := tar.NewWriter(compressed)
	for _, name := range Names() {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return fmt.Errorf("pack programs: %w", err)
		}
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			return fmt.Errorf("pack programs: %w", err)
		}
		if _, err := archive.Write(content); err != nil {
			return fmt.Errorf("pack programs: %w", err)
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		return fmt.Errorf("pack programs: %w", err)
	}
	return nil
}

// Unpack writes the programs of Pack's archive to a folder. None of them may exist there.
func Unpack(content []byte, folder string) error {
	compressed, err := zstd.NewReader(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("unpack programs: %w", err)
	}
	defer compressed.Close()
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("unpack programs: %w", err)
	}
	defer func() { _ = root.Close() }() // no write uses it any more
	archive := tar.NewReader(compressed)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			// The checksum follows the end of the tar archive.
			if _, err := io.Copy(io.Discard, compressed); err != nil {
				return fmt.Errorf("unpack programs: %w", err)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack programs: %w", err)
		}
		file, err := root.OpenFile(header.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
		if err != nil {
			return fmt.Errorf("unpack programs: %w", err)
		}
		_, err = io.Copy(file, archive)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("unpack %s: %w", header.Name, err)
		}
	}
}

// digest is the first 12 digits of the content's SHA-256.
func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])[:12]
}
