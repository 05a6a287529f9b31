// Package journal records what is about to be created in AWS in a file, one line each. The line is on disk before the
// request is sent. The journal helps to find resources quickly. It proves nothing: a resource's own tags prove that it may
// be removed.
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

// maxLine bounds a line in bytes. maxFile bounds how much of a file is read. Anything larger is damaged.
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

// Entry is one thing that is about to be created.
type Entry struct {
	// Time is UTC.
	Time time.Time `json:"time"`
	// Account has twelve digits. Region is the request's, also for resources without a region.
	Account string `json:"account"`
	Region  string `json:"region"`
	// Endpoint is the endpoint of AWS, if it is not AWS's own.
	Endpoint string `json:"endpoint,omitempty"`
	// Environment and Run are those in the tags.
	Environment string `json:"environment"`
	Run         string `json:"run"`
	Kind        Kind   `json:"kind"`
	// Name is the name in AWS: of an association its namespace and service account, of a provider its URL.
	Name string `json:"name"`
	// Cluster is the EKS cluster of an association or an add-on.
	Cluster string `json:"cluster,omitempty"`
}

// File is a journal at a path. Several processes may write to it at the same time.
type File string

// Record appends an entry and returns after it is on disk.
func (f File) Record(entry Entry) error {
	line, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("write journal %s: %w", f, err)
	}
	if len(line) >= maxLine {
		return fmt.Errorf("write journal %s: an entry of %d bytes", f, len(line))
	}
	// A line that a full disk truncated ends here, so that this one is not lost with it.
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

// syncFolder makes the name of a new file durable.
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

// Read returns the entries of the journal, and the number of unreadable lines. A missing journal has no entries. Anything
// but a regular file is an error.
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

// parse reads entries line by line, and skips damaged ones.
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
