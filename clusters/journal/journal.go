// Package journal keeps what is about to be made in AWS in a file, one line each, on disk before the request
// goes out. It makes finding again quick; it proves nothing: what is removed is proven by its own tags.
package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxLine bounds a line in bytes, maxFile what is read of a file: more is damage.
const (
	maxLine = 4 << 10
	maxFile = 64 << 20
)

// Kind is a type of resource.
type Kind string

// The kinds that epi and its suites make.
const (
	Role        Kind = "IAM role"
	Policy      Kind = "IAM policy"
	Provider    Kind = "OIDC provider"
	Bucket      Kind = "S3 bucket"
	Association Kind = "association"
	Stack       Kind = "CloudFormation stack"
	Repository  Kind = "ECR repository"
	Cluster     Kind = "EKS cluster"
	Addon       Kind = "EKS add-on"
)

// Kinds lists them.
func Kinds() []Kind {
	return []Kind{Role, Policy, Provider, Bucket, Association, Stack, Repository, Cluster, Addon}
}

// Entry is one thing that is about to be made.
type Entry struct {
	// Time is UTC.
	Time time.Time `json:"time"`
	// Account has twelve digits. Region is that of the request, also for what has none.
	Account string `json:"account"`
	Region  string `json:"region"`
	// Endpoint is AWS's if it is not AWS's own.
	Endpoint string `json:"endpoint,omitempty"`
	// Environment and Run are those in the tags.
	Environment string `json:"environment"`
	Run         string `json:"run"`
	Kind        Kind   `json:"kind"`
	// Name in AWS: of an association its namespace and service account, of a provider its URL.
	Name string `json:"name"`
	// Cluster is the EKS cluster of an association or an add-on.
	Cluster string `json:"cluster,omitempty"`
}

// File is a journal at a path. Several processes may write to it at the same time.
type File string

// Record appends an entry and returns when it is on disk.
func (f File) Record(entry Entry) error {
	line, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("write journal %s: %w", f, err)
	}
	if len(line) >= maxLine {
		return fmt.Errorf("write journal %s: an entry of %d bytes", f, len(line))
	}
	// A line that a full disk cut off ends here, and this one is not lost with it.
	line = append(append([]byte{'\n'}, line...), '\n')
	_, statErr := os.Lstat(string(f))
	file, err := os.OpenFile(string(f), os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("write journal %s: %w", f, err)
	}
	_, err = file.Write(line)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write journal %s: %w", f, err)
	}
	if errors.Is(statErr, fs.ErrNotExist) {
		return syncFolder(filepath.Dir(string(f)))
	}
	return nil
}

// syncFolder makes the name of a new file last.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("keep journal: %w", err)
	}
	err = folder.Sync()
	if err = errors.Join(err, folder.Close()); err != nil {
		return fmt.Errorf("keep journal: %w", err)
	}
	return nil
}

// Read returns the entries of the journal, and how many of its lines cannot be read. One that is not there
// has none. What is no regular file is an error.
func (f File) Read() (entries []Entry, damaged int, err error) {
	file, err := os.OpenFile(string(f), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read journal: %w", err)
	}
	defer func() { _ = file.Close() }() // read only
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("read journal %s: it is not a file of its own", f)
	}
	entries, damaged, err = parse(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, 0, fmt.Errorf("read journal: %w", err)
	}
	return entries, damaged, nil
}

// parse reads entries line by line, past those that are damaged.
func parse(r io.Reader) (entries []Entry, damaged int, err error) {
	reader := bufio.NewReaderSize(r, maxLine)
	for {
		line, long, err := reader.ReadLine()
		if errors.Is(err, io.EOF) {
			return entries, damaged, nil
		}
		if err != nil {
			return nil, 0, err
		}
		for skip := long; skip; {
			if _, skip, err = reader.ReadLine(); err != nil {
				break
			}
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var entry Entry
		if long || json.Unmarshal(line, &entry) != nil || !entry.valid() {
			damaged++
			continue
		}
		entries = append(entries, entry)
	}
}

func (e Entry) valid() bool {
	for _, kind := range Kinds() {
		if e.Kind == kind {
			return e.Name != "" && e.Environment != "" && e.Region != ""
		}
	}
	return false
}
