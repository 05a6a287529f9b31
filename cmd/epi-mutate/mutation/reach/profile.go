package reach

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Executed is a block with the number of its executions.
type Executed struct {
	Block
	Count int
}

// hashFrom and hashTo are the place of the hash in the header of meta data, after which files are named (internal/coverage,
// MetaFileHeader).
const hashFrom, hashTo = 24, 40

// decodeTime bounds the decoding of one set of counters.
const decodeTime = time.Minute

// Decode makes a profile from an instrumented program's report, with the toolchain's own decoder. Files are named from the
// root of the module.
func Decode(ctx context.Context, module string, meta, counters []byte) ([]Executed, error) {
	if len(meta) < hashTo {
		return nil, errors.New("decode coverage: the meta data ends in its header")
	}
	dir, err := os.MkdirTemp("", "epi-coverage-")
	if err != nil {
		return nil, fmt.Errorf("decode coverage: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	hash := hex.EncodeToString(meta[hashFrom:hashTo])
	for name, data := range map[string][]byte{"covmeta." + hash: meta, "covcounters." + hash + ".1.1": counters} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, fmt.Errorf("decode coverage: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, decodeTime)
	defer cancel()
	text := filepath.Join(dir, "profile.txt")
	if output, err := exec.CommandContext(ctx, "go", "tool", "covdata", "textfmt", "-i="+dir, "-o="+text).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("decode coverage: %w\n%s", err, strings.TrimSpace(string(output)))
	}
	data, err := os.ReadFile(text)
	if err != nil {
		return nil, fmt.Errorf("decode coverage: %w", err)
	}
	return parse(string(data), module)
}

// parse reads a profile in the text format of go test -coverprofile.
func parse(text, module string) ([]Executed, error) {
	var list []Executed
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "mode:") {
			continue
		}
		file, rest, _ := strings.Cut(line, ".go:")
		var e Executed
		var column, statements int
		if _, err := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &e.From, &column, &e.To, &column, &statements, &e.Count); err != nil {
			return nil, fmt.Errorf("decode coverage: line %q: %w", line, err)
		}
		e.File = strings.TrimPrefix(file, module+"/") + ".go"
		list = append(list, e)
	}
	return list, nil
}
