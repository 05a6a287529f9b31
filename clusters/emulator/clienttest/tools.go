// Package clienttest has the tests that real AWS clients pass against the emulator: the AWS SDK for Go, the AWS SDK for
// JavaScript under Node.js, the AWS CLI of Debian, and another AWS CLI if PATH has one. It also tests other clients of S3:
// Debian's Boto3, rclone and s3cmd, and minio-go's functional tests, which take minutes and which make minio runs.
//
// The test of a client that this machine lacks is skipped, and says how to get the client. With EPI_REQUIRE_CLIENTS=1 the
// test fails. On a machine that may be changed,
//
//	go run ./clusters/emulator/clienttest/install
//
// installs the clients: Debian's packages awscli, nodejs, npm, python3-boto3, rclone and s3cmd, as root, and the npm
// packages of javascript/package-lock.json into the user's cache folder.
package clienttest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// RequireVariable, set to 1, makes a missing client a failure.
const RequireVariable = "EPI_REQUIRE_CLIENTS"

// DebianCLI is where Debian's package awscli puts its program.
const DebianCLI = "/usr/bin/aws"

// minNode is the oldest major version of Node.js that the AWS SDK for JavaScript supports.
const minNode = 20

// FindDebianCLI returns Debian's AWS CLI, or an error that says how to get it.
func FindDebianCLI() (path string, err error) {
	if info, err := os.Stat(DebianCLI); err != nil || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("there is no %s: apt-get install awscli", DebianCLI)
	}
	return DebianCLI, nil
}

// debianPython is the Python that Debian's packages use.
const debianPython = "/usr/bin/python3"

// Packages are Debian's packages of other clients.
var Packages = []string{"python3-boto3", "rclone", "s3cmd"}

// FindPackage returns the program of one of Packages, or an error that says how to get it.
func FindPackage(ctx context.Context, name string) (path string, err error) {
	missing := fmt.Errorf("there is no %s: apt-get install %s", name, name)
	if name == "python3-boto3" {
		if err := exec.CommandContext(ctx, debianPython, "-c", "import boto3").Run(); err != nil {
			return "", missing
		}
		return debianPython, nil
	}
	if path, err = exec.LookPath(name); err != nil {
		return "", missing
	}
	return path, nil
}

// FindOtherCLI returns the AWS CLI in PATH if it is not Debian's.
func FindOtherCLI() (path string, err error) {
	found, err := exec.LookPath("aws")
	if err != nil {
		return "", fmt.Errorf("there is no aws in PATH: install AWS CLI 2.15 or newer")
	}
	real, err := filepath.EvalSymlinks(found)
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", found, err)
	}
	if real == DebianCLI {
		return "", fmt.Errorf("the aws in PATH is Debian's: install AWS CLI 2.15 or newer in front of it")
	}
	return found, nil
}

// FindNode returns Node.js and npm, or an error that says how to get them.
func FindNode(ctx context.Context) (node, npm string, err error) {
	if node, err = exec.LookPath("node"); err != nil {
		return "", "", fmt.Errorf("there is no node in PATH: install Node.js %d or newer", minNode)
	}
	if npm, err = exec.LookPath("npm"); err != nil {
		return "", "", fmt.Errorf("there is no npm in PATH: install npm")
	}
	output, err := exec.CommandContext(ctx, node, "--version").Output()
	if err != nil {
		return "", "", fmt.Errorf("ask %s for its version: %w", node, err)
	}
	version := strings.TrimSpace(string(output))
	number, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if major, err := strconv.Atoi(number); err != nil || major < minNode {
		return "", "", fmt.Errorf("%s is Node.js %s: install %d or newer", node, version, minNode)
	}
	return node, npm, nil
}
